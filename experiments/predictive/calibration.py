"""Coverage of conformal sets and intervals, and calibration before and after a temperature.

Everything is fitted to one half of the test part, chosen at random, and judged on the other: what
neither training nor a choice has seen.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from bnn import metrics
from bnn.predictive import (
    APS,
    LAC,
    RAPS,
    AbsoluteResidual,
    ConformalizedQuantiles,
    NormalizedResidual,
    TemperatureScaling,
)
from experiments.predictive.cases import CLASSIFIERS, REGRESSIONS, opened

LEVEL = 0.9
SPLITS = 20  # of small test parts, whose mean is judged
_SETS = {
    "LAC": LAC(LEVEL),
    "LAC by class": LAC(LEVEL, by_class=True),
    "APS": APS(LEVEL, randomized=True),
    "RAPS": RAPS(LEVEL, randomized=True),
}
_INTERVALS = {
    "residual": AbsoluteResidual(LEVEL),
    "normalised": NormalizedResidual(LEVEL),
    "quantiles": ConformalizedQuantiles(LEVEL),
}


def sets(root: Path) -> dict[str, Any]:
    """Coverage of sets on MNIST and Fashion-MNIST, marginal and by class, in binomial errors."""
    rows = {}
    for name in ("mlp-mnist-0", "mlp-fashion-0"):
        run = opened(CLASSIFIERS[name], root)
        probs, labels = run.predictive(run.data.x_test).mean, np.asarray(run.data.y_test)
        first, second = _halves(len(labels), 0)
        rows[name] = {}
        for kind, rule in _SETS.items():
            found = rule.fit(probs[first], labels[first]).sets(probs[second])
            rows[name][kind] = _coverage(found, labels[first], labels[second])
    return {"rows": rows}


def _coverage(found: np.ndarray, fitted: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    hit = found[np.arange(len(labels)), labels]
    by_class = [hit[labels == c] for c in range(found.shape[1])]
    errors = [_error(np.sum(fitted == c), len(h)) for c, h in enumerate(by_class)]
    z = [(h.mean() - LEVEL) / e for h, e in zip(by_class, errors, strict=True)]
    return {
        "coverage": float(hit.mean()),
        "z": float((hit.mean() - LEVEL) / _error(len(fitted), len(labels))),
        "classes": [float(h.mean()) for h in by_class],
        "z of classes": [float(value) for value in z],
        "size": float(found.sum(axis=1).mean()),
    }


def _error(fitted: int, judged: int) -> float:
    """Of a coverage: binomial in the examples that judge, and nearly so in those that calibrate."""
    return float(np.sqrt(LEVEL * (1 - LEVEL) * (1 / fitted + 1 / judged)))


def _halves(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    first, second = np.array_split(np.random.default_rng(seed).permutation(count), 2)
    return first, second


class _Part:
    """Rows of a prediction, as rules read it."""

    def __init__(self, said: Any, rows: np.ndarray) -> None:
        self.mean, self.stddev = said.mean[rows], said.stddev[rows]
        self._said, self._rows = said, rows

    def interval(self, level: float) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper ends."""
        lower, upper = self._said.interval(level)
        return lower[self._rows], upper[self._rows]


def intervals(root: Path) -> dict[str, Any]:
    """Coverage and width of intervals on two UCI sets, over random halves of the test part."""
    rows = {}
    for name, job in REGRESSIONS.items():
        run = opened(job, root)
        said, targets = run.predictive(run.data.x_test), _own_units(run)
        rows[name] = {}
        for kind, rule in _INTERVALS.items():
            covered, widths = [], []
            for seed in range(SPLITS):
                first, second = _halves(len(targets), seed)
                rule.fit(_Part(said, first), targets[first])
                lower, upper = rule.interval(_Part(said, second))
                y = targets[second]
                covered.append(float(np.mean((lower <= y) & (y <= upper))))
                widths.append(float(np.mean(upper - lower)))
            # The test part is one: its halves judge all of it, each example as often as any other.
            half = len(targets) // 2
            rows[name][kind] = {
                "coverage": float(np.mean(covered)),
                "z": float((np.mean(covered) - LEVEL) / _error(half, half)),
                "width": float(np.mean(widths)),
                "examples": len(targets),
            }
    return {"rows": rows}


def _own_units(run: Any) -> np.ndarray:
    targets = np.asarray(run.data.y_test, np.float64).reshape(len(run.data.y_test), -1)
    return targets * run.data.target_scale + run.data.target_loc


def temperatures(root: Path) -> dict[str, Any]:
    """ECE and NLL of six runs before and after a temperature, on examples it has not seen."""
    rows = {}
    for name, job in CLASSIFIERS.items():
        run = opened(job, root)
        probs, labels = run.predictive(run.data.x_test).mean, np.asarray(run.data.y_test)
        first, second = _halves(len(labels), 0)
        scaling = TemperatureScaling().fit(probs[first], labels[first])
        rows[name] = {"temperature": scaling.temperature}
        for when, judged in (("before", probs[second]), ("after", scaling(probs[second]))):
            logs = np.log(np.maximum(judged, 1e-12))[np.newaxis]
            rows[name][when] = {
                "ece": float(metrics.ece(logs, labels[second])),
                "nll": float(metrics.nll(logs, labels[second])),
            }
    return {"rows": rows}
