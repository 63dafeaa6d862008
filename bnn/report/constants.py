"""Models that predict no better than a constant, which a bound may prefer without a word."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bnn.formatting import show
from bnn.report.document import code
from bnn.report.groups import Group
from bnn.report.runs import Run

# Share of the constant's loss that a model must take away to be called better.
_LEAST = 0.05
_REMEDY = (
    "a tempered bound (`VariationalInference.kl_weight` below 1, named as tempered), fewer "
    "weights, or `Point` posteriors, which show what the architecture can do"
)


def constant_in_words(groups: Sequence[Group]) -> str:
    """Which models predict no better than a constant, and what may be behind it; "" for none.

    The constant is the mean of the test targets, or the most frequent class, as if it had been
    known. Where another model on the same data is better there is something to learn.
    """
    found = {group.name: constant(group.first) for group in groups}
    flat = {name: words for name, words in found.items() if words}
    if not flat:
        return ""
    said = "; ".join(f"{code(name)} ({words})" for name, words in flat.items())
    text = f"No better than a constant: {said}."
    if any(words == "" for words in found.values()):
        return (
            f"{text} Another model here is better, so there is something to learn: the bound of a "
            "mean field prefers the constant where the KL of a fit costs more than it gains. "
            f"Remedies: {_REMEDY}."
        )
    return (
        f"{text} Either the inputs say nothing of the targets, and the constant is right, or the "
        "bound of a mean field prefers it, because the KL of a fit costs more than it gains. To "
        f"tell the two apart: {_REMEDY}."
    )


def constant(run: Run) -> str | None:
    """The numbers of a run that is no better than a constant; "" if it is, None if not known."""
    predictions = run.predictions() if run.is_the_model else None
    if predictions is None or not len(predictions.targets) or not predictions.losses:
        return None
    if run.task == "classification":
        share = np.bincount(predictions.targets).max() / len(predictions.targets)
        error = float(np.mean(predictions.losses.get("error", np.nan)))
        if not error >= (1 - _LEAST) * (1 - share):
            return None if np.isnan(error) else ""
        errors = [show(100 * each, 3) for each in (error, 1 - share)]
        return f"error {errors[0]} %, the most frequent class {errors[1]} %"
    said = []
    for column, target in enumerate(run.targets or [""]):
        name = f"squared_error/{target}" if target else "squared_error"
        if name not in predictions.losses:
            return None
        rmse = float(np.sqrt(np.mean(predictions.losses[name])))
        spread = float(np.std(predictions.targets[:, column]))
        if rmse < np.sqrt(1 - _LEAST) * spread:
            return ""  # something of it is learned
        of = f" of {target}" if target else ""
        said.append(
            f"RMSE{of} {show(rmse, 3)}, standard deviation of the targets {show(spread, 3)}"
        )
    return "; ".join(said)
