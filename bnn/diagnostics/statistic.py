"""z-scores of sample means against exact values, with skewness removed."""

from __future__ import annotations

import numpy as np
from scipy import stats

from bnn.diagnostics.report import Row, Verdict

# A passing row excludes deviations of a quarter of the exact quantity's size. Every defect that the
# contract knows is larger: a baseline that includes its own sample among two halves the gradient.
_RESOLUTION = 0.25
# Float32 sums stay within this share of the quantity's size.
_ROUNDING = 2e-5


class Statistic:
    """A vector of sample means with a known exact value, gathered chunk by chunk.

    Args:
      name: of the row it becomes.
      exact: expectation of each entry, `[k]`.
      scale: size of the exact quantity, to which deviations are related; positive.
      rounding: deviation, as a share of `scale`, that floating point accounts for.
    """

    def __init__(
        self, name: str, exact: np.ndarray, scale: float, rounding: float = _ROUNDING
    ) -> None:
        self.name = name
        self.exact = np.asarray(exact, np.float64).ravel()
        self.scale = float(scale)
        self.rounding = rounding
        self.count = 0
        self._sums = np.zeros((3, self.exact.size))

    def add(self, samples: np.ndarray) -> None:
        """Takes in samples `[n, k]` with expectation `exact`."""
        x = np.asarray(samples, np.float64).reshape(len(samples), -1) - self.exact
        squares = x * x
        self._add(len(x), x.sum(0), squares.sum(0), (squares * x).sum(0))

    def add_products(
        self, values: np.ndarray, pairs: tuple[np.ndarray, np.ndarray], weights: np.ndarray
    ) -> None:
        """Takes in the products w xᵢ xⱼ of `values` x `[n, a]` for the pairs (i, j), two `[k]`.

        Args:
          values: x `[n, a]`.
          pairs: i and j.
          weights: w `[n, 1]`.
        """
        left, right, sums = weights * values, values, []
        for _ in range(3):
            sums.append((left.T @ right)[pairs])
            left, right = left * weights * values, right * values
        first, second, third = sums
        n, e = len(values), self.exact
        self._add(
            n,
            first - n * e,
            second - 2 * e * first + n * e**2,
            third - 3 * e * second + 3 * e**2 * first - n * e**3,
        )

    def _add(self, count: int, *sums: np.ndarray) -> None:
        self.count += count
        self._sums += np.stack(sums)

    @property
    def standard_error(self) -> np.ndarray:
        """Of every mean, `[k]`, rounding included."""
        first, second, _ = self._sums / self.count
        with np.errstate(invalid="ignore"):  # samples that are not finite
            variance = np.maximum(second - first**2, 0.0) / max(self.count - 1, 1)
        return np.hypot(np.sqrt(variance), self.rounding * self.scale)

    @property
    def z(self) -> np.ndarray:
        """The t-statistic `without_skewness`, `[k]`.

        The statistics are products and heavy-tailed score functions, whose means are skewed far out
        in the tails. Infinite where a sample was not finite.
        """
        first, second, third = self._sums / self.count
        error = self.standard_error
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            t = first / error
            a = (third - 3 * first * second + 2 * first**3) / (3 * self.count**2 * error**3)
            z = _hall(t, a)
        return np.where(np.isfinite(z), z, np.inf)

    def limit(self, level: float) -> float:
        """|z| that some entry exceeds by chance with probability `level` (Bonferroni)."""
        return float(stats.norm.isf(level / (2 * max(self.exact.size, 1))))

    def resolved(self, level: float) -> bool:
        """Whether every entry's test sees a deviation of a quarter of the scale."""
        return bool(np.all(self.limit(level) * self.standard_error <= _RESOLUTION * self.scale))

    def row(self, level: float) -> Row:
        """The row, with false-alarm probability `level`."""
        limit, z = self.limit(level), self.z
        worst = int(np.argmax(np.abs(z)))
        deviation = self._sums[0, worst] / self.count / self.scale
        if not np.abs(z[worst]) <= limit:
            return Row(self.name, deviation, limit, float(z[worst]), Verdict.FAIL)
        if not self.resolved(level):
            seen = limit * self.standard_error.max() / self.scale
            note = f"sees only deviations above {seen:.2f} of the exact size: raise max_draws"
            return Row(self.name, deviation, limit, float(z[worst]), Verdict.UNRESOLVED, note)
        return Row(self.name, deviation, limit, float(z[worst]), Verdict.PASS)


def without_skewness(t: np.ndarray, skewness: np.ndarray, count: np.ndarray | float) -> np.ndarray:
    """Hall's transform of t-statistics: standard normal up to O(1/n).

    z = t + a t² + a² t³ / 3 + a / 2,  a = γ / (3 √n) (P. Hall, "On the removal of skewness by
    transformation", JRSS B 54, 1992).

    Args:
      t: mean over standard error.
      skewness: γ of the samples.
      count: n, independent samples behind the mean.
    """
    return _hall(t, skewness / (3 * np.sqrt(count)))


def _hall(t: np.ndarray, a: np.ndarray) -> np.ndarray:
    return t + a * t**2 + a**2 * t**3 / 3 + a / 2
