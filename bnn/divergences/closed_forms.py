"""Closed forms of KL(q ‖ p) beyond the mean field to the normal prior.

For a posterior with entropy H, KL(q ‖ p) = −H[q] − E_q[ln p(w)], and a prior of independent
elements needs of q no more than the elements' marginals.
"""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf

from bnn import posteriors as q
from bnn import priors as p
from bnn.divergences.divergence import register_kl

_posterior: Any
# Independent normal elements, with `scale` and `log_scale`.
_FACTORISED = (q.MeanFieldNormal, q.KTiedNormal, q.VariationalDropout)
# Jointly normal elements with an entropy in closed form.
_JOINT = (q.LowRankNormal, q.FullCovarianceNormal, q.MatrixNormal)
# Registered in `bnn.divergences.divergence`.
_ELSEWHERE = {(q.MeanFieldNormal, p.Normal), (q.MeanFieldNormal, p.Around)}
_NORMAL_PRIORS = (
    p.Normal, p.Around, p.ArrayNormal, p.FanInNormal, p.ARD, p.FunctionSpaceNormal,
)  # fmt: skip


def _normal_cross_entropy(posterior: Any, prior: Any) -> tf.Tensor:
    """−E_q[ln N(w; m, s²)] = ½ (Var[w] + (μ − m)²) / s² + ln s + ½ ln 2π, by element."""
    scale = prior.current_scale()
    squares = posterior.variance + tf.square(posterior.mean - prior.loc)
    constant = tf.math.log(scale) + 0.5 * math.log(2 * math.pi)
    return 0.5 * squares / tf.square(scale) + constant


def _factorised_to_normal(posterior: Any, prior: Any) -> tf.Tensor:
    """½ [(σ/s)² + ((μ − m)/s)² − 1] − ln σ + ln s, by element."""
    scale = prior.current_scale()
    squares = tf.square(posterior.scale) + tf.square(posterior.mean - prior.loc)
    relative = tf.math.reciprocal(tf.square(scale)) * squares
    return 0.5 * (relative - 1.0) - posterior.log_scale + tf.math.log(scale)


def _joint_to_normal(posterior: Any, prior: Any) -> tf.Tensor:
    """−H[q] and the elements' cross entropies; of the second moments of q alone."""
    return tf.reduce_sum(_normal_cross_entropy(posterior, prior)) - posterior.entropy()


for _prior in _NORMAL_PRIORS:
    for _posterior in _FACTORISED:
        if (_posterior, _prior) not in _ELSEWHERE:
            register_kl(_posterior, _prior)(_factorised_to_normal)
    for _posterior in (*_JOINT, q.Radial):
        register_kl(_posterior, _prior)(_joint_to_normal)


def _slab_to_normal(posterior: Any, prior: Any) -> tf.Tensor:
    """KL(N(μ, σ²) ‖ N(m, s²)) of the slab alone, by element."""
    scale, log_scale = prior.current_scale(), posterior.log_scale
    squares = tf.exp(2 * log_scale) + tf.square(posterior.slab_mean - prior.loc)
    return 0.5 * (squares / tf.square(scale) - 1.0) - log_scale + tf.math.log(scale)


def _spike_and_slab_to_normal(posterior: q.SpikeAndSlabNormal, prior: Any) -> tf.Tensor:
    """KL of the switches, and π times that of the slab, by element."""
    kept = tf.sigmoid(posterior.inclusion_logit)
    return posterior.switch_kl() + kept * _slab_to_normal(posterior, prior)


def _group_horseshoe_to_normal(posterior: q.GroupHorseshoe, prior: Any) -> tf.Tensor:
    """KL of the factors, and of the weights before they are scaled."""
    return tf.reduce_sum(_slab_to_normal(posterior, prior)) + posterior.factor_kl()


for _prior in _NORMAL_PRIORS:
    register_kl(q.SpikeAndSlabNormal, _prior)(_spike_and_slab_to_normal)
    register_kl(q.GroupHorseshoe, _prior)(_group_horseshoe_to_normal)


def _factorised_to_hierarchical(posterior: Any, prior: p.HierarchicalNormal) -> tf.Tensor:
    """KL(q ‖ N(0, s²)) − ln p(s²)."""
    hyper = prior.negative_log_hyperprior()
    return tf.reduce_sum(_factorised_to_normal(posterior, prior)) + hyper


def _joint_to_hierarchical(posterior: Any, prior: p.HierarchicalNormal) -> tf.Tensor:
    """KL(q ‖ N(0, s²)) − ln p(s²)."""
    return _joint_to_normal(posterior, prior) + prior.negative_log_hyperprior()


