"""Weight samples until the standard error is small enough: what is drawn, and what is claimed."""

import importlib

import keras
import numpy as np
import pytest
import tensorflow as tf

import bnn
from bnn.likelihoods import Categorical, MixtureDensity, Normal
from bnn.predictive import tolerance as module
from tests.predictive.test_predictive import Shifts

CAP = 512


class Scaled(Shifts):
    """Function s multiplies the inputs by row s of its numbers."""


def scaled_model(width=1):
    """y = v x with x ≥ 0: the spread over functions is |x| times that of v."""
    inputs = keras.Input((width,))
    layer = keras.layers.Dense(width, use_bias=False)
    model = keras.Model(inputs, layer(inputs))
    return model, layer.kernel


def ask(x, tolerance, rng, *, likelihood=None, values=None, **options):
    model, kernel = scaled_model()
    if values is None:
        values = rng.normal(size=(CAP, 1, 1)).astype(np.float32)
    functions = Scaled(kernel, values)
    options = {"num_samples": 16, "jit_compile": False, **options}
    likelihood = likelihood or Normal(0.5)
    said = bnn.predictive(model, likelihood, x, functions=functions, tolerance=tolerance, **options)
    return said, np.asarray(values, np.float64).reshape(-1)


def error_after(v, x, n):
    return np.std(v[:n], ddof=1) / np.sqrt(n) * np.abs(x)


@pytest.fixture
def x():
    return np.linspace(0.05, 3.0, 60, dtype=np.float32)[:, None]


@pytest.mark.parametrize("batch_size", [None, 7])
def test_each_input_stops_at_the_first_look_that_is_good_enough(x, rng, batch_size):
    x = x[::2]
    said, v = ask(x, 0.1, rng, batch_size=batch_size)
    looks = [16, 32, 64, 128, 256, 512]
    reached = said.convergence
    for row, scale in enumerate(x[:, 0]):
        n = reached.num_samples[row]
        at = looks.index(n)
        np.testing.assert_allclose(reached.standard_error[row], error_after(v, scale, n), rtol=1e-5)
        assert reached.reached[row] == (error_after(v, scale, n) <= 0.1)
        assert reached.reached[row] or n == CAP
        assert at == 0 or error_after(v, scale, looks[at - 1]) > 0.1
        np.testing.assert_allclose(said.mean[row, 0], v[:n].mean() * scale, rtol=1e-4, atol=1e-6)
    assert len(set(reached.num_samples)) >= 4  # the case has inputs of every kind
    assert 0 < len(reached.at_cap) < len(x)
    np.testing.assert_array_equal(reached.at_cap, np.flatnonzero(~reached.reached))
    np.testing.assert_allclose(said.standard_error("mean")[:, 0], reached.standard_error, rtol=1e-6)
    assert f"{len(reached.at_cap)} hit the cap of 512" in str(reached)


def test_all_is_said_of_the_samples_that_an_input_got(x, rng):
    """Every quantity equals that of a fixed prediction with as many samples."""
    x = x[::6]
    said, v = ask(x, 0.2, rng)
    counts = said.convergence.num_samples
    y = rng.normal(size=(len(x), 1))
    log_probs, draws = said.log_prob(y), said.samples(3)
    assert draws.shape == (3, len(x), 1)
    for count in np.unique(counts):
        rows = counts == count
        model, kernel = scaled_model()
        fixed = bnn.predictive(
            model,
            Normal(0.5),
            x[rows],
            functions=Scaled(kernel, v[:count].reshape(-1, 1, 1)),
            jit_compile=False,
        )
        np.testing.assert_allclose(said.total[rows], fixed.total, rtol=1e-5)
        np.testing.assert_allclose(said.quantile(0.9)[rows], fixed.quantile(0.9), rtol=1e-5)
        np.testing.assert_allclose(log_probs[rows], fixed.log_prob(y[rows]), rtol=1e-5)


