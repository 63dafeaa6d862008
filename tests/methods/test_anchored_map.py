"""Anchored ensembles: where members end, and their law; what anchors depend on; refusals."""

import dataclasses

import keras
import numpy as np
import pytest
import samplers as s
import tensorflow as tf
from averaging import recipe

import bnn
from bnn.data import Batch
from bnn.diagnostics import ConjugateRegression, Law, check_method
from bnn.methods import MAP, AnchoredMAP, DeepEnsemble, Problem
from bnn.methods.deep_ensemble import _seed
from bnn.noise import Noise, Purpose
from bnn.posteriors import Point, points
from bnn.training import Info

REGRESSION = ConjugateRegression()
NUM_TRAIN = REGRESSION.num_train
# Of nine standard normal numbers one lies beyond with a probability of 1e-6.
LIMIT = 5.3


def anchor(seed):
    """The prior's draw, `[3]`, by the generator itself."""
    normal = Noise(seed, 0, purpose=Purpose.METHOD).normal((3, 1)).numpy()[:, 0]
    return REGRESSION.prior_loc + REGRESSION.prior_scale * np.float64(normal)


def ending(seed):
    """Where a member ends: Λ⁻¹ (Xᵀy / τ² + a / s²)."""
    law, precision = REGRESSION.exact(), 1 / REGRESSION.prior_scale**2
    return law.mean + law.covariance @ (anchor(seed) - REGRESSION.prior_loc) * precision


def law_of_members():
    covariance = REGRESSION.exact().covariance
    return Law(REGRESSION.exact().mean, covariance @ covariance / REGRESSION.prior_scale**2)


def built(kind=AnchoredMAP):
    method = kind()
    optimizer = keras.optimizers.SGD(0.1)
    method.build(
        REGRESSION.problem(Point(), total_steps=9, seed=0, optimizer=optimizer, jit_compile=False)
    )
    return method


WHOLE = Batch(tf.constant(REGRESSION.inputs), tf.constant(REGRESSION.targets))


def minima(kind, seeds):
    """Of the method's own loss, which is a quadratic in w, by its gradients, `[seeds, 3]`."""
    method = built(kind)
    [weight] = method.trained

    def slope(seed):
        with tf.GradientTape() as tape:
            loss = method.loss(WHOLE, Noise(seed, tf.constant(4, tf.int64))).loss
        return tape.gradient(loss, weight.value)[:, 0]

    columns = []
    for unit in (*np.eye(3), np.zeros(3)):
        weight.assign(unit[:, np.newaxis])
        columns.append(np.float64(slope(tf.constant(0, tf.int64))))
    hessian = np.stack(columns[:3], 1) - columns[3][:, np.newaxis]
    few = len(seeds) < 10
    slopes = tf.map_fn(slope if few else tf.function(slope), seeds, fn_output_signature=tf.float32)
    return -np.linalg.solve(hessian, np.float64(slopes).T).T


def z_scores(members, law):
    """Of mean and covariance, in coordinates in which the law is N(0, 1)."""
    u = np.linalg.solve(np.linalg.cholesky(law.covariance), (members - law.mean).T)
    left, right = np.triu_indices(3)
    spread = np.sqrt(np.where(left == right, 2, 1) / len(members))
    second = (u @ u.T / len(members))[left, right] - (left == right)
    return np.concatenate([u.mean(1) * np.sqrt(len(members)), second / spread])


def member_seeds(count):
    """As `DeepEnsemble` gives them."""
    return _seed(7, tf.range(count))


@pytest.mark.slow
def test_members_end_at_their_closed_form():
    ends = [ending(_seed(7, member)) for member in range(2)]
    np.testing.assert_allclose(minima(AnchoredMAP, member_seeds(2)), ends, atol=2e-5)
    assert np.abs(ends[0] - ends[1]).max() > 0.05


@pytest.mark.slow
def test_members_have_their_documented_law():
    """Cov = Λ⁻¹ S⁻¹ Λ⁻¹, which is not the posterior's: this many members tell them apart."""
    members = minima(AnchoredMAP, member_seeds(2000))
    assert np.abs(z_scores(members, law_of_members())).max() < LIMIT
    assert np.abs(z_scores(members, REGRESSION.exact())).max() > 2 * LIMIT


class SharedAnchor(AnchoredMAP):
    """The defect: all members have the first one's anchor."""

    def loss(self, batch, noise, training=True):
        return super().loss(batch, noise.at(seed=7), training)


class PriorsOwnMean(MAP):
    """The defect: the density of w, not of w − a + m."""


class PriorByExample(AnchoredMAP):
    """The defect: the prior is not divided by N."""

    def loss(self, batch, noise, training=True):
        info = super().loss(batch, noise, training)
        return Info(info.loss + info.metrics["penalty"] * (1 - 1 / NUM_TRAIN), info.metrics)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [SharedAnchor, PriorsOwnMean, PriorByExample])
def test_the_law_shows_the_defects(kind):
    assert np.abs(z_scores(minima(kind, member_seeds(300)), law_of_members())).max() > 2 * LIMIT


class AnchorOfTheStep(AnchoredMAP):
    """The defect: another anchor in every step, by noise of the step's own seed."""

    def loss(self, batch, noise, training=True):
        return super().loss(batch, noise.at(seed=noise.seed + int(noise.step)), training)