for _posterior in _FACTORISED:
    register_kl(_posterior, p.HierarchicalNormal)(_factorised_to_hierarchical)
for _posterior in (*_JOINT, q.Radial):
    register_kl(_posterior, p.HierarchicalNormal)(_joint_to_hierarchical)


def _laplace_cross_entropy(posterior: Any, prior: p.Laplace) -> tf.Tensor:
    """Ln 2b + E|w − m| / b for normal elements, by element."""
    scale = tf.sqrt(posterior.variance)
    distance = posterior.mean - prior.loc
    z = distance / (scale * math.sqrt(2))
    absolute = scale * math.sqrt(2 / math.pi) * tf.exp(-tf.square(z)) + distance * tf.math.erf(z)
    return math.log(2 * prior.scale) + absolute / prior.scale


def _factorised_to_laplace(posterior: Any, prior: p.Laplace) -> tf.Tensor:
    """−½ ln 2πe σ² and the cross entropy, by element."""
    entropy = posterior.log_scale + 0.5 * math.log(2 * math.pi * math.e)
    return _laplace_cross_entropy(posterior, prior) - entropy


def _joint_to_laplace(posterior: Any, prior: p.Laplace) -> tf.Tensor:
    """−H[q] and the elements' cross entropies."""
    return tf.reduce_sum(_laplace_cross_entropy(posterior, prior)) - posterior.entropy()


for _posterior in _FACTORISED:
    register_kl(_posterior, p.Laplace)(_factorised_to_laplace)
for _posterior in _JOINT:
    register_kl(_posterior, p.Laplace)(_joint_to_laplace)


def _to_matrix_normal(posterior: Any, prior: p.MatrixNormal) -> tf.Tensor:
    """−H[q] + ½ tr(P_n E_q[W P_m Wᵀ]) + ½ ln det 2πΣ_p, P the precisions of rows and columns.

    E_q[W P_m Wᵀ] is M P_m Mᵀ and what q's covariance adds: of independent elements Σ_j Var[w_ij]
    (P_m)_jj on the diagonal, of MN(M, U, V) U tr(V P_m).
    """
    rows, columns = prior.precisions()
    mean = tf.reshape(posterior.mean, prior.shape)
    total = tf.reduce_sum(mean * tf.matmul(tf.matmul(rows, mean), columns))
    if isinstance(posterior, q.MatrixNormal):
        traces = []
        for factor, precision in zip(posterior.factors(), (rows, columns), strict=True):
            traces.append(tf.reduce_sum(factor * tf.matmul(precision, factor)))
        total += traces[0] * traces[1]
    else:
        variance = tf.reshape(posterior.variance, prior.shape)
        diagonals = (tf.linalg.diag_part(m) for m in (rows, columns))
        total += tf.reduce_sum(variance * tf.tensordot(*diagonals, 0))
    return 0.5 * total + prior.half_log_det() - tf.reduce_sum(posterior.entropy())


for _posterior in (*_FACTORISED, q.MatrixNormal):
    register_kl(_posterior, p.MatrixNormal)(_to_matrix_normal)


def _to_correlated_convolution(posterior: Any, prior: p.CorrelatedConvolution) -> tf.Tensor:
    """−H[q] + ½ Σ_f [m_fᵀ P m_f + Σ_p P_pp Var w_pf] + ½ ln det 2πΣ_p, P = K⁻¹ / s²."""
    precision = prior.precision()
    mean, variance = (
        tf.reshape(part, prior.shape) for part in (posterior.mean, posterior.variance)
    )
    total = tf.reduce_sum(mean * tf.matmul(tf.constant(precision, tf.float32), mean))
    diagonal = tf.constant(precision.diagonal()[:, None], tf.float32)
    total += tf.reduce_sum(diagonal * variance)
    return 0.5 * total + prior.half_log_det() - tf.reduce_sum(posterior.entropy())


for _posterior in _FACTORISED:
    register_kl(_posterior, p.CorrelatedConvolution)(_to_correlated_convolution)


def _to_log_uniform(posterior: Any, prior: p.LogUniform) -> tf.Tensor:
    """Molchanov, Ashukha & Vetrov (2017), equation 14, by element; within 0.01 of the integral."""
    del prior
    log_alpha = 2.0 * posterior.log_scale - tf.math.log(tf.square(posterior.mean) + 1e-30)
    falling = 0.63576 * tf.sigmoid(1.87320 + 1.48695 * log_alpha)
    return 0.63576 - falling + 0.5 * tf.math.softplus(-log_alpha)


for _posterior in _FACTORISED:
    register_kl(_posterior, p.LogUniform)(_to_log_uniform)