def test_draws_are_extended_not_drawn_anew(rng, monkeypatch):
    """Sample s is the same function in whatever order it is drawn, and is drawn once."""
    model = keras.Sequential([keras.Input((3,)), bnn.layers.Dense(1)])
    x = np.abs(rng.normal(size=(40, 3))).astype(np.float32) * np.linspace(0.1, 9, 40)[:, None]
    x = x.astype(np.float32)
    drawn = []
    original = module.predict_blocks

    def watched(model, rows, **options):
        drawn.append((len(rows), options["samples"]))
        return original(model, rows, **options)

    monkeypatch.setattr(module, "predict_blocks", watched)
    said = bnn.predictive(
        model, Normal(0.5), x, 8, seed=3, tolerance=0.01, max_samples=128, jit_compile=False
    )
    counts = said.convergence.num_samples
    assert len(set(counts)) > 1
    # each input's samples, once each
    assert sum(rows * (s.stop - s.start) for rows, s in drawn) == counts.sum()
    everything = bnn.predict(model, x, 128, seed=3, jit_compile=False).numpy()[..., 0]
    means = [everything[:n, row].mean() for row, n in enumerate(counts)]
    np.testing.assert_allclose(said.mean[:, 0], means, rtol=1e-4, atol=1e-5)


def known_outputs(monkeypatch, values):
    """Outputs of functions that are known for every input, x vₛ, without a model's passes."""

    def outputs(model, rows, places, which, ask):
        x = np.asarray(rows)[places]
        own = values[which] if values.shape[1] == 1 else values[which][:, places]
        return (x * own).astype(np.float32)

    monkeypatch.setattr(module, "_outputs", outputs)


