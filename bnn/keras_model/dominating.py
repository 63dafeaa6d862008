"""What `fit` says at its end of a KL that dominates the bound and is still falling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bnn.formatting import show

_LAST = 5  # the trend is that of the last fifth of the epochs
REMEDIES = (
    "Train for longer, or begin nearer to where the scales go: a narrower prior and a scale that "
    "fits it, such as bnn.convert(model, prior=bnn.priors.Around(0.1), initial_scale=0.05). A "
    "warm-up of the KL or a kl_weight below 1 moves the scales no faster. bnn.methods.Laplace has "
    "none to train: it takes the curvature at trained weights."
)


def dominating_in_words(
    logged: Mapping[str, Sequence[float]], num_train: float, kl_weight: float
) -> str:
    """The warning of scales that have hardly moved, or "".

    With kₑ and ℓₑ the KL in nats and the NLL in nats per example that epoch e of E logged, and d
    the last fifth of the epochs, the KL dominates where λ k_E/N > ℓ_E > 0, as in
    `bnn.diagnostics.ledger_report`. By itself that is no fault: a posterior that fits may cost it.
    It is one where more of it is left than has gone, k_1 − k_E < k_E, and as many epochs again, at
    the pace λ (k_{E−d} − k_E)/(d N) of the last ones, would take more from the bound than all of
    its NLL.

    Args:
      logged: `kl` and `nll` of every epoch; fewer than two have no pace.
      num_train: N.
      kl_weight: λ at the end.
    """
    kl, nll = logged.get("kl", ()), logged.get("nll", ())
    if len(kl) < 2 or len(kl) != len(nll):
        return ""
    epochs, last = len(kl), max(1, len(kl) // _LAST)
    share = kl_weight * kl[-1] / num_train
    pace = kl_weight * (kl[-1 - last] - kl[-1]) / last / num_train
    hardly_moved = kl[0] - kl[-1] < kl[-1] and pace * epochs > nll[-1]
    if not (share > nll[-1] > 0 and hardly_moved):
        return ""
    tempered = "" if kl_weight == 1.0 else f", at its weight {show(kl_weight, 3)}"
    return (
        f"The KL dominates, and is still falling: {show(share, 3)} nats per example{tempered}, "
        f"beside an NLL of {show(nll[-1], 3)}. It went from {kl[0]:,.0f} to {kl[-1]:,.0f} nats in "
        f"{epochs} epochs, at the end by {show(pace, 3)} nats per example an epoch: the scales of "
        f"the posterior are still far from where the bound has its optimum. {REMEDIES}"
    )
