import gc
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf

import bnn
from bnn.estimators import Reparameterization
from bnn.noise import Noise, Purpose
from bnn.posteriors import MeanFieldNormal, Point
from bnn.prediction import compiled, sampling


def build(posterior=None, **options):
    """One random site: each costs half a second of tracing."""
    posterior = posterior or MeanFieldNormal(0.5)
    layer = bnn.layers.Dense(2, use_bias=False, kernel_posterior=posterior, **options)
    return keras.Sequential([keras.Input((3,)), layer])


@pytest.fixture(scope="module")
def model():
    return build()


@pytest.fixture
def x(rng):
    return rng.normal(size=(6, 3)).astype(np.float32)


def traces_of(model):
    """The compiled predictions of a model, in the order in which they were made."""
    return list(compiled._CACHE[model][1].values())


def predict(model, x, num_samples=3, **options):
    return bnn.predict(model, x, num_samples, jit_compile=False, **options).numpy()


def test_sample_s_is_the_draw_with_the_same_coordinates(x):
    model = bnn.models.mlp((3,), 2, hidden=(4,))
    samples = predict(model, x, seed=5)
    assert samples.shape == (3, 6, 2)
    for s in range(3):
        with bnn.Draw(Noise(5, sample=s, purpose=Purpose.PREDICTION), Reparameterization()):
            np.testing.assert_allclose(samples[s], model(x), rtol=1e-5, atol=1e-5)


def test_compiled_or_not(model, x):
    samples = bnn.predict(model, x, 3, seed=tf.constant(5))
    assert samples.dtype == tf.float32
    np.testing.assert_allclose(samples, predict(model, x, seed=5), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("limit", "by_xla"), [(18, False), (19, True)])
def test_large_passes_run_as_a_graph(monkeypatch, x, limit, by_xla):
    """By the numbers of input of one pass, not of all passes."""
    monkeypatch.setattr(sampling, "_GRAPH_FROM", limit)
    model = build()
    whole = bnn.predict(model, x, 2)
    assert [c.jit_compile for c in traces_of(model)] == [by_xla]
    bnn.predict(model, x, 2, batch_size=5)
    assert traces_of(model)[-1].jit_compile
    np.testing.assert_allclose(whole, predict(model, x, 2), rtol=1e-6)


def test_coherent_one_function_of_x(model, x):
    """Sample s is linear, as the model is: the same weights serve all inputs."""
    samples = predict(model, np.concatenate([x[:5], x[:1] + 2 * x[1:2] - x[2:3]]))
    expected = samples[:, 0] + 2 * samples[:, 1] - samples[:, 2]
    np.testing.assert_allclose(samples[:, 5], expected, rtol=1e-4, atol=1e-5)
    assert np.min(np.abs(samples[0] - samples[1])) > 1e-4


@pytest.mark.parametrize("batch_size", [4, 100])
def test_batch_size_changes_nothing(model, x, batch_size):
    samples = predict(model, x, batch_size=batch_size)
    np.testing.assert_allclose(samples, predict(model, x), rtol=1e-5, atol=1e-6)


def test_more_samples_keep_the_first_ones(model, x):
    np.testing.assert_allclose(predict(model, x, 5)[:2], predict(model, x, 2), rtol=1e-6)


def test_one_sample(model, x):
    assert predict(model, x, 1).shape == (1, 6, 2)


def test_the_seed_selects_the_functions(model, x):
    np.testing.assert_array_equal(predict(model, x, seed=1), predict(model, x, seed=1))
    assert np.min(np.abs(predict(model, x, seed=1) - predict(model, x, seed=2))) > 1e-4


@pytest.mark.parametrize("seed", [2**64 - 1, 2**63, -1, np.int64(7)])
def test_every_seed_that_a_draw_takes(model, x, seed):
    with bnn.Draw(Noise(seed, purpose=Purpose.PREDICTION), Reparameterization()):
        expected = model(x)
    np.testing.assert_allclose(predict(model, x, seed=seed)[0], expected, rtol=1e-5, atol=1e-5)


def test_seeds_share_one_trace(x):
    traces = []

    class Counting(bnn.layers.Dense):
        def call(self, inputs):
            traces.append(inputs)
            return super().call(inputs)

    model = keras.Sequential([keras.Input((3,)), Counting(2, use_bias=False)])
    predict(model, x, seed=0)
    count = len(traces)
    for seed in range(1, 4):
        predict(model, x, seed=seed)
    assert len(traces) == count


def test_trained_weights_are_seen(x):
    model = build(Point())
    before = predict(model, x)
    loc = model.layers[-1].kernel_posterior._loc
    loc.assign(2 * loc)
    np.testing.assert_allclose(predict(model, x), 2 * before, rtol=1e-5, atol=1e-5)


def test_point_posteriors_give_the_deterministic_network(x):
    model = build(Point())
    np.testing.assert_allclose(predict(model, x), np.stack([model(x)] * 3), rtol=1e-5, atol=1e-6)


def test_the_mean_of_many_samples(x, assert_mean):
    model = build(MeanFieldNormal(0.3))
    assert_mean(bnn.predict(model, x, 2000), model(x))


def test_layers_see_inference_mode(x):
    model = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dropout(0.9), bnn.layers.Dense(2, use_bias=False)]
    )
    model.layers[-1].kernel_posterior._unconstrained_scale.assign(np.full((3, 2), -30.0))
    np.testing.assert_allclose(predict(model, x, 1)[0], model(x), rtol=1e-5, atol=1e-6)


def test_mixed_precision_gives_float32(x):
    assert predict(build(dtype="mixed_bfloat16"), x).dtype == np.float32


def test_lists_and_double_precision_inputs(model, x):
    expected = predict(model, x)
    np.testing.assert_allclose(predict(model, x.tolist()), expected, rtol=1e-6)
    np.testing.assert_allclose(predict(model, x.astype(np.float64)), expected, rtol=1e-6)


def test_a_predicted_model_can_be_collected(x):
    model = build()
    predict(model, x)
    reference = weakref.ref(model)
    del model
    keras.backend.clear_session()
    gc.collect()
    assert reference() is None


@pytest.mark.parametrize("num_samples", [0, -1, 1.5, None, True])
def test_unusable_num_samples(model, x, num_samples):
    with pytest.raises(
        ValueError, match=f"num_samples must be an integer of at least 1, got {num_samples}; .* 32"
    ):
        bnn.predict(model, x, num_samples)


@pytest.mark.parametrize("batch_size", [0, -2, 2.0, True])
def test_unusable_batch_size(model, x, batch_size):
    with pytest.raises(
        ValueError, match=f"batch_size must be at least 1 or None, got {batch_size!r}"
    ):
        bnn.predict(model, x, batch_size=batch_size)


def test_no_inputs(model):
    with pytest.raises(
        ValueError, match=r"inputs must hold at least one example, got shape \(0, 3"
    ):
        bnn.predict(model, np.zeros((0, 3), np.float32))


@pytest.mark.parametrize(
    ("seed", "message"),
    [(0.5, "seed must be an int or an integer tensor"), (2**64, "seed must fit into 64 bits")],
)
def test_unusable_seed(model, x, seed, message):
    with pytest.raises(ValueError, match=message):
        bnn.predict(model, x, seed=seed)
