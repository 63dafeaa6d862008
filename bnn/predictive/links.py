"""From normal logits to probabilities in closed form, beside drawing outputs."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np


def probit(mean: Any, covariance: Any) -> np.ndarray:
    """Softmax of μ_c/√(1 + π v_c/8), `[B, C]` (MacKay 1992; Daxberger et al. 2021, for classes).

    Of two classes, the logistic function of a normal number in place of a probit one, within 0.02.
    Of more it is a rule of thumb: covariances are not used, and a large variance of one logit
    draws it to 0, whatever the others are.

    Args:
      mean: μ of the logits, `[B, C]`, such as of `propagate_covariance` or of a Laplace
        approximation's `output_moments`; or `[B]` or `[B, 1]`, of the logit of yes or no.
      covariance: `[B, C, C]`; or variances v, of the shape of the mean.

    Returns:
      Probabilities, float64, of the mean's shape.

    Raises:
      ValueError: shapes that do not fit, or negative variances.
    """
    mean, variance = _with_variance(mean, covariance)
    scaled = mean / np.sqrt(1 + np.pi / 8 * variance)
    if mean.ndim == 1 or mean.shape[1] == 1:
        return 0.5 * (1 + np.tanh(0.5 * scaled))
    return _softmax(scaled)


class Dirichlet(NamedTuple):
    """Dir(α) of the probabilities of every input; entropies in nats, in closed form.

    Attributes:
      concentration: α, `[B, C]`, positive.
    """

    concentration: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        """α/Σ α, the probabilities `[B, C]`."""
        return self.concentration / self.concentration.sum(axis=1, keepdims=True)

    @property
    def total(self) -> np.ndarray:
        """H[E p], `[B]`."""
        mean = self.mean
        return -np.sum(mean * np.log(np.where(mean > 0, mean, 1)), axis=1)

    @property
    def aleatoric(self) -> np.ndarray:
        """E H[p] = ψ(Σ α + 1) − Σ_c (α_c/Σ α) ψ(α_c + 1), `[B]`."""
        from scipy.special import digamma  # which `import bnn` need not wait for

        whole = digamma(self.concentration.sum(axis=1) + 1)
        return whole - np.sum(self.mean * digamma(self.concentration + 1), axis=1)

    @property
    def epistemic(self) -> np.ndarray:
        """The mutual information of label and p, `[B]`, at least 0."""
        return np.maximum(self.total - self.aleatoric, 0)


def laplace_bridge(mean: Any, covariance: Any) -> Dirichlet:
    """The Dirichlet whose Laplace approximation in the logits has this mean and these variances.

    Hobbhahn, Kristiadi & Hennig 2022 (equation 8; MacKay 1998). In the logits y with Σ y = 0,
    Dir(α) has the mode μ_c = ln α_c − (1/C) Σ_l ln α_l and there the inverse curvature
    P diag(1/α) P, P = I − 11ᵀ/C. Solved for α, with v_c the variances,

        α_c = (1 − 2/C + e^{μ_c}/C² Σ_l e^{−μ_l})/v_c.

    Logits are brought to Σ y = 0 by P, which their softmax does not see (the paper conditions on
    it, which is the same where the covariance is a multiple of I).

    What it is not: of the covariance its diagonal alone is used, and μ and v are 2 C numbers for
    the C of α. Where the variances are not those of a Dirichlet, v_c near 1/α_c, the mean is wrong
    even for small ones: with equal v, α is proportional to the bracket above and not to e^{μ_c}, so
    that sure predictions become unsure, the more the more classes. Where they are, the mean still
    differs from E softmax(y) by (1 − C p_c)/(2 Σ α) in the first order. Drawing outputs has neither
    error, `method="moments"` does so; this one has the entropies in closed form.

    Args:
      mean: μ of the logits, `[B, C]`, at least two classes.
      covariance: `[B, C, C]`; or variances `[B, C]` of independent logits.

    Raises:
      ValueError: shapes that do not fit, or variances that are not positive.
    """
    mean, spread = np.asarray(mean, np.float64), np.asarray(covariance, np.float64)
    if mean.ndim != 2 or mean.shape[1] < 2:
        raise ValueError(
            f"mean must have shape [B, C] of at least two classes, got {mean.shape}; of yes or no "
            "use probit."
        )
    _, variance = _with_variance(mean, spread)
    if spread.ndim == 3:
        rows = spread.mean(axis=2)
        variance = variance - rows - spread.mean(axis=1) + rows.mean(axis=1, keepdims=True)
    else:
        size = mean.shape[1]
        variance = variance * (1 - 2 / size) + variance.mean(axis=1, keepdims=True) / size
    if not np.all(variance > 0):
        raise ValueError(
            "covariance must leave every logit a positive variance beside what all have in common, "
            f"got {variance.min():.3g}; without variance the probabilities are softmax(mean)."
        )
    centred = mean - mean.mean(axis=1, keepdims=True)
    size = mean.shape[1]
    others = np.sum(np.exp(-centred), axis=1, keepdims=True)
    return Dirichlet((1 - 2 / size + np.exp(centred) * others / size**2) / variance)


def _with_variance(mean: Any, covariance: Any) -> tuple[np.ndarray, np.ndarray]:
    """Both in float64; of a covariance its diagonal."""
    mean, spread = np.asarray(mean, np.float64), np.asarray(covariance, np.float64)
    if mean.ndim == 2 and spread.shape == (*mean.shape, mean.shape[1]):
        spread = np.einsum("bcc->bc", spread)
    if mean.ndim not in (1, 2) or spread.shape != mean.shape:
        raise ValueError(
            "covariance must have shape [B, C, C], or [B, C] of variances, for a mean [B, C], got "
            f"{np.shape(covariance)} and {mean.shape}."
        )
    if not np.all(spread >= 0):
        raise ValueError(
            f"variances must be at least 0, got {spread.min():.3g}; give the covariance, or "
            "squares of standard deviations."
        )
    return mean, spread


def _softmax(logits: np.ndarray) -> np.ndarray:
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)