@pytest.mark.parametrize("kind", [AnchoredMAP, AnchorOfTheStep])
def test_the_anchor_is_the_same_in_every_step_and_on_every_replica(kind):
    method = built(kind)
    here = Noise(0, 3)
    others = [here.at(step=4), here.at(replica=1, example_offset=16), here.at(sample=1)]
    losses = [float(method.loss(WHOLE, noise).loss) for noise in (here, *others)]
    assert (losses[1] == losses[0]) == (kind is AnchoredMAP)
    assert losses[2:] == losses[:1] * 2
    assert float(method.loss(WHOLE, Noise(1, 3)).loss) != losses[0]


def test_sites_have_anchors_of_their_own_and_the_loss_says_its_parts():
    with points():
        layers = [bnn.layers.Dense(3, use_bias=False, kernel_prior=bnn.priors.Normal(0.5, 2.0))
                  for _ in range(2)]  # fmt: skip
    model = keras.Sequential([keras.Input((3,)), *layers])
    method = s.built(AnchoredMAP(), model=model, optimizer="sgd")
    info = method.loss(s.batches().at(0), s.noise_of(2))
    sites, said = bnn.sites(model), dict(info.metrics)
    nll, penalty = said.pop("nll"), said.pop("penalty")
    assert list(said) == [f"kl/{name}" for name in sites]
    each = []
    for number, (site, found) in enumerate(zip(sites.values(), said.values(), strict=True)):
        moves = Noise(5, 0, purpose=Purpose.METHOD, site=number).normal((3, 3))
        z = np.float64(site.posterior.mean) / 2 - moves - 0.25
        each.append(np.sum(0.5 * z**2 + np.log(2) + 0.5 * np.log(2 * np.pi)))
        assert float(found) == pytest.approx(each[-1], rel=1e-5)
    assert float(penalty) == pytest.approx(sum(each), rel=1e-5)
    assert float(info.loss) == pytest.approx(float(nll) + sum(each) / s.NUM_TRAIN, rel=1e-5)


@pytest.mark.slow
def test_an_ensembles_members_descend_to_their_own_closed_forms():
    """w_m after t steps: ŵ_m + (I − ηΛ/N)ᵗ (w₀ₘ − ŵ_m)."""
    used = {"learning_rate": 0.2, "num_steps": 24, "batch_size": NUM_TRAIN}
    trained = recipe(DeepEnsemble(AnchoredMAP(), 2), **used).build(start=1)
    starts = [start[0][:, 0] for start in trained.method._starts]
    trained.run(0, 24)
    step = np.linalg.matrix_power(np.eye(3) - 0.2 * REGRESSION.precision / NUM_TRAIN, 12)
    ends = [ending(_seed(0, member)) for member in (0, 1)]
    exact = [end + step @ (start - end) for end, start in zip(ends, starts, strict=True)]
    np.testing.assert_allclose(trained.weights(2), exact, atol=1e-5)
    described = trained.method.describe()
    assert described["member"] == "AnchoredMAP"
    assert described["posterior"] == "2 members: a mode about an anchor of its own"


@pytest.mark.slow
def test_it_keeps_to_the_contract_and_goes_on_after_a_kill():
    checks = {"checks": ("interface", "loss", "restore")}
    for method in (AnchoredMAP(), DeepEnsemble(AnchoredMAP(), 2)):
        report = check_method(method, Point(), **checks)
        assert report.ok, report
    report = check_method(
        AnchoredMAP(),
        Point(),
        exact_posterior=False,
        documented=lambda regression: Law(ending(0), np.zeros_like(regression.precision)),
        checks=("posterior",),
        num_samples=2,
    )
    assert report.ok, report
    assert report["posterior mode"].statistic < 1e-2


def refused(message, model, **options):
    with pytest.raises(ValueError, match=message):
        s.built(AnchoredMAP(), model=model, optimizer="sgd", **options)


def test_what_has_no_anchor_is_refused_with_the_remedy():
    plain = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    refused("AnchoredMAP needs priors to draw anchors from, .* or the method MAP", plain)
    random = keras.Sequential([keras.Input((3,)), bnn.layers.Dense(2)])
    refused("method AnchoredMAP needs Point posteriors", random)
    for prior, message in {
        # Other priors that are learned no layer takes beside a point.
        bnn.priors.HierarchicalNormal(): r"fixed priors, .* 0_dense/kernel, .* is learned; use pri",
        bnn.priors.Laplace(): r"needs normal priors, .* site 0_dense/kernel has Laplace\(\); use",
        bnn.priors.StudentT(): r"needs normal priors, .* has StudentT\(\); use priors\.Normal\(\)",
        bnn.priors.ScaleMixture(): "needs normal priors, .* has ScaleMixture",
    }.items():
        refused(message, s.point_model(kernel_prior=prior))


def test_an_ensemble_of_it_refuses_noise_that_is_learned():
    likelihood = bnn.likelihoods.Normal(trainable=True)
    likelihood.build(1)
    problem = REGRESSION.problem(Point(), total_steps=9, seed=0, optimizer=keras.optimizers.SGD())
    problem = dataclasses.replace(problem, likelihood=likelihood)
    assert isinstance(problem, Problem)
    with pytest.raises(ValueError, match="DeepEnsemble cannot serve Normal with noise that is"):
        DeepEnsemble(AnchoredMAP()).build(problem)
