"""Descriptions: equal for equal arguments, different for different ones, refused where unknown."""

import functools
import json
import threading
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import bnn
from bnn.methods import GradientNoiseProbe, VariationalInference
from bnn.runs.identity import UndescribableError, describe, differences, fingerprint
from bnn.schedules import Constant, Cosine, LinearWarmup

e = bnn.estimators


def method(**changes):
    options = {"estimator": e.Flipout(), "kl_weight": LinearWarmup(1.0), **changes}
    return VariationalInference(**options)


def factor(times):
    return lambda value: times * value


class Slotted:
    __slots__ = ("rate",)


# Every row: values of one argument that must all be told apart.
DIFFERENT = {
    "numbers": (1, 2, 1.5, True, None, "1", np.float32(2.5), float("inf")),
    "containers": ([1, 2], [2, 1], {"a": 1}, {"a": 2}, {1, 2}, []),
    "arrays": (np.zeros(2), np.zeros(3), np.ones(2), np.zeros(2, np.float32), tf.ones(3)),
    "functions": (bnn.models.mlp, bnn.models.lenet5, max, np.exp),
    "partials": (
        functools.partial(bnn.models.mlp, hidden=(3,)),
        functools.partial(bnn.models.mlp, hidden=(4,)),
        functools.partial(bnn.models.lenet5),
    ),
    "lambdas": (lambda x: x, lambda x: x + 1, factor(2), factor(3)),
    "optimizers": (
        keras.optimizers.Adam(0.1),
        keras.optimizers.Adam(0.2),
        keras.optimizers.SGD(0.1),
        keras.optimizers.Adam(0.1, clipnorm=1.0),
    ),
    "likelihoods": (
        bnn.likelihoods.Categorical(),
        bnn.likelihoods.Normal(),
        bnn.likelihoods.Normal(0.5),
        bnn.likelihoods.Normal(trainable=True),
    ),
    "schedules": (Constant(0.1), Constant(0.2), Cosine(0.1), LinearWarmup(0.1)),
    "methods": (
        method(),
        method(estimator=e.Mean()),
        method(kl_weight=1.0),
        method(kl_weight=LinearWarmup(0.5)),
        method(objective=bnn.objectives.NegativeELBO(num_samples=2)),
        method(objective=bnn.objectives.StickingTheLanding()),
        method(estimator=e.ScoreFunction(e.RunningMean())),
        method(estimator=e.ScoreFunction(e.LeaveOneOut())),
    ),
    "probes": (GradientNoiseProbe(), GradientNoiseProbe([e.Mean()]), GradientNoiseProbe(every=2)),
}


@pytest.mark.parametrize("values", DIFFERENT.values(), ids=DIFFERENT)
def test_different_arguments_have_different_descriptions(values):
    texts = [json.dumps(describe("argument", value), sort_keys=True) for value in values]
    assert len(set(texts)) == len(texts)


MADE = {
    "method": method,
    "optimizer": lambda: keras.optimizers.Adam(0.1),
    "likelihood": lambda: bnn.likelihoods.Normal(0.5, trainable=True),
    "partial": lambda: functools.partial(bnn.models.mlp, hidden=(3,)),
    "closure": lambda: factor(2),
    "path": lambda: Path("data"),
    "probe": lambda: GradientNoiseProbe([e.Flipout()]),
}


@pytest.mark.parametrize("make", MADE.values(), ids=MADE)
def test_equal_arguments_have_equal_descriptions(make):
    assert describe("argument", make()) == describe("argument", make())


def test_what_training_adds_to_an_object_changes_nothing():
    likelihood, scored = bnn.likelihoods.Normal(trainable=True), e.ScoreFunction(e.RunningMean())
    before = describe("likelihood", likelihood), describe("estimator", scored)
    likelihood.build(3)
    assert scored.baseline.variables
    assert (describe("likelihood", likelihood), describe("estimator", scored)) == before


UNKNOWN = {
    "slots": Slotted(),
    "lock": {"around": threading.Lock()},
    "objects": np.array([object()]),
    "variable": [keras.Variable(0.0)],
}


@pytest.mark.parametrize("value", UNKNOWN.values(), ids=UNKNOWN)
def test_what_cannot_be_told_apart_is_refused_by_name(value):
    with pytest.raises(UndescribableError, match=r"^argument model.* give a functools\.partial of"):
        describe("model", value)


def test_what_holds_itself_is_refused():
    loop = []
    loop.append(loop)
    with pytest.raises(UndescribableError, match="nested too deeply, or holds itself"):
        describe("model", loop)


def test_data_are_known_by_name_scales_and_the_bytes_of_every_part(rng):
    from bnn.data import regression_dataset

    x, y = rng.normal(size=(30, 2)), rng.normal(size=(30, 1))
    one = fingerprint(regression_dataset("toy", (x[:20], y[:20]), (x[20:], y[20:])))
    assert one == fingerprint(regression_dataset("toy", (x[:20], y[:20]), (x[20:], y[20:])))
    assert one["name"] == "toy"
    assert isinstance(one["target_scale"][0], float)
    json.dumps(one)
    changed = y.copy()
    changed[25] += 1.0
    other = fingerprint(regression_dataset("toy", (x[:20], y[:20]), (x[20:], changed[20:])))
    assert differences(one, other) == ["y_test"]
