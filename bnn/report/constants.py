"""Models that predict no better than a constant, which a bound may prefer without a word."""

from __future__ import annotations

from collections.abc import Sequence

from bnn.diagnostics import REMEDIES, versus_constant
from bnn.diagnostics.constants import NO_BETTER
from bnn.report.document import code
from bnn.report.groups import Group
from bnn.report.runs import Run


def constant_in_words(groups: Sequence[Group]) -> str:
    """Which models predict no better than a constant, and what may be behind it; "" for none.

    The constant is the mean of the test targets, or the most frequent class, as if it had been
    known. Where another model on the same data is better there is something to learn. Where none is
    the runs' own words stand here: they had the training data to look at.
    """
    found = {group.name: constant(group.first) for group in groups}
    flat = {name: words for name, words in found.items() if words}
    if not flat:
        return ""
    told = {group.name: recorded(group.first) for group in groups if group.name in flat}
    if all(told.values()) and "" not in found.values():
        return " ".join(f"{code(name)}: {words}" for name, words in told.items())
    said = "; ".join(f"{code(name)} ({words})" for name, words in flat.items())
    text = f"No better than a constant: {said}."
    if any(words == "" for words in found.values()):
        return (
            f"{text} Another model here is better, so there is something to learn: the bound of a "
            "mean field prefers the constant where the KL of a fit costs more than it gains. "
            f"Remedies: {REMEDIES}."
        )
    return (
        f"{text} Either the inputs say nothing of the targets, and the constant is right, or the "
        "bound of a mean field prefers it, because the KL of a fit costs more than it gains. To "
        f"tell the two apart: {REMEDIES}."
    )


def constant(run: Run) -> str | None:
    """The numbers of a run that is no better than a constant; "" if it is, None if not known."""
    predictions = run.predictions() if run.is_the_model else None
    if predictions is None or not predictions.losses:
        return None
    found = versus_constant(run.task, predictions.targets, predictions.losses, run.targets or [""])
    if found is None:
        return None
    return "" if found.is_better and not recorded(run) else found.numbers


def recorded(run: Run) -> str:
    """What a run said at its end of a model that is no better than a constant; "" for nothing."""
    ledger = run.results.get("ledger")
    said = ledger.get("warnings") if isinstance(ledger, dict) else None
    words = said if isinstance(said, list) else []
    return next((w for w in words if isinstance(w, str) and NO_BETTER in w), "")
