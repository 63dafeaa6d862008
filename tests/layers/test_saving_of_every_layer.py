"""Every layer comes back from its .keras file, in this process and in a fresh one."""

import json
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from descriptors import FIRSTS
from oracle import families

import bnn
from bnn.posteriors import MeanFieldNormal
from bnn.priors import Normal


def model_of(descriptor):
    """A functional model of one layer, its variables moved from where they begin."""
    kind = getattr(bnn.layers, descriptor.layer)
    sites = getattr(kind, "family_sites", None) or kind.site_initializers
    priors = {f"{name}_prior": Normal(0.5, 0.7, trainable=True) for name in sites}
    layer = descriptor.bayesian(**families(kind, MeanFieldNormal(0.3)), **priors)
    inputs = descriptor.symbolic()
    model = keras.Model(inputs, descriptor.apply(descriptor.wrapped(layer), inputs))
    rng = np.random.default_rng(5)
    for variable in model.variables:
        if variable.dtype.startswith("float"):
            variable.assign_add(0.1 * rng.random(size=variable.shape))
    return model


def outputs(model, inputs):
    with bnn.Draw(3, bnn.estimators.Flipout()):
        return model(inputs).numpy()


@pytest.mark.parametrize("descriptor", FIRSTS.values(), ids=FIRSTS)
def test_file(descriptor, tmp_path):
    model = model_of(descriptor)
    model.save(tmp_path / "model.keras")
    other = keras.models.load_model(tmp_path / "model.keras")
    x = descriptor.inputs()
    np.testing.assert_array_equal(outputs(other, x), outputs(model, x))
    assert [v.path.split("/")[-1] for v in other.variables] == [
        v.path.split("/")[-1] for v in model.variables
    ]
    assert list(bnn.sites(other)) == list(bnn.sites(model))
    assert [s.prior.get_config() for s in bnn.sites(other).values()] == [
        s.prior.get_config() for s in bnn.sites(model).values()
    ]


@pytest.mark.parametrize("descriptor", FIRSTS.values(), ids=FIRSTS)
def test_checkpoint(descriptor, tmp_path):
    model, other = model_of(descriptor), model_of(descriptor)
    x = descriptor.inputs()
    expected = outputs(model, x)
    path = tf.train.Checkpoint(model=model).save(tmp_path / "checkpoint")
    for variable in other.trainable_variables:
        variable.assign(tf.zeros_like(variable))
    tf.train.Checkpoint(model=other).restore(path).assert_existing_objects_matched()
    np.testing.assert_array_equal(outputs(other, x), expected)


_LOAD = """
import json, pathlib, sys
import keras, numpy as np
import bnn
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.keras")):
    model = keras.models.load_model(path)
    with bnn.Draw(3, bnn.estimators.Flipout()):
        y = model(np.load(path.with_suffix(".inputs.npy")))
    np.save(path.with_suffix(".loaded.npy"), y)
"""


@pytest.mark.slow
def test_files_in_a_fresh_process(tmp_path):
    expected = {}
    for name, descriptor in FIRSTS.items():
        model, x = model_of(descriptor), descriptor.inputs()
        model.save(tmp_path / f"{name}.keras")
        np.save(tmp_path / f"{name}.inputs.npy", x)
        expected[name] = outputs(model, x)
    command = [sys.executable, "-c", _LOAD, str(tmp_path)]
    root = pathlib.Path(bnn.__file__).parents[1]
    done = subprocess.run(command, capture_output=True, text=True, cwd=root)
    assert done.returncode == 0, done.stderr[-2000:]
    for name, value in expected.items():
        got = np.load(tmp_path / f"{name}.loaded.npy")
        np.testing.assert_allclose(got, value, rtol=1e-5, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("descriptor", FIRSTS.values(), ids=FIRSTS)
def test_the_configuration_is_json(descriptor):
    config = descriptor.bayesian().get_config()
    assert json.loads(json.dumps(config)) is not None
