"""The figure of part 2: bound against steps, and posteriors reached."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Ellipse

from bnn.figures.canvas import BLACK, GREY, canvas
from experiments.gradient_estimators import looks
from experiments.gradient_estimators.regressions import LogisticRegression, Regression

CAPTION = (
    "Left and middle: nats below the best mean-field ELBO against training steps, mean over seeds. "
    "Right: exact posterior of the logistic regression (grey, 50 % and 95 % regions) and the 95 % "
    "ellipses of the posteriors reached by the ELBO and by the importance-weighted bound, which "
    "widens a mean-field posterior towards the exact marginals."
)
_FLOOR = 1e-5
_SHOWN = (looks.REPARAMETERIZATION, looks.IWAE_DREG)


def draw(
    path: Path,
    linear: Regression,
    logistic: LogisticRegression,
    reached: Mapping[str, Mapping[str, Any]],
) -> None:
    """Draws both problems' curves and the logistic posterior."""
    with canvas(path, 9.6, 3.9) as figure:
        left, middle, right = figure.subplots(1, 3)
        for axis, problem in ((left, linear), (middle, logistic)):
            for name, found in reached[problem.name].items():
                if name.startswith("IWAE"):
                    continue
                gap = np.maximum(found.gaps.mean(axis=0), _FLOOR)
                style = {**looks.look(name), "markevery": max(len(gap) // 8, 1)}
                axis.plot(found.steps, gap, label=name, lw=1.1, **style)
            axis.set(yscale="log", xlabel="step", ylabel="ELBO gap (nats)", title=problem.name)
        _posterior(right, logistic, reached[logistic.name])
        looks.legend(figure, 4)


def _posterior(axis: Axes, problem: LogisticRegression, reached: Mapping[str, Any]) -> None:
    density = np.sort(problem.density.ravel())[::-1]
    mass = np.cumsum(density) / density.sum()
    levels = [density[np.searchsorted(mass, share)] for share in (0.95, 0.5)]
    axis.contourf(
        problem.grid,
        problem.grid,
        problem.density.T,
        levels=[*levels, density[0]],
        colors=["#DDDDDD", "#B5B5B5"],
    )
    axis.plot(*problem.mean, color=GREY, marker="+", linestyle="none", label="exact mean")
    shapes = [("best mean-field", problem.best_loc, problem.best_scale, BLACK, ":")]
    for name in _SHOWN:
        if name in reached:
            found, style = reached[name], looks.look(name)
            shapes.append((name, found.loc[0], found.scale[0], style["color"], style["linestyle"]))
    radius = 2 * np.sqrt(-2 * np.log(0.05))
    for name, loc, scale, color, line in shapes:
        axis.add_patch(
            Ellipse(
                loc, *(radius * scale), fill=False, ec=color, ls=line, lw=1.4, label=name, zorder=3
            )
        )
    spread = 3.5 * np.sqrt(np.diag(problem.covariance))
    for set_limits, m, s in zip((axis.set_xlim, axis.set_ylim), problem.mean, spread, strict=True):
        set_limits(m - s, m + s)
    axis.set(xlabel="intercept", ylabel="slope", title="logistic regression: posterior")
