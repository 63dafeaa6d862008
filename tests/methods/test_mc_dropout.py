"""Dropout of activations: laws in closed form, coherent masks, Keras's own calls as they were."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import bnn
from bnn.data import Batch
from bnn.diagnostics import ConjugateRegression, check_method
from bnn.diagnostics.trained_method import Recipe
from bnn.methods import DeepEnsemble, MCDropout, Problem
from bnn.methods.dropout_masks import Masks
from bnn.methods.mc_dropout import MaskDraws
from bnn.posteriors import Point
from bnn.prediction import predict
from bnn.training import check_layers

RATE = 0.4
WEIGHTS = np.array([0.7, -1.2, 0.4], np.float32)
INPUTS = np.array([[1.0, 2.0, -1.0], [0.5, -1.5, 2.0]], np.float32)
# Var[z] of z = b / (1 − p).
SPREAD = RATE / (1 - RATE)


def model_of(*layers, size=(3,)):
    return keras.Sequential([keras.Input(size), *layers])


def built(model, method=None, likelihood=None):
    likelihood = likelihood or bnn.likelihoods.Normal()
    likelihood.build(1)
    method = method or MCDropout()
    method.build(Problem(model, likelihood, 20, 10, 5, keras.optimizers.SGD(0.1)))
    return method


@pytest.fixture
def linear():
    """y = wᵀ(x ∘ z)."""
    model = model_of(keras.layers.Dropout(RATE), keras.layers.Dense(1, use_bias=False))
    model.layers[-1].kernel.assign(WEIGHTS[:, np.newaxis])
    return model


class FreshMasks(MaskDraws):
    """The defect: another mask for every example."""

    def at(self, sample, arguments):
        noise = bnn.Noise(arguments, purpose=3, part=1, sample=sample)
        return Masks(noise, by_example=True)


@pytest.mark.parametrize("kind", [MaskDraws, FreshMasks])
def test_functions_have_the_law_of_dropout_and_are_coherent(linear, kind, z_limit):
    """E[y] = xᵀw; Cov[y, y'] = p/(1 − p) Σ x x' w², which no mask by example gives."""
    built(linear)
    count = 4000
    outputs = predict(linear, INPUTS, count, functions=kind(count, 3))
    outputs = np.asarray(outputs, np.float64)[..., 0] - INPUTS @ WEIGHTS
    z = outputs.mean(0) / (outputs.std(0) / np.sqrt(count))
    assert np.abs(z).max() < z_limit
    exact = SPREAD * (INPUTS * WEIGHTS**2) @ INPUTS.T
    for i, j in ((0, 0), (1, 1), (0, 1)):
        products = outputs[:, i] * outputs[:, j]
        z = (products.mean() - exact[i, j]) / (products.std() / np.sqrt(count))
        assert (abs(z) > z_limit) == (kind is FreshMasks and i != j), (i, j, z)


def test_the_loss_is_of_a_mask_by_example_and_of_the_step(linear, z_limit):
    """E_z (y − xᵀ(w ∘ z))² = (y − xᵀw)² + p/(1 − p) Σ x² w² (Srivastava et al. 2014)."""
    method = built(linear)
    count = 20_000
    batch = Batch(tf.repeat(INPUTS[:1], count, axis=0), tf.zeros([count, 1]))
    info = method.loss(batch, bnn.Noise(5, 1))
    constant = 0.5 * np.log(2 * np.pi)
    exact = 0.5 * ((INPUTS[0] @ WEIGHTS) ** 2 + SPREAD * np.sum((INPUTS[0] * WEIGHTS) ** 2))
    corners = np.array(np.meshgrid(*[[0, 1]] * 3)).reshape(3, -1).T / (1 - RATE)
    chances = np.prod(np.where(corners > 0, 1 - RATE, RATE), axis=1)
    squares = 0.5 * (corners @ (INPUTS[0] * WEIGHTS)) ** 2
    assert chances @ squares == pytest.approx(exact)
    deviation = np.sqrt(chances @ squares**2 - exact**2)
    z = (float(info.metrics["nll"]) - constant - exact) / (deviation / np.sqrt(count))
    assert abs(z) < z_limit
    again, other = (method.loss(batch, bnn.Noise(5, step)) for step in (1, 2))
    assert float(again.loss) == float(info.loss) != float(other.loss)


def test_replicas_that_share_noise_have_the_masks_of_the_global_batch(linear):
    method = built(linear)
    inputs = np.ones((6, 3), np.float32)
    noise = bnn.Noise(5, 1, purpose=3)
    with Masks(noise, by_example=True):
        whole = linear(inputs, training=True)
    with Masks(noise.at(example_offset=4), by_example=True):
        part = linear(inputs[4:], training=True)
    np.testing.assert_array_equal(part, whole[4:])
    assert len(np.unique(whole)) > 1
    check_layers(linear, 2, method.masks_dropout)
    assert DeepEnsemble(MCDropout()).masks_dropout
    with pytest.raises(ValueError, match=r"the same on all of them\. .* method MCDropout\(\) for"):
        check_layers(linear, 2)


def test_a_function_is_the_same_in_every_batch_and_call(linear):
    method = built(linear)
    inputs = np.random.default_rng(0).normal(size=(7, 3)).astype(np.float32)
    whole = method.predict(inputs, 3, 1)
    parts = predict(linear, inputs, functions=method.functions(3, 1), num_samples=3, batch_size=2)
    np.testing.assert_allclose(whole, parts, rtol=1e-6)
    assert not np.allclose(whole, method.predict(inputs, 3, 2))


def test_keras_own_calls_stay_as_they_were(linear):
    built(linear)
    np.testing.assert_allclose(linear(INPUTS)[:, 0], INPUTS @ WEIGHTS, rtol=1e-6)
    keras_own = [linear(INPUTS, training=True).numpy() for _ in range(20)]
    assert len(np.unique(keras_own, axis=0)) > 1


L = keras.layers
PATTERNS = {  # layer, inputs' size, axes that share a number, counted with the batch
    "dropout": (lambda: L.Dropout(0.5), (4, 5, 6), ()),
    "noise_shape": (lambda: L.Dropout(0.5, noise_shape=(None, 1, 5, None)), (4, 5, 6), (1,)),
    "1D": (lambda: L.SpatialDropout1D(0.5), (7, 40), (1,)),
    "2D": (lambda: L.SpatialDropout2D(0.5, data_format="channels_last"), (4, 5, 40), (1, 2)),
    "2D first": (lambda: L.SpatialDropout2D(0.5, data_format="channels_first"), (40, 4, 5), (2, 3)),
    "3D": (lambda: L.SpatialDropout3D(0.5, data_format="channels_last"), (2, 3, 2, 40), (1, 2, 3)),
}


@pytest.mark.parametrize("name", PATTERNS)
def test_masks_have_the_layers_own_pattern(name):
    make, size, shared = PATTERNS[name]
    layer = make()
    built(model_of(layer, L.Flatten(), L.Dense(1), size=size))
    inputs = np.ones((3, *size), np.float32)
    with Masks(bnn.Noise(0), by_example=False):
        coherent = layer(inputs).numpy()
    with Masks(bnn.Noise(0), by_example=True):
        by_example = layer(inputs).numpy()
    for outputs, same in ((coherent, (0, *shared)), (by_example, shared)):
        assert set(np.unique(outputs)) == {0.0, 2.0}
        for axis in range(outputs.ndim):
            varies = np.ptp(outputs, axis=axis).max() > 0
            assert varies == (axis not in same), axis


def test_a_model_without_dropout_has_it_before_every_dense_layer_but_the_first():
    point = {"kernel_posterior": Point(), "bias_posterior": Point()}
    hidden = [bnn.layers.Dense(8, activation="relu", **point), keras.layers.Dense(8)]
    model = model_of(*hidden, keras.layers.Dense(2))
    method = built(model, MCDropout(0.5), bnn.likelihoods.Categorical())
    assert method.describe()["num_dropout_layers"] == 2
    with Masks(bnn.Noise(0), by_example=False):
        first, *others = hidden[0](INPUTS), model(INPUTS), model(INPUTS)
    np.testing.assert_array_equal(first, hidden[0](INPUTS))
    np.testing.assert_array_equal(*others)
    assert not np.allclose(others[0], model(INPUTS))
    outputs = method.predict(INPUTS, 8, 0)
    assert len(np.unique(outputs, axis=0)) == 8


def test_attention_drops_its_scores_coherently():
    inputs = keras.Input((4, 6))
    attention = L.MultiHeadAttention(2, 3, dropout=0.5)
    model = keras.Model(inputs, L.Flatten()(attention(inputs, inputs)))
    method = built(model)
    rows = np.random.default_rng(0).normal(size=(1, 4, 6)).astype(np.float32).repeat(3, axis=0)
    outputs = np.asarray(method.predict(rows, 4, 0))
    np.testing.assert_allclose(outputs[:, 0], outputs[:, 2], rtol=1e-5, atol=1e-6)
    assert len(np.unique(outputs[:, 0], axis=0)) == 4


REFUSED = {
    "none": ([L.Dense(1)], "has no keras.layers.Dropout of a rate above 0 and no second dense"),
    "gaussian": ([L.GaussianDropout(0.1, name="g"), L.Dense(1)], r"layer 'g' \(GaussianDropout\)"),
    "recurrent": (
        [L.Reshape((3, 1)), L.LSTM(2, recurrent_dropout=0.1, name="r"), L.Dense(1)],
        r"cannot serve layer 'r' \(LSTM with recurrent_dropout\): .* Use keras.layers.Dropout",
    ),
    "all": ([L.Dropout(1.0, name="d"), L.Dense(1)], "layer 'd' must have a rate below 1, got 1"),
    "random": ([bnn.layers.Dense(2), L.Dense(1)], "needs Point posteriors, but site"),
}


@pytest.mark.parametrize(("layers", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_served_is_refused(layers, message):
    with pytest.raises(ValueError, match=message):
        built(model_of(*layers))


@pytest.mark.parametrize("rate", [0.0, 1.0, True, "half"])
def test_unfit_rates(rate):
    with pytest.raises(ValueError, match="rate must lie strictly between 0 and 1, got"):
        MCDropout(rate)


class WithDropout(ConjugateRegression):
    """y = wᵀ(x ∘ z), whose optimum has a closed form."""

    def model(self, posterior, start=0):
        (layer,) = super().model(posterior, start).layers
        return model_of(keras.layers.Dropout(RATE), layer, size=(self.num_weights,))

    def optimum(self):
        """w̄ = [(XᵀX + p/(1 − p) diag XᵀX)/τ² + I/s²]⁻¹ (Xᵀy/τ² + m₀/s²)."""
        x = self.inputs.astype(np.float64)
        gram, precision = x.T @ x, self.prior_scale**-2
        matrix = (gram + SPREAD * np.diag(np.diag(gram))) / self.noise_scale**2
        pull = x.T @ self.targets[:, 0] / self.noise_scale**2 + precision * self.prior_loc
        return np.linalg.solve(matrix + precision * np.eye(len(gram)), pull)


class UnscaledDropout(MCDropout):
    """The defect: activations that are kept are not divided by 1 − p in training."""

    def loss(self, batch, noise, training=True):
        batch = batch._replace(inputs=(1 - RATE) * batch.inputs)
        return super().loss(batch, noise, training)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [MCDropout, UnscaledDropout])
def test_training_reaches_the_optimum_in_closed_form(kind):
    """In units of the exact posterior's standard deviations; the defect is far off."""
    regression = WithDropout()
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.02, 8000))
    used = Recipe(regression, kind, Point(), optimizer, 8000, 32, seed=0, jit_compile=True)
    trained = used.build()
    trained.run(0, 8000)
    found = trained.method.trained[0].numpy()[:, 0]
    deviation = np.abs(found - regression.optimum()) / np.sqrt(
        np.diag(regression.exact().covariance)
    )
    assert (deviation.max() < 0.05) == (kind is MCDropout), deviation
    if kind is UnscaledDropout:
        assert deviation.max() > 0.2


@pytest.mark.slow
def test_the_contract_is_kept():
    checks = ("interface", "loss", "restore")
    report = check_method(MCDropout(), Point(), regression=WithDropout(), checks=checks)
    assert report.ok, report
