"""IVON's update against the paper's equations in NumPy, its fixed point, and what it refuses."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from bnn.data import Batch
from bnn.diagnostics import check_method
from bnn.draw import Draw
from bnn.estimators import Flipout, LocalReparameterization, Reparameterization
from bnn.layers import Dense
from bnn.likelihoods import Normal
from bnn.methods import IVON, Problem
from bnn.noise import Noise
from bnn.objectives import ImportanceWeightedBound, NegativeELBO
from bnn.posteriors import FullCovarianceNormal, MeanFieldNormal, Point, Softplus
from bnn.priors import Laplace as DoubleExponential
from bnn.priors import Normal as NormalPrior
from bnn.training.stepper import identity

N, TAU, PRIOR = 40, 0.7, NormalPrior(0.3, 0.5)
RNG = np.random.default_rng(2)
X = RNG.normal(size=(8, 3)).astype(np.float32)
Y = RNG.normal(size=(8, 1)).astype(np.float32)


def problem(posterior=None, prior=PRIOR, optimizer=None, likelihood=None):
    layer = Dense(
        1,
        use_bias=False,
        kernel_posterior=posterior or MeanFieldNormal(0.1),
        kernel_prior=prior,
        kernel_initializer=keras.initializers.RandomNormal(seed=1),
    )
    model = keras.Sequential([keras.Input((3,)), layer])
    likelihood = likelihood or Normal(TAU)
    likelihood.build(1)
    return Problem(model, likelihood, N, 10, 0, optimizer, jit_compile=False)


def built(method, **options):
    method.build(problem(**options))
    return method


def stepped(method, steps):
    for step in range(steps):
        noise = Noise(0, tf.constant(step, tf.int64))
        method.step(Batch(tf.constant(X), tf.constant(Y)), noise, identity)
    loc, rho = method.trained[:2]
    return loc.numpy(), method.problem.model.layers[0].kernel_posterior.scale_transform(
        tf.convert_to_tensor(rho)
    ).numpy()


def by_the_paper(method, start, scale, steps, momentum=0.9, decay=0.98, rate=0.3, clip=0.4):
    """Algorithm 1 with ĥ = ĝ (w − μ)/σ², in float64; the weights are those that were drawn."""
    mean, hessian_decay = start.astype(float), 1 / (N * 0.5**2)
    h = 1 / (N * scale**2) - hessian_decay
    g = np.zeros_like(mean)
    for step in range(steps):
        twin = built(IVON())
        loc, rho = twin.trained
        loc.assign(mean)
        rho.assign(np.log(1 / np.sqrt(N * (h + hessian_decay))))
        with Draw(Noise(0, step), Reparameterization()) as draw:
            twin.problem.model(X)
        (weights,) = (w.numpy().astype(float) for w in draw.weights.values())
        slope = X.T @ (X @ weights - Y) / TAU**2 / len(X)
        variance = 1 / (N * (h + hessian_decay))
        estimate = slope * (weights - mean) / variance
        g = momentum * g + (1 - momentum) * slope
        correction = 0.5 * (1 - decay) ** 2 * (h - estimate) ** 2 / (h + hessian_decay)
        h = decay * h + (1 - decay) * estimate + correction
        move = (g / (1 - momentum ** (step + 1)) + hessian_decay * (mean - 0.3)) / (
            h + hessian_decay
        )
        mean = mean - rate * np.clip(move, -clip, clip)
    return mean, 1 / np.sqrt(N * (h + hessian_decay))


OPTIONS = {"learning_rate": 0.3, "hessian_decay": 0.98, "clip_radius": 0.4, "kl_weight": 1.0}


@pytest.mark.parametrize("transform", [None, Softplus()])
def test_steps_are_those_of_the_paper(transform):
    method = built(IVON(**OPTIONS), posterior=MeanFieldNormal(0.1, transform))
    start = method.trained[0].numpy()
    found = stepped(method, 4)
    exact = by_the_paper(method, start, np.full((3, 1), 0.1), 4)
    np.testing.assert_allclose(found[0], exact[0], rtol=2e-4, atol=1e-5)
    np.testing.assert_allclose(found[1], exact[1], rtol=2e-4)


class PriorTwice(IVON):
    def _move(self, weight, slope, of_rho, *others):
        prior = weight.site.prior
        extra = (tf.convert_to_tensor(weight.loc.value) - prior.loc) / (N * prior.scale**2)
        super()._move(weight, slope + extra, of_rho, *others)


class WithoutScale(IVON):
    """ĥ without one factor of σ."""

    def _move(self, weight, slope, of_rho, *others):
        super()._move(weight, slope, of_rho * weight.site.posterior.scale, *others)


@pytest.mark.parametrize("kind", [PriorTwice, WithoutScale])
def test_planted_defects_are_seen_in_four_steps(kind):
    method = built(kind(**OPTIONS))
    start = method.trained[0].numpy()
    found = stepped(method, 4)
    exact = by_the_paper(method, start, np.full((3, 1), 0.1), 4)
    errors = [np.abs(a / b - 1).max() for a, b in zip(found, exact, strict=True)]
    assert max(errors) > 5e-3


@pytest.mark.slow
@pytest.mark.parametrize(
    "estimator", [Reparameterization(), LocalReparameterization(), Flipout()], ids=repr
)
def test_it_reaches_the_mean_field_optimum_with_every_estimator(estimator):
    method = IVON(estimator=estimator, hessian_decay=0.999)  # at 0.995 Flipout's noise shows in h
    report = check_method(method, MeanFieldNormal(0.2), exact_posterior=False, num_steps=3000)
    assert report.ok, report


@pytest.mark.slow
@pytest.mark.parametrize("kind", [PriorTwice, WithoutScale])
def test_the_contract_sees_planted_defects(kind, monkeypatch):
    monkeypatch.setattr("tests.methods.test_ivon.N", 32)
    report = check_method(
        kind(), MeanFieldNormal(0.2), exact_posterior=False, num_steps=3000, checks=("posterior",)
    )
    assert not report.ok, report


def test_learned_noise_takes_the_optimizer():
    method = built(
        IVON(), likelihood=Normal(TAU, trainable=True), optimizer=keras.optimizers.SGD(0.1)
    )
    noise = method.problem.likelihood.variables[0]
    assert method.describe()["trained_by_optimizer"] == [noise.path]
    before = float(noise.value[0])
    info, gradients = method.gradients(
        Batch(tf.constant(X), tf.constant(Y)), Noise(0, tf.constant(0, tf.int64))
    )
    stepped(method, 1)
    assert float(noise.value[0]) == pytest.approx(before - 0.1 * float(gradients[2][0]), rel=1e-5)
    kl = float(info.metrics["kl"])
    assert float(info.loss) == pytest.approx(float(info.metrics["nll"]) + kl / N, rel=1e-5)
    spare = built(IVON(), optimizer=keras.optimizers.SGD(0.1))
    assert spare.describe()["trained_by_optimizer"] == []
    stepped(spare, 1)


REFUSED = {
    "points": ({"posterior": Point()}, "needs MeanFieldNormal weights, but model .* has no random"),
    "family": ({"posterior": FullCovarianceNormal(0.1)}, "but site 0_dense/kernel has FullCovaria"),
    "prior": ({"prior": DoubleExponential()}, "but site 0_dense/kernel has Laplace; use priors.No"),
    "wide": ({"posterior": MeanFieldNormal(0.6)}, "scales of 0.6 and 0.5; lower initial_scale"),
    "noise": ({"likelihood": Normal(1.0, trainable=True)}, "needs an optimizer, got None"),
}


@pytest.mark.parametrize(("options", "message"), REFUSED.values(), ids=REFUSED)
def test_models_that_it_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        built(IVON(), **options)


ARGUMENTS = {
    "rate": ({"learning_rate": 0.0}, "learning_rate must be a positive number, got 0.0"),
    "decay": ({"hessian_decay": 1.0}, "hessian_decay must be at least 0 and below 1, got 1.0"),
    "weight": ({"kl_weight": 0.0}, "kl_weight must be positive, also at the start"),
    "clip": ({"clip_radius": 0.0}, "clip_radius must be positive, got 0.0"),
    "objective": ({"objective": ImportanceWeightedBound(num_samples=2)}, "must be a NegativeELBO"),
}


@pytest.mark.parametrize(("options", "message"), ARGUMENTS.values(), ids=ARGUMENTS)
def test_arguments_that_it_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        IVON(**options)
    assert IVON(objective=NegativeELBO(num_samples=2)).describe()["train_samples"] == 2
