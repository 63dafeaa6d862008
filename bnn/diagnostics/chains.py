"""Sample means of dependent draws against exact values: what a Markov chain is worth."""

from __future__ import annotations

import numpy as np
from scipy import stats

from bnn.diagnostics.conjugate import Law
from bnn.diagnostics.report import Row, Verdict
from bnn.diagnostics.statistic import without_skewness
from bnn.metrics import effective_sample_size

# As for independent draws: a passing row excludes deviations of a quarter of the exact size.
_RESOLUTION = 0.25
# Of fewer, neither the spread nor the effective sample size itself is known.
_LEAST_EFFECTIVE = 50


def law_rows(samples: np.ndarray, law: Law, level: float, tolerance: float) -> list[Row]:
    """Mean and covariance of weight samples against a law with spread.

    Both are taken of u = L⁻¹(w − m), C = L Lᵀ, whose exact values are 0 and I: a direction in which
    the law is narrow counts as much as a wide one. Deviations are in standard deviations and in
    variances.

    Args:
      samples: w `[S, D]`; of a chain in its order.
      law: m and C.
      level: false-alarm probability of each row.
      tolerance: deviation that the method is allowed.
    """
    factor = np.linalg.cholesky(law.covariance)
    u = np.linalg.solve(factor, (samples - law.mean).T).T
    left, right = np.triu_indices(len(law.mean))
    distinct = len(np.unique(samples, axis=0))
    return [
        chain_row("posterior mean", u, 0.0, distinct, level, tolerance),
        chain_row(
            "posterior covariance",
            u[:, left] * u[:, right],
            np.equal(left, right),
            distinct,
            level,
            tolerance,
        ),
    ]


def chain_row(
    name: str,
    series: np.ndarray,
    exact: np.ndarray | float,
    distinct: int,
    level: float,
    tolerance: float,
) -> Row:
    """Column means against their exact values of size 1, as z-scores with the skewness removed.

    z is of what the deviation exceeds `tolerance` by. Gated by the effective sample size: a row
    that could not see a deviation of a quarter is unresolved.

    Args:
      name: of the row.
      series: `[S, k]`, in the order of the chain.
      exact: expectations `[k]`.
      distinct: number of different draws, the most that the effective sample size can be.
      level: false-alarm probability.
      tolerance: deviation without a finding.
    """
    if not np.all(np.isfinite(series)):
        return Row(name, np.inf, 0.0, np.inf, Verdict.FAIL, "samples that are not finite")
    size = np.minimum(effective_sample_size(series), distinct)
    limit = float(stats.norm.isf(level / (2 * series.shape[1])))
    if size.min() < _LEAST_EFFECTIVE:
        note = (
            f"effective sample size {size.min():.0f} of {len(series)}, where 1,000 are enough: "
            "raise num_steps, or the method's step size"
        )
        deviation = np.abs(series.mean(0) - exact).max()
        return Row(name, deviation, limit, None, Verdict.UNRESOLVED, note)
    deviation = series.mean(0) - exact
    error = series.std(0) / np.sqrt(size - 1)
    excess = np.sign(deviation) * np.maximum(np.abs(deviation) - tolerance, 0.0)
    z = np.where(excess == 0, 0.0, without_skewness(excess / error, stats.skew(series), size))
    worst = int(np.argmax(np.abs(z) + 1e-6 * np.abs(deviation)))
    note = f"effective sample size {size.min():.0f} of {len(series)}"
    verdict = Verdict.PASS
    if not np.abs(z[worst]) <= limit:
        verdict = Verdict.FAIL
    elif np.any(limit * error > _RESOLUTION):
        verdict = Verdict.UNRESOLVED
        note += f": sees only deviations above {limit * error.max():.2f}; raise num_steps"
    return Row(name, float(deviation[worst]), limit, float(z[worst]), verdict, note)
