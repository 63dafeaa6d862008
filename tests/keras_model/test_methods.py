"""`compile(method=…)`: methods that are all steps train in Keras's loop, as the runner has them."""

import contextlib
import functools
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import bnn
from bnn import experiment, methods
from bnn.data.order import batch_rows
from bnn.estimators import Flipout, LocalReparameterization
from bnn.likelihoods import Categorical
from bnn.schedules import Cosine

# By name: the method, and whether it wants Point posteriors.
FITTING = {
    "VI": (lambda: methods.VariationalInference(Flipout()), False),
    "MAP": (methods.MAP, True),
    "AnchoredMAP": (methods.AnchoredMAP, True),
    "MCDropout": (lambda: methods.MCDropout(0.2), True),
    "IVON": (lambda: methods.IVON(Cosine(0.05), LocalReparameterization(), momentum=0.8), False),
    "VBLL": (lambda: methods.VBLL(0.2), True),
    "MomentPropagation": (lambda: methods.MomentPropagation(0.5), False),
}
REFUSED = {
    "ConditionalLastLayer": methods.ConditionalLastLayer,
    "DDU": methods.DDU,
    "Laplace": methods.Laplace,
    "SNGP": methods.SNGP,
    "SWA": methods.SWA,
    "SWAG": methods.SWAG,
    "SGLD": methods.SGLD,
    "SGHMC": methods.SGHMC,
    "HMC": methods.HMC,
    "NUTS": methods.NUTS,
    "MCLMC": methods.MCLMC,
    "SnapshotEnsemble": methods.SnapshotEnsemble,
    "StackedEnsemble": methods.StackedEnsemble,
    "DeepEnsemble": lambda: methods.DeepEnsemble(methods.MAP(), 2),
}


def model_for(points, **options):
    keras.utils.set_random_seed(3)
    with bnn.posteriors.points() if points else contextlib.nullcontext():
        layers = [bnn.layers.Dense(6, activation="tanh"), bnn.layers.Dense(3)]
        network = keras.Sequential([keras.Input((4,)), *layers])
    return bnn.BayesianModel(network, Categorical(), num_predict_samples=3, **options)


def compiled(name, points=None, **options):
    make, wants_points = FITTING[name]
    model = model_for(wants_points if points is None else points)
    options = {"run_eagerly": True, "optimizer": keras.optimizers.Adam(0.02), **options}
    model.compile(method=make(), **options)
    return model


def test_every_method_fits_or_is_refused():
    assert {*FITTING, "VariationalInference"} - {"VI"} | {*REFUSED} == {
        name
        for name in methods.__all__
        if isinstance(kind := getattr(methods, name), type)
        and issubclass(kind, methods.Method)
        and kind is not methods.Method
    }


@pytest.mark.parametrize("name", REFUSED)
def test_a_method_that_does_more_than_steps_is_refused(name):
    model = model_for(True)
    words = rf"method {name} does not fit Keras's loop, .*bnn\.experiment\.run\(.*{name}"
    with pytest.raises(ValueError, match=words):
        model.compile(method=REFUSED[name]())


def test_an_archive_that_only_shows_when_built_is_refused_before_the_first_step(data):
    class Noting(methods.MAP):
        def build(self, problem):
            super().build(problem)
            self.archive = methods.Archive(list(self.trained), 1)

    model = model_for(True)
    model.compile(method=Noting(), run_eagerly=True)
    with pytest.raises(ValueError, match="method Noting does not fit Keras's loop"):
        model.fit(*data, verbose=0)
    assert int(model.step_counter) == 0


