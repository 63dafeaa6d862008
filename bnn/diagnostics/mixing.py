"""Of Markov chains, whether they say the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_MOST = 1.1


def mixing_warning(about: Mapping[str, Any]) -> str:
    """What to say of chains whose log joints disagree, R̂ > 1.1; "" for others.

    R̂ is that of Vehtari et al. 2021, by ranks and halves of chains (`bnn.metrics.r_hat`). They ask
    for 1.01; above 1.1 a chain alone has other answers than all together. The weights' own R̂ is not
    judged: a network's units may be exchanged, and its functions stay the same. Nor are chains that
    begin at the members of an ensemble, which stay in different modes by design.

    Args:
      about: what a method says of itself; `chains` holds `r_hat`, None where nothing moved, by the
        name of a series.
    """
    found = about.get("chains", {}).get("log joint", {}).get("r_hat")
    if found is None or found <= _MOST or "chains_begin" in about:
        return ""
    return (
        f"The chains have not mixed: R-hat of the log joint is {found:.2f}, which is 1 where all "
        "halves of all chains agree. What is predicted need not be the posterior's. Train for more "
        "epochs, each of which is a transition, with a larger burn_in, or let the chains begin at "
        "the members of an ensemble (members)."
    )
