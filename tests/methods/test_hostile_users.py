"""Every method beside what users bring: it is right, or refuses by name before training."""

import contextlib

import keras
import numpy as np
import pytest
import samplers as s
import tensorflow as tf

import bnn
from bnn import methods as m
from bnn.data import ResidentBatches
from bnn.posteriors import points

pytestmark = pytest.mark.slow
Dense = bnn.layers.Dense
METHODS = {
    "MAP": m.MAP,
    "AnchoredMAP": m.AnchoredMAP,
    "VariationalInference": lambda: m.VariationalInference(bnn.estimators.Reparameterization()),
    "IVON": m.IVON,
    "MomentPropagation": m.MomentPropagation,
    "full covariance": lambda: m.MomentPropagation(covariance="full"),
    "SWA": lambda: m.SWA(num_snapshots=3),
    "SWAG": lambda: m.SWAG(2, num_snapshots=3, num_statistics=3),
    "MCDropout": m.MCDropout,
    "DeepEnsemble": lambda: m.DeepEnsemble(num_members=2),
    "StackedEnsemble": lambda: m.StackedEnsemble(2),
    "SnapshotEnsemble": lambda: m.SnapshotEnsemble(2),
    "VBLL": m.VBLL,
    "SNGP": lambda: m.SNGP(16),
    "DDU": m.DDU,
    "SGLD": lambda: m.SGLD(1e-4),
    "SGHMC": lambda: m.SGHMC(1e-4),
    "HMC": lambda: m.HMC(1),
    "MCLMC": lambda: m.MCLMC(1),
}
RANDOM = ("VariationalInference", "IVON", "MomentPropagation", "full covariance")
SAMPLERS = ("SGLD", "SGHMC", "HMC", "MCLMC")


def hidden():
    """A function with a layer in it, which Keras does not track."""
    layer = Dense(4, "relu", name="hidden")
    return lambda x: layer(x)


CONDITIONS = {
    "batches that do not divide N": lambda: [Dense(4, "relu"), Dense(2)],
    "weights of the examples": lambda: [Dense(4, "relu"), Dense(2)],
    "a frozen layer": lambda: [Dense(4, "relu", trainable=False, name="frozen"), Dense(2)],
    "BatchNormalization": lambda: [
        Dense(4, "relu"),
        keras.layers.BatchNormalization(name="norm"),
        Dense(2),
    ],
    "Dropout": lambda: [Dense(4, "relu"), keras.layers.Dropout(0.5, name="drop"), Dense(2)],
    "half precision": lambda: [Dense(n, dtype="mixed_float16") for n in (4, 2)],
    "a hidden layer": lambda: [keras.layers.Lambda(hidden(), output_shape=(4,)), Dense(2)],
    "two heads": None,
}
_NO_PRIOR = r"method {} needs a prior for every weight, and .*norm/gamma"
_FUNCTION = r"method {} needs a model that is a function of weights and inputs, but layer '{}'"
# What is refused, by a part of the message; all else trains.
REFUSED = {
    ("StackedEnsemble", "a frozen layer"): "needs models whose frozen variables are equal",
    ("full covariance", "BatchNormalization"): r"norm \(BatchNormalization\). Use the diagonal",
    **{
        (name, layer): _FUNCTION.format(name, label)
        for name in ("MomentPropagation", "StackedEnsemble")
        for layer, label in (("BatchNormalization", "norm"), ("Dropout", "drop"))
    },
    **{
        (name, "a hidden layer"): "layer 'hidden' was drawn in the call of model"
        for name in METHODS
    },
    **{(name, "a hidden layer"): "moments cannot pass 1" for name in RANDOM[2:]},
    ("MCDropout", "a hidden layer"): "method MCDropout needs dropout in model",
    **{(name, "two heads"): "got Heads" for name in ("VBLL", "SNGP", "DDU")},
    **{(name, "two heads"): "moments cannot pass 1" for name in RANDOM[2:]},
    ("full covariance", "Dropout"): _FUNCTION.format("MomentPropagation", "drop"),
    **{(name, "BatchNormalization"): _NO_PRIOR.format(name) for name in SAMPLERS},
    **{(name, "Dropout"): _FUNCTION.format(name, "drop") for name in SAMPLERS},
}


def model_of(name, condition):
    with contextlib.nullcontext() if name in RANDOM else points():
        inputs = keras.Input((3,))
        if CONDITIONS[condition] is None:
            hidden = Dense(4, "relu")(inputs)
            return keras.Model(inputs, [Dense(2)(hidden), Dense(2)(hidden)])
        return keras.Sequential([inputs, *CONDITIONS[condition]()])


def trained(name, condition, weights=None):
    """A method after four steps, and the batch of the last."""
    keras.utils.set_random_seed(0)
    method, make = METHODS[name](), lambda: model_of(name, condition)
    optimizer = None if name in ("HMC", "MCLMC") else keras.optimizers.Adam(0.01)
    options = {"optimizer": optimizer, "make_model": make, "total_steps": 4}
    x, y = s.data()
    if condition == "two heads":
        heads = [bnn.likelihoods.Categorical(), bnn.likelihoods.Categorical()]
        options["likelihood"], y = bnn.likelihoods.Heads(heads), [y, 1 - y]
    method.build(s.problem(model=make(), **options))
    size = s.NUM_TRAIN if method.whole_data else 7
    batches = ResidentBatches(x, y, batch_size=size, seed=5)
    for step in range(4):
        batch = batches.at(step)
        if weights is not None:
            batch = batch._replace(weights=tf.fill([size], weights))
        info = method.step(batch, s.noise_of(step), s.identity)
        assert np.isfinite(float(info.loss))
        if method.archive is not None:
            method.archive.note(step + 1)
    method.finish(batches)
    return method, batch


CELLS = [(name, condition) for name in METHODS for condition in CONDITIONS]


@pytest.mark.parametrize(("name", "condition"), CELLS, ids=["-".join(cell) for cell in CELLS])
def test_it_is_right_or_refused_by_name(name, condition):
    if (name, condition) in REFUSED:
        with pytest.raises(ValueError, match=REFUSED[name, condition]):
            trained(name, condition)
        return
    method, batch = trained(name, condition, 2.0 if "weights" in condition else None)
    for outputs in tf.nest.flatten(method.predict(s.data()[0], 3, 0)):
        assert np.isfinite(np.asarray(outputs, np.float32)).all()
        assert outputs.shape[1:] == (24, 2)
    if "weights" in condition:
        nll = [
            float(method.loss(b, s.noise_of(3)).metrics["nll"])
            for b in (batch, batch._replace(weights=None))
        ]
        assert nll[0] == pytest.approx(2 * nll[1], rel=1e-4)
    if "frozen" in condition and name != "DeepEnsemble":  # whose members begin anew
        keras.utils.set_random_seed(0)
        fresh = model_of(name, condition).layers[0]
        for variable, value in zip(method.problem.model.layers[0].variables, fresh.variables,
                                   strict=True):  # fmt: skip
            np.testing.assert_array_equal(variable, value)
