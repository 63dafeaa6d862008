"""One colour, marker and line for every estimator, in every figure of the study."""

from __future__ import annotations

from typing import Any

from bnn.figures.canvas import BLACK, BLUE, GREEN, GREY, SKY, VERMILION

ORANGE = "#E69F00"
PURPLE = "#CC79A7"

REPARAMETERIZATION = "reparameterization"
ANTITHETIC = "antithetic pairs"
LOCAL = "local reparameterization"
FLIPOUT = "Flipout"
LANDING = "sticking the landing"
OWN_WEIGHTS = "own weights per example"
MEAN = "no weight noise"
SCORE = "score function"
RUNNING_MEAN = "score, running mean"
LEAVE_ONE_OUT = "score, leave-one-out"
OPTIMAL = "score, optimal coefficient"
IMPORTANCE = "score, importance sampling"
IWAE_PLAIN = "IWAE, plain"
IWAE_DREG = "IWAE, DReG"
IWAE_VIMCO = "IWAE, VIMCO"

_LOOKS = {
    REPARAMETERIZATION: (BLUE, "o", "-"),
    ANTITHETIC: (SKY, "D", "--"),
    LOCAL: (GREEN, "s", "-"),
    FLIPOUT: (ORANGE, "^", "-"),
    LANDING: (PURPLE, "v", "-"),
    OWN_WEIGHTS: (SKY, "P", ":"),
    MEAN: (GREY, "_", ":"),
    SCORE: (VERMILION, "x", "-"),
    RUNNING_MEAN: (PURPLE, "<", "--"),
    LEAVE_ONE_OUT: (BLACK, "d", "--"),
    OPTIMAL: (GREY, "*", ":"),
    IMPORTANCE: (ORANGE, "p", "-."),
    IWAE_PLAIN: (BLUE, "1", "-."),
    IWAE_DREG: (GREEN, "2", "-."),
    IWAE_VIMCO: (VERMILION, "3", "-."),
}


def look(name: str) -> dict[str, Any]:
    """Matplotlib's colour, marker and line style of an estimator, by the start of its name."""
    matching = [known for known in _LOOKS if name.startswith(known)]
    color, marker, linestyle = _LOOKS[max(matching, key=len)]
    return {"color": color, "marker": marker, "linestyle": linestyle}