@pytest.mark.parametrize(
    "name",
    ["MAP", *(pytest.param(name, marks=pytest.mark.slow) for name in FITTING if name != "MAP")],
)
def test_saved_whole_it_goes_on(name, data, tmp_path):
    model = compiled(name, metrics=["accuracy"])
    logs = model.fit(*data, epochs=2, verbose=0, shuffle=False, validation_data=data).history
    assert set(logs) == {p + n for p in ("", "val_") for n in ("loss", "nll", "kl", "accuracy")}
    assert logs["val_loss"][1] < logs["val_loss"][0]
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras", safe_mode=True)
    probabilities = model.predict(data[0], verbose=0)
    np.testing.assert_array_equal(loaded.predict(data[0], verbose=0), probabilities)
    found = model.predictive(data[0]), loaded.predictive(data[0])
    np.testing.assert_allclose(found[0].mean, probabilities, atol=1e-6)
    np.testing.assert_array_equal(*(f.mean for f in found))
    for each in (model, loaded):
        each.fit(*data, verbose=0, shuffle=False)
    for mine, other in zip(model.variables, loaded.variables, strict=True):
        np.testing.assert_array_equal(mine, other, err_msg=mine.path)


IN_ANOTHER_PROCESS = """
import sys
import keras, numpy as np
import bnn
model = keras.models.load_model(sys.argv[1], safe_mode=True)
x, y = (np.load(path) for path in sys.argv[2:4])
np.save(sys.argv[4], model.predict(x, verbose=0))
model.fit(x, y, verbose=0, shuffle=False)
np.savez(sys.argv[5], *[v.numpy() for v in model.trainable_variables])
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["MCDropout", "VBLL"])
def test_saved_whole_it_goes_on_in_a_fresh_process(name, data, tmp_path):
    model = compiled(name, run_eagerly=False)
    model.fit(*data, verbose=0, shuffle=False)
    paths = [tmp_path / file for file in ("m.keras", "x.npy", "y.npy", "p.npy", "w.npz")]
    model.save(paths[0])
    np.save(paths[1], data[0])
    np.save(paths[2], data[1])
    subprocess.run([sys.executable, "-c", IN_ANOTHER_PROCESS, *map(str, paths)], check=True)
    np.testing.assert_allclose(np.load(paths[3]), model.predict(data[0], verbose=0), atol=1e-6)
    model.fit(*data, verbose=0, shuffle=False)
    with np.load(paths[4]) as there:
        for mine, other in zip(model.trainable_variables, there.values(), strict=True):
            np.testing.assert_allclose(mine.numpy(), other, atol=1e-6, err_msg=mine.path)


def test_variational_inference_is_what_its_parts_are(data):
    model, other = compiled("VI"), model_for(False)
    other.compile(keras.optimizers.Adam(0.02), Flipout(), run_eagerly=True)
    for each in (model, other):
        each.fit(*data, verbose=0, shuffle=False)
    for mine, theirs in zip(model.network.weights, other.network.weights, strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("method", [methods.MAP, lambda: methods.MCDropout(0.3)])
def test_a_plain_network(method, data):
    keras.utils.set_random_seed(3)
    layers = [keras.layers.Dense(6, activation="tanh"), keras.layers.Dense(3)]
    plain = keras.Sequential([keras.Input((4,)), *layers])
    model = bnn.BayesianModel(plain, Categorical(), num_predict_samples=3)
    model.compile(keras.optimizers.Adam(0.02), method=method(), run_eagerly=True)
    logs = model.fit(*data, epochs=3, verbose=0).history
    assert logs["loss"][-1] < logs["loss"][0]
    assert logs["kl"] == [0.0] * 3
    spread = model.predictive(data[0]).epistemic.max()
    assert (spread > 1e-5) == isinstance(model._steps.method, methods.MCDropout)


def test_sample_weights_weigh_the_likelihood(data):
    weights = np.tile([2.0, 0.0], 25).astype("float32")
    model, halved = compiled("MAP"), compiled("MAP")
    model.fit(*data, sample_weight=weights, batch_size=50, verbose=0, shuffle=False)
    kept = [part[::2] for part in data]
    halved.fit(*kept, batch_size=25, num_train=50, verbose=0, shuffle=False)
    for mine, other in zip(model.network.weights, halved.network.weights, strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-6)


def test_another_number_of_examples_later(data):
    model = compiled("MAP", optimizer=keras.optimizers.SGD(0.1), run_eagerly=False)
    model.fit(*data, verbose=0)
    values = [v.numpy() for v in model.network.weights]
    model.fit(*data, batch_size=50, num_train=10, verbose=0)
    eager = compiled("MAP", optimizer=keras.optimizers.SGD(0.1))
    for variable, value in zip(eager.network.weights, values, strict=True):
        variable.assign(value)
    eager.fit(*data, batch_size=50, num_train=10, verbose=0)
    for mine, other in zip(model.network.weights, eager.network.weights, strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-6)


def test_compiled_anew_the_first_method_is_forgotten(data):
    model = compiled("VBLL")
    before = len(model.variables)
    model.fit(*data, verbose=0)
    assert len(model.variables) > before
    model.compile(method=methods.MAP(), run_eagerly=True)
    assert len(model.variables) == before
    model.fit(*data, verbose=0)


def test_what_does_not_fit_together_is_refused(data):
    with pytest.raises(ValueError, match="method must be a method object, got 'MAP'"):
        model_for(True).compile(method="MAP")
    for name, value in {"estimator": Flipout(), "kl_weight": 0.5}.items():
        with pytest.raises(ValueError, match=f"{name} must not be given beside method"):
            model_for(False).compile(method=methods.MomentPropagation(), **{name: value})
    with pytest.raises(ValueError, match="method MAP has no state before the first fit"):
        compiled("MAP").predict(data[0], verbose=0)
    scaled = keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam())
    with pytest.raises(ValueError, match="divides gradients by a scale of the loss; compile with"):
        model_for(True).compile(scaled, method=methods.MAP())
    with pytest.raises(ValueError, match="method MAP needs Point posteriors"):
        compiled("MAP", points=False).fit(*data, verbose=0)


def test_a_method_that_keras_does_not_know_is_named_when_saved(data, tmp_path):
    class Mine(methods.MAP):
        pass

    model = model_for(True)
    model.compile(method=Mine(), run_eagerly=True)
    model.fit(*data, verbose=0)
    with pytest.raises(ValueError, match="method Mine is saved by a name that Keras knows"):
        model.save(tmp_path / "m.keras")


SEED, BATCH, SAMPLES = 3, 128, 4


def small(input_shape, num_outputs, points=False):
    with bnn.posteriors.points() if points else contextlib.nullcontext():
        return bnn.models.mlp(input_shape, num_outputs, hidden=(16,))


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in FITTING if name != "VI"])
def test_fit_is_the_runner(name, tmp_path):
    make, points = FITTING[name]
    data = bnn.data.digits()
    network = functools.partial(small, points=points)
    results = experiment.run(
        tmp_path / "run",
        data=data,
        model=network,
        likelihood=Categorical(),
        method=make(),
        epochs=1,
        batch_size=BATCH,
        optimizer=keras.optimizers.Adam(0.01),
        num_predict_samples=SAMPLES,
        seed=SEED,
        jit_compile=False,
        tracker=None,
    )
    steps = results["steps"]
    keras.utils.set_random_seed(SEED)
    own = network(data.input_shape, 10)
    bayesian = bnn.BayesianModel(own, Categorical(), seed=SEED, num_predict_samples=SAMPLES)
    bayesian.compile(keras.optimizers.Adam(0.01), method=make(), metrics=["accuracy"])
    rows = batch_rows(np.arange(steps), batch_size=BATCH, num_train=data.num_train, seed=SEED)
    batches = tf.data.Dataset.from_tensor_slices((data.x_train[rows], data.y_train[rows]))
    bayesian.fit(batches, num_train=data.num_train, shuffle=False, verbose=0)
    for mine, other in zip(own.weights, results.model.weights, strict=True):
        np.testing.assert_allclose(mine.numpy(), other.numpy(), atol=2e-5, err_msg=mine.path)
    scores = bayesian.evaluate(data.x_test, data.y_test, return_dict=True, verbose=0)
    assert scores["nll"] == pytest.approx(results["test"]["nll"], rel=1e-4)
    assert scores["accuracy"] == pytest.approx(results["test"]["accuracy"], abs=1e-6)
