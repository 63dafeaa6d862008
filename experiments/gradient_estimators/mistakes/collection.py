"""All mistakes in one table."""

from __future__ import annotations

import importlib

from experiments.gradient_estimators.mistakes.report import measure, show
from experiments.gradient_estimators.tables import Table

_NAMES = (
    *("stopped_sample", "unreparameterized", "outside_the_tape"),
    *("score_through_the_sample", "baseline_with_itself"),
)
MODULES = [importlib.import_module(f"{__package__}.{name}") for name in _NAMES]
SEED = 5


def table(draws: int) -> Table:
    """What the wrong and the right form of every mistake give."""
    rows = []
    for module in MODULES:
        found = measure(module, draws, SEED)
        rows.append(
            {
                "mistake": (module.__doc__ or "").splitlines()[0].rstrip("."),
                "exact": found.exact,
                "wrong form gives": show(found.wrong),
                "right form gives": show(found.right),
                "z of the right form": found.z,
                "seed": SEED,
                "draws": draws,
            }
        )
    return Table("mistakes", "Mistakes, and what their gradients say", rows)
