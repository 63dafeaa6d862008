"""Moments as an objective: expectations by quadrature, and the law that is known."""

import keras
import numpy as np
import pytest
import samplers as s
import tensorflow as tf

import bnn
from bnn import likelihoods
from bnn.diagnostics import check_method
from bnn.methods import MomentPropagation
from bnn.methods.expected import expected_log_prob
from bnn.posteriors import MeanFieldNormal

MEAN = np.array([[0.3, -0.8, 1.2], [2.0, 0.1, -0.4]], np.float32)
VARIANCE = np.array([[0.5, 0.2, 0.9], [0.05, 1.5, 0.3]], np.float32)
TARGETS = {
    "Normal": (likelihoods.Normal(0.7), np.array([[0.1, 0.2, 0.3], [1.0, 1.0, 1.0]], np.float32)),
    "Poisson": (likelihoods.Poisson(), np.array([[0, 2, 1], [5, 1, 0]], np.float32)),
    "Bernoulli": (likelihoods.Bernoulli(), np.array([[0, 1, 1], [1, 1, 0]], np.float32)),
    "Categorical": (likelihoods.Categorical(), np.array([2, 0])),
}


def sampled(name, rng, count=200_000):
    """Log densities of outputs drawn from the normal, `[count, B]`."""
    likelihood, targets = TARGETS[name]
    normal = rng.normal(size=(count, 2, 3)).astype(np.float32)
    outputs = (MEAN + np.sqrt(VARIANCE) * normal).reshape(-1, 3)
    repeated = np.tile(targets, (count, *[1] * (targets.ndim - 1)))
    return likelihood.checked_log_prob(tf.constant(outputs), repeated).numpy().reshape(count, 2)


@pytest.mark.parametrize("name", ["Normal", "Poisson", "Bernoulli"])
def test_the_expectation_is_that_of_samples(name, rng, assert_mean):
    likelihood, targets = TARGETS[name]
    found = expected_log_prob(likelihood, tf.constant(MEAN), tf.constant(VARIANCE), targets)
    assert_mean(sampled(name, rng), found.numpy())


def test_that_of_classes_is_a_bound_that_closes_with_the_variance(rng):
    likelihood, targets = TARGETS["Categorical"]
    bound = expected_log_prob(likelihood, tf.constant(MEAN), tf.constant(VARIANCE), targets)
    exact = sampled("Categorical", rng).mean(0)
    assert np.all(bound.numpy() < exact - 0.01)
    assert np.all(bound.numpy() > exact - 0.5)
    closed = expected_log_prob(likelihood, tf.constant(MEAN), tf.zeros((2, 3)), targets)
    np.testing.assert_allclose(closed, likelihood.checked_log_prob(MEAN, targets), rtol=1e-6)


def test_smoothed_labels_have_the_bound_of_their_mixture():
    likelihood, labels = likelihoods.Categorical(label_smoothing=0.3), TARGETS["Categorical"][1]
    found = expected_log_prob(likelihood, tf.constant(MEAN), tf.constant(VARIANCE), labels)
    targets = 0.7 * np.eye(3)[labels] + 0.1
    exact = np.sum(targets * MEAN, -1) - np.log(np.sum(np.exp(MEAN + 0.5 * VARIANCE), -1))
    np.testing.assert_allclose(found, exact, rtol=1e-5)


def test_a_label_out_of_range_is_named():
    with pytest.raises(ValueError, match="3"):
        expected_log_prob(
            likelihoods.Categorical(), tf.constant(MEAN), tf.constant(VARIANCE), [3, 0]
        )


def mean_field(scale=0.2, **options):
    posterior = {n: MeanFieldNormal(scale) for n in ("kernel_posterior", "bias_posterior")}
    layers = [bnn.layers.Dense(4, "relu", **posterior), bnn.layers.Dense(2, **posterior)]
    return keras.Sequential([keras.Input((3,)), *layers])


def test_the_loss_is_that_of_many_samples_for_two_layers(rng, assert_mean):
    """Normal noise: the moments of two dense layers are exact, and so is the bound."""
    likelihood = likelihoods.Normal(0.5)
    likelihood.build(2)
    method = s.built(
        MomentPropagation(), model=mean_field(), optimizer="sgd", likelihood=likelihood
    )
    info = method.loss(s.regression(), s.noise_of(0))
    batch = s.regression()
    outputs = bnn.predict(method.problem.model, batch.inputs, num_samples=20_000, seed=1)
    fits = [likelihood.checked_log_prob(o, batch.targets) for o in tf.unstack(outputs[:4000])]
    assert_mean([-float(tf.reduce_mean(f)) for f in fits], float(info.metrics["nll"]))
    kl = float(tf.add_n(list(bnn.ledger(method.problem.model).values())))
    assert float(info.metrics["kl"]) == pytest.approx(kl, rel=1e-6)
    nll = float(info.metrics["nll"])
    assert float(info.loss) == pytest.approx(nll + kl / s.NUM_TRAIN, rel=1e-6)


def test_gradients_are_finite_where_nothing_is_random_yet():
    """A point before a random layer: variances of exactly 0 pass an activation."""
    point = bnn.layers.Dense(4, "relu", kernel_posterior=bnn.posteriors.Point(),
                             bias_posterior=bnn.posteriors.Point())  # fmt: skip
    model = keras.Sequential([keras.Input((3,)), point, bnn.layers.Dense(2)])
    method = s.built(MomentPropagation(), model=model, optimizer="sgd")
    _, gradients = method.gradients(s.batches().at(0), s.noise_of(0))
    assert all(np.isfinite(g.numpy()).all() for g in gradients)
    assert np.any(gradients[0].numpy())


def check(method, **options):
    options = {"exact_posterior": False, "num_steps": 1500, **options}
    return check_method(method, MeanFieldNormal(0.2), **options)


@pytest.mark.slow
def test_it_reaches_the_mean_field_optimum():
    report = check(MomentPropagation(), tolerance=0.02, batch_size=32)
    assert report.ok, report


class WithoutVariance(MomentPropagation):
    """The nll of the mean."""

    def loss(self, batch, noise, training=True):
        info = super().loss(batch, noise, training)
        mean = self.problem.model(batch.inputs)
        fits = self.problem.likelihood.checked_log_prob(mean, batch.targets)
        return info._replace(loss=info.loss - info.metrics["nll"] - tf.reduce_mean(fits))


@pytest.mark.slow
def test_a_missing_variance_is_caught():
    report = check(WithoutVariance(), checks=("posterior",))
    assert not report.ok, report


def test_what_it_cannot_serve_is_refused():
    with pytest.raises(ValueError, match="needs random weights, but model"):
        s.built(MomentPropagation(), optimizer="sgd")
    with pytest.raises(ValueError, match="closed form, which is so for Bernoulli, Categorical, N"):
        s.built(
            MomentPropagation(),
            model=mean_field(),
            optimizer="sgd",
            likelihood=likelihoods.HeteroscedasticNormal(),
        )
    model = keras.Sequential([mean_field(), keras.layers.UnitNormalization()])
    with pytest.raises(ValueError, match="moments cannot pass"):
        s.built(MomentPropagation(), model=model, optimizer="sgd")
    with pytest.raises(ValueError, match="kl_weight must be at least 0, got -1"):
        MomentPropagation(kl_weight=-1)
