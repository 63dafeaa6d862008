"""Planted defects: what the checks of `laws` are for is caught, each by the check named."""

import math
from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf

from bnn import posteriors as q
from bnn.noise import Noise
from bnn.posteriors import components, coupling_flow, dropout, multiplicative
from tests.posteriors import laws
from tests.posteriors.descriptors import build


class FlowWithAnInvertedJacobian(q.CouplingFlow):
    def log_prob(self, weights):
        _, log_det = self._pull(tf.reshape((weights - self.mean) / self.scale, [1, -1]))
        return super().log_prob(weights) + 2 * log_det[0]


class FlowWithoutTheScalesDeterminant(q.CouplingFlow):
    def log_prob(self, weights):
        return super().log_prob(weights) + tf.reduce_sum(tf.convert_to_tensor(self._log_scale))


class LowRankWithoutTheDeterminant(q.LowRankNormal):
    def _half_log_det(self, root):
        return super()._half_log_det(tf.eye(self.rank))


class LowRankWithoutTheFactorsVariance(q.LowRankNormal):
    @property
    def variance(self):
        return tf.square(self.scale)


class FullWithATransposedFactor(q.FullCovarianceNormal):
    def perturbation(self, noise):
        white = noise.normal([self.size])
        return tf.reshape(tf.linalg.matvec(self.factor(), white, transpose_a=True), self.shape)


class MatrixWithOneDeterminant(q.MatrixNormal):
    def half_log_det(self):
        return self._row_factor.log_det() + self._column_factor.log_det()


class RadialWithAVolumeElementLess(q.Radial):
    def log_prob(self, weights):
        squares = tf.reduce_sum(tf.square((weights - self.mean) / self.scale))
        return super().log_prob(weights) + 0.5 * tf.math.log(squares)


class RadialWithTheAreaOfTheBall(q.Radial):
    def entropy(self):
        return super().entropy() - math.log(self.size)


class MixtureOfSeparateElements(q.Mixture):
    """A component of its own for every element."""

    def perturbation(self, noise):
        pick = tf.cast(noise.uniform(self.shape, 3) * self.num_components, tf.int32)
        chosen = tf.one_hot(pick, self.num_components, axis=0)
        scales = tf.reduce_sum(chosen * self.scales(), axis=0)
        return tf.reduce_sum(chosen * self.offsets(), axis=0) + scales * noise.normal(self.shape)


class RankOneWithoutTheSecondMoments(q.RankOne):
    @property
    def variance(self):
        sides = [tf.square(self._moments(side)[1]) for side in ("rows", "columns")]
        return tf.square(self.mean) * tf.einsum("kn,km->nm", *sides)


class SpikesOfTheDiscreteMean(q.SpikeAndSlabNormal):
    """π for E[s], which holds for t → 0 alone."""

    def _switch_moments(self):
        return tf.sigmoid(self.inclusion_logit), super()._switch_moments()[1]


class SpikesOfTheDiscreteSecondMoment(q.SpikeAndSlabNormal):
    def _switch_moments(self):
        first = super()._switch_moments()[0]
        return first, first


class HorseshoeWithoutTheCommonScale(q.GroupHorseshoe):
    """A scale of the tensor for every row."""

    def _draw(self, noise, batch):
        (own_loc, own), (loc, common) = self._log_z("rows"), self._log_z("tensor")
        epsilon = noise.normal([2, *own_loc.shape], 1)
        logs = own_loc + loc + tf.sqrt(own) * epsilon[0] + tf.sqrt(common) * epsilon[1]
        return multiplicative.Factors(tf.exp(logs), None)


class HorseshoeOfMedians(q.GroupHorseshoe):
    """exp(m) for E[z], that of a log-normal number without its spread."""

    def _scale_moments(self):
        return tf.exp(self._log_group()[0]), super()._scale_moments()[1]


class EnsembleOfMixedMembers(q.BatchEnsemble):
    """The rows of one member with the columns of the next."""

    def _draw(self, noise, batch):
        factors = super()._draw(noise, batch)
        shifted = super()._draw(noise.at(sample=noise.sample + 1), batch)
        return multiplicative.Factors(factors.rows, shifted.columns)


DEFECTS = [
    ("SpikeAndSlabNormal", SpikesOfTheDiscreteMean, laws.check_moments),
    ("SpikeAndSlabNormal", SpikesOfTheDiscreteSecondMoment, laws.check_moments),
    ("GroupHorseshoe", HorseshoeWithoutTheCommonScale, laws.check_moments),
    ("GroupHorseshoe", HorseshoeOfMedians, laws.check_moments),
    ("BatchEnsemble", EnsembleOfMixedMembers, laws.check_moments),
    ("CouplingFlow", FlowWithAnInvertedJacobian, laws.check_density),
    ("CouplingFlow", FlowWithoutTheScalesDeterminant, laws.check_density),
    ("LowRankNormal", LowRankWithoutTheDeterminant, laws.check_density),
    ("LowRankNormal", LowRankWithoutTheFactorsVariance, laws.check_moments),
    ("FullCovarianceNormal", FullWithATransposedFactor, laws.check_moments),
    ("MatrixNormal", MatrixWithOneDeterminant, laws.check_density),
    ("Radial", RadialWithAVolumeElementLess, laws.check_density),
    ("Radial", RadialWithTheAreaOfTheBall, laws.check_entropy),
    ("Mixture", MixtureOfSeparateElements, laws.check_moments),
    ("RankOne", RankOneWithoutTheSecondMoments, laws.check_moments),
]


