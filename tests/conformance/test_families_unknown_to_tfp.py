"""The KL of a family that TFP does not know is held against its own density."""

import keras
import pytest
import tensorflow as tf

from bnn import layers
from bnn.diagnostics import Verdict, check_estimator
from bnn.diagnostics.kl import KLMoments
from bnn.diagnostics.linear_gaussian import LinearGaussian
from bnn.diagnostics.subject import make_subject
from bnn.estimators import Reparameterization
from bnn.posteriors import FullCovarianceNormal, Posterior, RankOne
from bnn.priors import Laplace


class DoubleExponential(Posterior):
    """q(w) = exp(−|w − μ| / b) / 2b, with an entropy that may be wrong."""

    factorized = symmetric = True

    def __init__(self, excess=0.0):
        self.excess = excess

    def _build(self, layer, name, **options):
        self.add_mean(layer, name, **options)
        self._log_scale = self.add_variable(
            layer,
            f"{name}_log_scale",
            shape=self.shape,
            initializer=keras.initializers.Constant(-1.0),
        )

    @property
    def width(self):
        return tf.exp(tf.convert_to_tensor(self._log_scale))

    @property
    def variance(self):
        return 2 * self.width**2

    def perturbation(self, noise):
        u = noise.uniform(self.shape) - 0.5
        return -self.width * tf.sign(u) * tf.math.log1p(-2 * tf.abs(u))

    def log_prob(self, weights):
        z = tf.abs(weights - self.mean) / self.width
        return -tf.reduce_sum(z + tf.math.log(2 * self.width))

    def entropy(self):
        return 1 + tf.math.log(2 * self.width) + self.excess

    def get_config(self):
        return {"excess": self.excess}


def report_on(posterior):
    return check_estimator(
        Reparameterization(), layers.Dense(2), posterior, checks=("gradients",), num_draws=2**11
    )


@pytest.mark.parametrize(("excess", "verdict"), [(0.0, Verdict.PASS), (0.3, Verdict.FAIL)])
def test_an_entropy_is_that_of_the_density(excess, verdict):
    report = report_on(DoubleExponential(excess))
    assert report["KL kernel"].verdict is verdict, report
    assert report["KL bias"].verdict is verdict, report
    assert report.ok is (verdict is Verdict.PASS), report
    assert "not checked: gradient" in str(report).splitlines()[0]


def test_a_family_without_a_density_says_that_its_kl_is_not_checked():
    subject = make_subject(Reparameterization(), layers.Dense(2), RankOne())
    rows = KLMoments(LinearGaussian(subject)).rows()
    assert [row.name for row in rows] == ["KL kernel", "KL bias"]
    assert all(row.verdict is Verdict.SKIP and "no density" in row.note for row in rows)


@pytest.mark.parametrize(("scale", "skipped"), [(0.02, True), (0.3, False)])
def test_a_density_that_float32_weights_do_not_determine_is_not_held_against(scale, skipped):
    """The subject's L has off-diagonals of 0.3: beside 0.02 it has a condition of 3e7, else 50."""
    dense = layers.Dense(2, use_bias=False)
    subject = make_subject(
        Reparameterization(),
        dense,
        FullCovarianceNormal(scale),
        prior=Laplace(),
        input_shape=(3, 3),
    )
    moments = KLMoments(LinearGaussian(subject), jit_compile=False)
    assert [row.name for row in moments.rows()] == ["KL kernel"] * skipped
    assert all("nearly singular" in row.note for row in moments.rows())
    assert ("KL kernel" in [one.name for one in moments.statistics]) is not skipped
