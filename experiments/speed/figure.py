"""The figure of ratios."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bnn.figures.canvas import BLACK, BLUE, GREEN, GREY, SKY, VERMILION, canvas, shared_legend
from experiments.speed.cases import CASES, FAST
from experiments.speed.session import OURS
from experiments.speed.summary import Best, Key

_LOOKS = {
    "tfp.layers": (VERMILION, "o"),
    "NumPyro": (BLUE, "s"),
    "JAX by hand": (SKY, "D"),
    "PyTorch by hand": (GREEN, "^"),
    "bayesian-torch": (GREY, "v"),
}
_SHORT = {"reparameterization": "reparam.", "lrt": "LRT", "flipout": "Flipout"}


def draw_ratios(path: Path, best: Mapping[Key, Best]) -> None:
    """Ours / other with quartiles, a row per case and estimator; left of 1 ours is faster."""
    rows = [
        (case, estimator)
        for case in (*CASES, *FAST)
        for estimator in (*_SHORT, "prediction")
        if any(c == case and e == estimator and p in _LOOKS for c, p, e in best)
        and (case, OURS, estimator) in best
    ]
    with canvas(path, 6.5, 1.2 + 0.3 * len(rows)) as figure:
        axis = figure.add_subplot()
        seen = set()
        for y, (case, estimator) in enumerate(rows):
            ours = best[case, OURS, estimator]
            peers = [p for p in _LOOKS if (case, p, estimator) in best]
            for i, peer in enumerate(peers):
                ratio = ours.ratio_to(best[case, peer, estimator])
                spread = [[ratio.median - ratio.lower], [ratio.upper - ratio.median]]
                color, marker = _LOOKS[peer]
                axis.errorbar(
                    ratio.median,
                    y + 0.13 * (i - (len(peers) - 1) / 2),
                    xerr=spread,
                    color=color,
                    marker=marker,
                    linestyle="none",
                    elinewidth=1.0,
                    label=None if peer in seen else peer,
                )
                seen.add(peer)
        axis.axvline(1.0, color=BLACK, linewidth=0.8)
        axis.set_xscale("log")
        ticks = [0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0]
        axis.set_xticks(ticks, [f"{t:g}" for t in ticks])
        axis.minorticks_off()
        axis.set_yticks(range(len(rows)), [f"{c}, {_SHORT.get(e, e)}" for c, e in rows])
        axis.set_ylim(len(rows) - 0.5, -0.5)
        axis.set_xlabel("time of ours / time of the other, median and quartiles of paired rounds")
        shared_legend(figure, columns=3)
