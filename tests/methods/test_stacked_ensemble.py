"""Stacked ensembles: every member trains as MAP would alone."""

import keras
import numpy as np
import pytest
import samplers as s

import bnn
from bnn.diagnostics import check_method
from bnn.likelihoods import Normal
from bnn.methods import MAP, StackedEnsemble
from bnn.posteriors import Point


def adam():
    return keras.optimizers.Adam(0.05)


def run(method, count=4):
    for step in range(count):
        method.step(s.batches().at(step), s.noise_of(step), lambda f: f)
    return method


def alone(starts):
    """MAP from these weights, its values after four steps."""
    method = s.built(MAP(), optimizer=adam())
    for variable, value in zip(method.problem.model.trainable_variables, starts, strict=True):
        variable.assign(value)
    run(method)
    return s.values(method)


def test_every_member_trains_as_alone():
    method = s.built(StackedEnsemble(3), optimizer=adam())
    starts = [[v.numpy()[m] for v in method.trained] for m in range(3)]
    assert not np.allclose(starts[0][0], starts[1][0])
    run(method)
    for member, start in enumerate(starts):
        for value, exact in zip(method.trained, alone(start), strict=True):
            np.testing.assert_allclose(value.numpy()[member], exact, atol=1e-5)
    for value, own in zip(method.trained, s.values(method), strict=True):
        np.testing.assert_array_equal(value.numpy()[0], own)
    assert method.describe()["gradient_evaluations"] == 3 * 4 * 8


def test_functions_are_the_members():
    method, x = run(s.built(StackedEnsemble(3), optimizer=adam())), s.data()[0]
    outputs = method.predict(x, 32, seed=0).numpy()
    assert outputs.shape == (3, s.NUM_TRAIN, 2)
    np.testing.assert_allclose(outputs[0], method.problem.model(x), atol=1e-6)
    np.testing.assert_array_equal(method.predict(x, 2, seed=0).numpy(), outputs[:2])
    assert np.abs(outputs[0] - outputs[1]).max() > 0.01


class Mixed(StackedEnsemble):
    """The members' gradients are averaged."""

    def gradients(self, batch, noise):
        info, gradients = super().gradients(batch, noise)
        return info, [g * 0 + np.mean(g, 0) for g in gradients]


def test_members_that_mix_are_seen():
    method = s.built(Mixed(3), optimizer=adam())
    starts = [[v.numpy()[m] for v in method.trained] for m in range(3)]
    run(method)
    first = [v.numpy()[0] for v in method.trained]
    gaps = [np.abs(a - b).max() for a, b in zip(first, alone(starts[0]), strict=True)]
    assert max(gaps) > 1e-3


@pytest.mark.slow
def test_it_keeps_to_the_interface_and_goes_on_after_a_kill():
    options = {"checks": ("interface", "loss", "restore"), "num_steps": 60}
    report = check_method(StackedEnsemble(1), Point(), **options)  # kl is the members' mean
    assert report.ok, report


def test_what_it_cannot_serve_is_refused():
    learned = bnn.likelihoods.Normal(trainable=True)
    learned.build(2)
    with pytest.raises(ValueError, match="cannot serve Normal with noise that is learned"):
        s.built(StackedEnsemble(), optimizer=adam(), likelihood=learned)
    with pytest.raises(ValueError, match=r"StackedEnsemble needs problem\.make_model"):
        s.built(StackedEnsemble(), optimizer=adam(), make_model=None)
    with pytest.raises(ValueError, match="work element by element, or its members would mix"):
        s.built(StackedEnsemble(), optimizer=keras.optimizers.Adam(clipnorm=1.0))
    with pytest.raises(ValueError, match="num_members must be"):
        StackedEnsemble(0)


def test_frozen_weights_of_their_own_are_refused():
    def make():
        frozen = keras.layers.Dense(4, trainable=False, name="frozen")
        with bnn.posteriors.points():
            return keras.Sequential([keras.Input((3,)), frozen, bnn.layers.Dense(2)])

    with pytest.raises(
        ValueError, match=r"frozen/kernel is begun at random; .* or use DeepEnsemble"
    ):
        StackedEnsemble(2)._begin(
            bnn.methods.Problem(make(), Normal(), 8, 4, 0, make_model=make), make()
        )
