"""Numbers that no machine has the memory or the time for are refused before anything is made."""

import keras
import pytest
import samplers as s

import bnn


@pytest.mark.parametrize(
    ("method", "argument"),
    [
        (bnn.methods.StackedEnsemble(10**8), "num_members"),
        (bnn.methods.DeepEnsemble(num_members=10**8), "num_members"),
        (bnn.methods.HMC(num_chains=10**8), "num_chains"),
    ],
)
def test_models_without_end_are_refused_before_the_first_is_built(method, argument):
    def make():
        raise AssertionError("built")

    message = f"{argument} must be at most 10000 for a model of 26 numbers, .* got 100000000; lower"
    with pytest.raises(ValueError, match=message):
        s.built(method, optimizer=keras.optimizers.Adam(), total_steps=10**9, make_model=make)


@pytest.mark.parametrize(
    ("method", "message"),
    [
        (bnn.methods.SNGP(10**7), "num_features must be at most 32768 for 2 outputs, .* got 10000"),
        (bnn.methods.SWAG(rank=10**9), "rank must be at most 330382099, as it takes that many"),
    ],
)
def test_more_numbers_than_fit_are_refused_with_what_would(method, message):
    with pytest.raises(ValueError, match=message):
        s.built(method, optimizer=keras.optimizers.Adam())


@pytest.mark.parametrize(
    ("method", "argument"),
    [(bnn.methods.HMC, "num_leapfrog_steps"), (bnn.methods.MCLMC, "num_integrator_steps")],
)
def test_a_step_without_end_is_refused(method, argument):
    message = f"{argument} must be an integer from 1 to 100000, got 1000000000; .* is usual"
    with pytest.raises(ValueError, match=message):
        method(**{argument: 10**9})
