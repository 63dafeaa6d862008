"""A model is saved whole and is the same one in another process."""

import subprocess
import sys

import keras
import numpy as np
import pytest

import bnn

IN_ANOTHER_PROCESS = """
import sys
import keras, numpy as np
import bnn
model = keras.models.load_model(sys.argv[1], safe_mode=True)
x, y = (np.load(path) for path in sys.argv[2:4])
np.save(sys.argv[4], model.predict(x, verbose=0))
model.fit(x, y, batch_size=25, shuffle=False, verbose=0)
np.savez(sys.argv[5], *[v.numpy() for v in model.trainable_variables])
"""


@pytest.mark.slow
def test_saved_whole_it_goes_on_in_a_fresh_process(data, tmp_path):
    x, y = data[0], (data[0][:, :1] * 2).astype("float32")
    network = keras.Sequential([keras.Input((4,)), bnn.layers.Dense(1)])
    model = bnn.BayesianModel(
        network, bnn.likelihoods.Normal(scale=0.5, trainable=True), seed=7, num_predict_samples=3
    )
    model.compile(
        keras.optimizers.AdamW(0.01, weight_decay=0.01),
        bnn.estimators.BySite(
            {"dense/kernel": bnn.estimators.LocalReparameterization()},
            bnn.estimators.Reparameterization(),
        ),
        objective=bnn.objectives.NegativeELBO(num_samples=2),
        kl_weight=bnn.schedules.LinearWarmup(fraction=0.5),
        metrics=["mae"],
    )
    model.fit(x, y, batch_size=25, shuffle=False, verbose=0)
    paths = [tmp_path / name for name in ("m.keras", "x.npy", "y.npy", "p.npy", "w.npz")]
    model.save(paths[0])
    np.save(paths[1], x)
    np.save(paths[2], y)
    subprocess.run([sys.executable, "-c", IN_ANOTHER_PROCESS, *map(str, paths)], check=True)
    np.testing.assert_allclose(np.load(paths[3]), model.predict(x, verbose=0), atol=1e-6)
    model.fit(x, y, batch_size=25, shuffle=False, verbose=0)
    with np.load(paths[4]) as there:
        for mine, other in zip(model.trainable_variables, there.values(), strict=True):
            np.testing.assert_allclose(mine.numpy(), other, atol=1e-6, err_msg=mine.path)


def test_what_was_compiled_is_kept(make, data, tmp_path):
    model = make(kl_weight=0.1, metrics=["accuracy"])
    model.fit(*data, verbose=0)
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    first, second = (m.evaluate(*data, return_dict=True, verbose=0) for m in (model, loaded))
    assert set(first) == {"loss", "nll", "kl", "accuracy"}
    for name, value in first.items():
        assert second[name] == pytest.approx(value, rel=1e-5), name
    assert loaded.optimizer.iterations == model.optimizer.iterations


def test_weights_alone(make, data, tmp_path):
    model, other = make(), make()
    model.fit(*data, verbose=0)
    model.save_weights(tmp_path / "m.weights.h5")
    other.optimizer.build(other.trainable_variables)
    other.load_weights(tmp_path / "m.weights.h5")
    np.testing.assert_array_equal(
        model.predict(data[0], verbose=0), other.predict(data[0], verbose=0)
    )


def test_not_compiled_it_is_saved_too(data, tmp_path):
    network = keras.Sequential([keras.Input((4,)), bnn.layers.Dense(3)])
    model = bnn.BayesianModel(network, bnn.likelihoods.Categorical(), num_predict_samples=2)
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(loaded.network(data[0]), network(data[0]))
