"""Deep ensembles of five on the splits of the UCI sets, all networks trained at once."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bnn.posteriors import Point, Posterior
from experiments.records import recorded, stamp
from experiments.uci.candidates import Candidate, Settings
from experiments.uci.published import PUBLISHED
from experiments.uci.splits import Member, members
from experiments.uci.training import build, member_metrics, predict, train

SETS = ("bostonHousing", "concrete", "power-plant", "wine-quality-red", "yacht")
NUM_MEMBERS = 5
# Of all networks of a set; those with the best log-likelihood of the validation rows are reported.
STEPS = (500, 2000)
_APART = 100  # between the seeds of an ensemble's members


class MAPCandidate(Candidate):
    """Fixed weights under N(0, 1), noise by input."""

    def make_posteriors(self, initial_scale: float) -> tuple[Posterior, Posterior]:
        """Points."""
        return Point(), Point()


_CANDIDATE = MAPCandidate("heteroscedastic", "standard", 0.5)


def published(name: str) -> dict[str, tuple[float, float]]:
    """The deep ensemble of Lakshminarayanan et al. 2017."""
    [row] = [row for row in PUBLISHED if row.title == "Deep ensemble"]
    return {"log_likelihood": row.log_likelihood[name], "rmse": row.rmse[name]}


def results(folder: Path, wanted: Sequence[str], fast: bool) -> dict[str, Any]:
    """Records of the sets that are there or wanted."""
    found = {}
    for name in SETS:
        path = folder / f"{name}.json"
        if name in wanted or path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            found[name] = recorded(path, {"fast": fast}, lambda n=name: _measure(n, fast))
    return found


def _measure(name: str, fast: bool) -> dict[str, Any]:
    used = time.process_time()
    tried = {}
    for steps in STEPS if not fast else (10, 20):
        settings = Settings(
            **{"steps": steps, "train_samples": 1, "valid_samples": 1, "test_samples": 1},
            splits=2 if fast else None,
        )
        tried[steps] = _ensembles(name, settings)
    valid = {
        steps: float(np.mean([row["log_likelihood"] for row in rows if not row["final"]]))
        for steps, rows in tried.items()
    }
    best = max(valid, key=lambda steps: valid[steps])
    return {
        "steps": best,
        "valid": {str(steps): value for steps, value in valid.items()},
        "rows": [row for row in tried[best] if row["final"]],
        "cpu_seconds": time.process_time() - used,
        **stamp(),
    }


def _ensembles(name: str, settings: Settings) -> list[dict[str, Any]]:
    """Log-likelihood and RMSE of the mixture of five, of every split and part."""
    parts = members(name, None, settings)
    nets = [
        dataclasses.replace(member, split=member.split + _APART * k)
        for k in range(NUM_MEMBERS)
        for member in parts
    ]
    built = build(nets, _CANDIDATE, settings)
    seeds = np.array([settings.seed + net.split for net in nets], np.uint64)
    train(nets, _CANDIDATE, settings, built, seeds)
    loc, scale = (part[0] for part in predict(nets, settings, built, seeds))
    return [_row(parts, i, loc, scale) for i in range(len(parts))]


def _row(parts: list[Member], place: int, loc: np.ndarray, scale: np.ndarray) -> dict[str, Any]:
    own = slice(place, None, len(parts))
    found = member_metrics(parts[place], loc[own], scale[own])
    kept = {key: float(found[key]) for key in ("log_likelihood", "rmse")}
    return {"split": parts[place].split, "final": parts[place].final, **kept}