@pytest.mark.parametrize(
    ("name", "kind", "check"), DEFECTS, ids=[kind.__name__ for _, kind, _ in DEFECTS]
)
def test_the_defect_is_caught(name, kind, check):
    posterior = build(name)
    posterior.__class__ = kind
    simulation = laws.simulate(posterior, posterior.has_density)
    with pytest.raises(AssertionError, match="z-scores"):
        check(posterior, simulation)


def test_dropout_that_is_not_rescaled_is_caught():
    posterior = build("MCDropout")
    with mock.patch.object(
        dropout.MCDropout,
        "_factors",
        lambda self, noise, shape, per_example: tf.cast(noise.uniform(shape) > 0.3, tf.float32),
    ):
        simulation = laws.simulate(posterior, density=False)
    with pytest.raises(AssertionError, match="z-scores"):
        laws.check_moments(posterior, simulation)


def test_concrete_dropout_that_divides_by_the_rate_is_caught():
    """The paper's z = (1 − d) / (1 − p) has another mean than 1 at a warm temperature."""
    keras.utils.set_random_seed(0)
    posterior = q.ConcreteDropout(0.2, temperature=0.7)
    posterior.build(keras.layers.Layer(), "kernel", (3, 2), "ones")
    sound = laws.simulate(posterior, density=False)
    laws.check_moments(posterior, sound)
    kept, squares = posterior._moments()
    wrong = (tf.constant(0.8), squares * (0.8 / kept) ** 2)
    with (
        mock.patch.object(q.ConcreteDropout, "_moments", return_value=wrong),
        pytest.raises(AssertionError, match="z-scores"),
    ):
        laws.check_moments(posterior, laws.simulate(posterior, density=False))


# --- Noise ------------------------------------------------------------------------------------


def used_components(noise_of, count=4, samples=8):
    return [int(components.stratified_component(noise_of(s), count)) for s in range(samples)]


@pytest.mark.parametrize("step", range(5))
def test_samples_of_a_step_have_every_component_equally_often(step):
    found = used_components(lambda s: Noise(1, step, sample=s))
    assert sorted(found) == sorted([*range(4)] * 2)
    assert found == used_components(lambda s: Noise(1, step, sample=tf.constant(s)))


def test_antithetic_pairs_share_a_component():
    found = used_components(lambda s: Noise(1, 2, sample=s, antithetic=True))
    assert found[0::2] == found[1::2]
    assert sorted(found[0::2]) == [*range(4)]


def test_components_are_uniform_over_steps_and_differ_by_site():
    @tf.function(jit_compile=True, autograph=False)
    def run(site):
        return tf.map_fn(
            lambda step: components.stratified_component(Noise(0, step, site=site), 4),
            tf.range(4096),
        )

    first, other = (run(site).numpy() for site in (0, 1))
    counts = np.histogram2d(first, other, bins=4)[0]
    assert np.all(np.abs(counts - 256) < 6 * np.sqrt(256))


def test_a_component_drawn_once_for_all_samples_is_caught():
    def once(noise, count):
        return components.stratified_component(noise.at(sample=0), count)

    found = [int(once(Noise(1, sample=s), 4)) for s in range(8)]
    assert sorted(found) != sorted([*range(4)] * 2)


@pytest.mark.parametrize("name", ["LowRankNormal", "MatrixNormal", "Radial", "CouplingFlow"])
def test_sites_have_noise_of_their_own(name):
    posterior = build(name)

    @tf.function(autograph=False)
    def pairs():
        return tf.vectorized_map(
            lambda step: [posterior.perturbation(Noise(0, step, site=site)) for site in (0, 1)],
            tf.range(2048),
        )

    one, other = (p.numpy().astype(np.float64).reshape(2048, -1) for p in pairs())
    products = one[:, :, np.newaxis] * other[:, np.newaxis]
    laws.assert_mean(products.reshape(2048, -1), 0.0)


def test_low_rank_noise_that_sites_share_is_caught():
    posterior = build("LowRankNormal")
    z = tf.constant(np.random.default_rng(0).normal(size=(256, 2)), tf.float32)
    shared = np.float64(tf.tensordot(z, posterior.factors, 1)).reshape(256, -1)
    products = shared[:, :, np.newaxis] * shared[:, np.newaxis]
    with pytest.raises(AssertionError, match="z-scores"):
        laws.assert_mean(products.reshape(256, -1), 0.0)


def test_antithetic_samples_of_symmetric_families_are_mirrored():
    names = ("LowRankNormal", "FullCovarianceNormal", "MatrixNormal", "Radial", "CouplingFlow")
    for name in names:
        posterior = build(name)
        noise = Noise(4, antithetic=True)
        one, other = (posterior.perturbation(noise.at(sample=s)) for s in (0, 1))
        np.testing.assert_allclose(one, -other, atol=1e-6)


def test_log_determinant_of_the_flow_by_automatic_differentiation():
    """ln |det dg/dz| of the couplings is that of the Jacobian, and the inverse inverts."""
    posterior = build("CouplingFlow")
    z = tf.constant(np.random.default_rng(0).normal(size=(5, 6)), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(z)
        pushed, log_det = posterior._push(z)
    jacobian = np.float64(tape.batch_jacobian(pushed, z))
    np.testing.assert_allclose(log_det, np.linalg.slogdet(jacobian)[1], rtol=1e-4, atol=1e-5)
    back, again = posterior._pull(pushed)
    np.testing.assert_allclose(back, z, atol=1e-5)
    np.testing.assert_allclose(again, log_det, atol=1e-5)
    assert np.abs(log_det).min() > 1e-2  # not by a trivial flow
    assert coupling_flow._interleave(z[:, 0::2], z[:, 1::2]).shape == z.shape