def test_the_claim_holds(rng, monkeypatch):
    """Errors of the mean against what is stated, for 2,000 inputs with samples of their own.

    Normal values: at a stop (v̄ₙ − E v)/s.e. is nearly Student's t, of variance (n − 1)/(n − 3). The
    samples are (σ/tolerance)² rounded up to the next look: with the deviation in place of the
    standard error they would all be the cap, see the next test.
    """
    num_inputs, tolerance, cap = 2000, 0.1, 256
    x = np.repeat(np.linspace(0.3, 1.2, 8), num_inputs // 8).astype(np.float32)[:, None]
    known_outputs(monkeypatch, rng.normal(size=(cap, num_inputs, 1)))
    said, _ = ask(x, tolerance, rng, values=np.zeros((cap, 1, 1), np.float32))
    reached = said.convergence
    assert reached.reached.mean() > 0.999
    ratios = (said.mean[:, 0] / reached.standard_error) ** 2
    # 1.154 is the variance of a t with 15 degrees of freedom; a square's deviation about √2.5.
    z = (ratios.mean() - 1.0) / np.sqrt(2.5 / num_inputs)
    assert -6 < z < 6 + 0.154 / np.sqrt(2.5 / num_inputs)
    assert np.mean((said.mean[:, 0] / tolerance) ** 2) < 1
    ratio = reached.num_samples / np.maximum((x[:, 0] / tolerance) ** 2, 16)
    by_scale = ratio.reshape(8, -1).mean(axis=1)
    assert np.all(by_scale > 0.9)
    assert np.all(by_scale < 2.2)


def test_the_deviation_in_place_of_the_error_is_seen(rng, monkeypatch):
    x = np.linspace(0.3, 1.2, 8, dtype=np.float32)[:, None]

    def deviation(self):
        return np.sqrt(self.squares / (self.count - 1))

    monkeypatch.setattr(module._Spread, "error", deviation)
    said, _ = ask(x, 0.1, rng)
    assert np.all(said.convergence.num_samples == CAP)
    assert not said.convergence.reached.any()


def test_the_mean_over_inputs(x, rng):
    said, v = ask(x, 0.1, rng, tolerance_over="mean")
    reached = said.convergence
    [n] = set(reached.num_samples)
    assert error_after(v, x, n).mean() <= 0.1 < error_after(v, x, n // 2).mean()
    assert 0 < reached.reached.mean() < 1  # not each of them
    assert len(reached.at_cap) == 0
    np.testing.assert_allclose(said.mean[:, 0], v[:n].mean() * x[:, 0], rtol=1e-4)


def test_classes_and_components(rng):
    """The largest error over the classes; a mixture density's samples, not its components."""
    x = np.linspace(0.1, 4, 20, dtype=np.float32)[:, None]
    wide = keras.Sequential([keras.Input((1,)), keras.layers.Dense(3, use_bias=False)])
    values = rng.normal(size=(256, 1, 3)).astype(np.float32)
    functions = Scaled(wide.layers[-1].kernel, values)
    options = {"functions": functions, "jit_compile": False, "num_samples": 16}
    said = bnn.predictive(wide, Categorical(), x, tolerance=0.02, **options)
    reached = said.convergence
    logits = x[None] * values
    p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    for row, n in enumerate(reached.num_samples):
        error = p[:n, row].std(axis=0, ddof=1).max() / np.sqrt(n)
        np.testing.assert_allclose(reached.standard_error[row], error, rtol=1e-4)
    assert repr(said).startswith("Predictive of 20 inputs, at most 256 weight samples")
    density = keras.Sequential([keras.Input((1,)), keras.layers.Dense(6, use_bias=False)])
    values = 0.3 * rng.normal(size=(64, 1, 6)).astype(np.float32)
    functions = Scaled(density.layers[-1].kernel, values)
    said = bnn.predictive(
        density, MixtureDensity(2), x, 16, functions=functions, tolerance=0.1, jit_compile=False
    )
    error = said.standard_error("mean")[:, 0]
    np.testing.assert_allclose(said.convergence.standard_error, error, rtol=1e-9)


def test_sets_of_batches(x, rng, monkeypatch):
    values = rng.normal(size=(CAP, 1, 1)).astype(np.float32)
    known_outputs(monkeypatch, values)
    whole, _ = ask(x, 0.1, rng, values=values)
    batches = tf.data.Dataset.from_tensor_slices(x).batch(20)
    for over in ("each", "mean"):
        said, _ = ask(batches, 0.1, rng, values=values, tolerance_over=over)
        assert len(said.mean) == len(x)
        if over == "each":
            np.testing.assert_allclose(said.mean, whole.mean, rtol=1e-5, atol=1e-6)
            np.testing.assert_array_equal(
                said.convergence.num_samples, whole.convergence.num_samples
            )


def test_little_may_wait_in_memory(x, rng, monkeypatch):
    values = rng.normal(size=(CAP, 1, 1)).astype(np.float32)
    known_outputs(monkeypatch, values)
    whole, _ = ask(x, 0.1, rng, values=values)
    monkeypatch.setattr(module, "_HELD", 9 * CAP)
    monkeypatch.setattr(module, "_PIECE", 200)
    said, _ = ask(x, 0.1, rng, values=values)
    np.testing.assert_allclose(said.mean, whole.mean, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(said.convergence.num_samples, whole.convergence.num_samples)
    np.testing.assert_allclose(said.total, whole.total, rtol=1e-5)


def test_unusable_tolerances(x, rng):
    for tolerance in (0, -1.0, np.inf, np.nan, True, "small"):
        with pytest.raises(ValueError, match=r"tolerance must be a positive number, got"):
            ask(x, tolerance, rng)
    with pytest.raises(ValueError, match=r"tolerance_over must be 'each' or 'mean', got 'all'"):
        ask(x, 0.1, rng, tolerance_over="all")
    with pytest.raises(ValueError, match=r"num_samples must be at least 2 with a tolerance, got 1"):
        ask(x, 0.1, rng, num_samples=1)
    model, _ = scaled_model()
    with pytest.raises(ValueError, match=r"max_samples must be at least num_samples, 32, .* got 8"):
        bnn.predictive(model, Normal(0.5), x, tolerance=0.1, max_samples=8)
    with pytest.raises(ValueError, match=r"convergence is of a prediction with a tolerance, got n"):
        _ = bnn.predictive(model, Normal(0.5), x).convergence
    blocks = importlib.import_module("bnn.prediction").predict_blocks
    with pytest.raises(ValueError, match=r"samples must be a slice of some of the 4 samples"):
        next(blocks(model, x, 4, samples=slice(4, 9)))
