"""The figure of the study."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from bnn.figures.canvas import BLACK, BLUE, GREEN, PURPLE, VERMILION, canvas, shared_legend

# Colour, line and marker: each alone tells the strategies apart.
_LOOKS = {
    "random": (BLACK, ":", "s"),
    "BALD": (BLUE, "-", "o"),
    "Thompson": (GREEN, "-.", "D"),
    "predictive variance": (VERMILION, "--", "^"),
    "expected entropy": (PURPLE, (0, (5, 1)), "v"),
}


def draw_curves(curves: dict[str, Any], plans: dict[str, Any], path: Path) -> None:
    """Accuracy by labels, means over seeds, with bars of a standard error."""
    with canvas(path, width=7.0, height=3.1) as figure:
        panels = np.atleast_1d(figure.subplots(1, len(curves)))
        for axis, (name, runs) in zip(panels, curves.items(), strict=True):
            counts = plans[name].counts
            for strategy, (color, line, marker) in _LOOKS.items():
                each = 100 * np.array([run[strategy] for run in runs])
                error = each.std(axis=0, ddof=1) / np.sqrt(len(each)) if len(each) > 1 else None
                axis.errorbar(
                    *(counts, each.mean(axis=0), error),
                    **{"color": color, "linestyle": line, "marker": marker},
                    markersize=3.5,
                    elinewidth=0.7,
                    label=strategy,
                )
            axis.set(title=plans[name].title, xlabel="Labels")
        panels[0].set_ylabel("Test accuracy, %")
        shared_legend(figure)
