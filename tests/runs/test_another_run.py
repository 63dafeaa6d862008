"""What a run from Python is: the same is not repeated, another is refused."""

import functools

import keras
import pytest

import bnn
from bnn.experiment import run
from bnn.methods import VariationalInference
from bnn.runs.folder import FolderInUseError
from bnn.schedules import Constant
from tests.runs.toy_runs import arguments, classes, linear, narrow, values

OTHERS = {
    "epochs": ({"epochs": 3}, "-epochs: 4\n+epochs: 3"),
    "model": ({"model": narrow}, ".linear"),
    "partial": ({"model": functools.partial(narrow, hidden=3)}, '"hidden": 3'),
    "estimator": (
        {"method": VariationalInference(bnn.estimators.Flipout())},
        "bnn.estimators.flipout.Flipout",
    ),
    "objective": (
        {
            "method": VariationalInference(
                bnn.estimators.Reparameterization(), bnn.objectives.NegativeELBO(num_samples=2)
            )
        },
        '"num_samples": 2',
    ),
    "optimizer": ({"optimizer": keras.optimizers.Adam(0.01)}, '"learning_rate": 0.00999'),
    "schedule": ({"learning_rate": Constant(0.3)}, "0.3"),
    "seed": ({"seed": 1}, "+seed: 1"),
    "data": ({"data": classes(num_valid=5)}, "x_train, y_train, x_valid, y_valid of data set"),
}


@pytest.mark.parametrize(("changes", "shown"), OTHERS.values(), ids=OTHERS)
def test_another_run_from_python_is_refused_with_the_difference(plain_run, changes, shown):
    workdir, _ = plain_run
    with pytest.raises(FolderInUseError) as caught:
        run(workdir, **arguments(**changes))
    assert shown in str(caught.value)


@pytest.mark.parametrize(
    "changes", [{}, {"steps_per_call": 3}, {"keep_checkpoints": 1}, {"save_seconds": 1.0}]
)
def test_the_same_run_from_python_is_not_repeated(plain_run, changes):
    workdir, results = plain_run
    assert run(workdir, **arguments(**changes)) == results


def test_the_same_objects_may_be_passed_again(tmp_path, cheap_runs):
    """They hold variables, caches and what they were built for by then."""
    held = arguments(
        data=values(), likelihood=bnn.likelihoods.Normal(0.5, trainable=True), epochs=1
    )
    first = run(tmp_path, **held)
    assert run(tmp_path, **held) == first


def test_a_function_that_cannot_be_told_from_another_is_refused(tmp_path):
    handle = object()

    def model(shape, outputs):
        assert handle
        return linear(shape, outputs)

    with pytest.raises(ValueError, match=r"model's variable 'handle' cannot be told .*partial"):
        run(tmp_path / "run", **arguments(model=model))
    assert not (tmp_path / "run").exists()


def test_inner_functions_are_told_apart_by_source_and_surroundings(tmp_path, cheap_runs):
    def maker(hidden):
        return lambda shape, outputs: narrow(shape, outputs, hidden)

    first = run(tmp_path, **arguments(model=maker(2), epochs=1))
    assert run(tmp_path, **arguments(model=maker(2), epochs=1)) == first
    with pytest.raises(FolderInUseError, match='"hidden": 3'):
        run(tmp_path, **arguments(model=maker(3), epochs=1))
