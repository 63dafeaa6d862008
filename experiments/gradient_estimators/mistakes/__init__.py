"""Mistakes people make with gradients through samples, each with its correct form.

Every module runs on its own, `python -m experiments.gradient_estimators.mistakes.stopped_sample`,
and has `wrong(seed)` and `right(seed)`, one gradient each or None, and EXACT, the true gradient.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

from experiments.gradient_estimators.mistakes import (
    baseline_with_itself,
    outside_the_tape,
    score_through_the_sample,
    stopped_sample,
    unreparameterized,
)
from experiments.gradient_estimators.mistakes.report import measure, show
from experiments.gradient_estimators.tables import Table

MODULES: tuple[ModuleType, ...] = (
    stopped_sample,
    unreparameterized,
    outside_the_tape,
    score_through_the_sample,
    baseline_with_itself,
)
SEED = 5


def table(draws: int) -> Table:
    """What the wrong and the right form of every mistake give."""
    rows: list[dict[str, Any]] = []
    for module in MODULES:
        found = measure(module, draws, SEED)
        rows.append(
            {
                "mistake": module.__doc__.splitlines()[0].rstrip("."),
                "exact": found.exact,
                "wrong form gives": show(found.wrong),
                "right form gives": show(found.right),
                "z of the right form": found.z,
                "seed": SEED,
                "draws": draws,
            }
        )
    return Table(
        "mistakes",
        "Mistakes, and what their gradients say",
        "Mean over the draws ± standard error. `None` is what `GradientTape.gradient` returns: no "
        "error, and an optimizer that skips the variable. Each line is a module of `mistakes/`.",
        rows,
    )
