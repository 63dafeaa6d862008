"""Of several targets with a likelihood each, which is predicted no better than by a constant."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bnn.diagnostics.constants import NO_BETTER, REMEDIES, Versus, versus_constant


def versus_of_heads(targets: np.ndarray, losses: Mapping[str, np.ndarray]) -> dict[str, Versus]:
    """Compares every head with the mean of its targets, or its most frequent class.

    Empty where a head has several columns, as labels of positions: whose is whose is not known.

    Args:
      targets: `[B, D]`, the columns of the heads in their order, in their own units.
      losses: `[B]` each, by `<head>/<loss>` in the order of the heads: `error` of a class,
        `squared_error` of a number.
    """
    found: dict[str, Versus] = {}
    heads = dict.fromkeys(name.partition("/")[0] for name in losses if "/" in name)
    if len(heads) != targets.shape[1]:
        return found
    for column, head in enumerate(heads):
        own = {n.partition("/")[2]: each for n, each in losses.items() if n.startswith(f"{head}/")}
        task = "classification" if "error" in own else "regression"
        values = targets[:, column : column + 1]
        versus = versus_constant(task, values[:, 0].astype(int) if "error" in own else values, own)
        if versus is not None:
            found[head] = versus
    return found


def heads_warning(versus: Mapping[str, Versus]) -> str:
    """What to say of heads that are no better than a constant; "" where there are none."""
    flat = [f"{name!r} ({each.numbers})" for name, each in versus.items() if not each.is_better]
    if not flat:
        return ""
    return (
        f"{NO_BETTER} of {', '.join(flat)}. Either the inputs say nothing of it, or training has "
        f"not ended, or the bound prefers the constant. To tell them apart: {REMEDIES}."
    )
