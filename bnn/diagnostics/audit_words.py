"""What a wrong factor of the KL means, in words."""

from __future__ import annotations

import math
from collections.abc import Mapping

import keras

from bnn.diagnostics.kl_by_hand import ByHand
from bnn.diagnostics.loop import Loop
from bnn.sites import sites

_CLOSE = 0.02
_REMEDY = (
    "loss = nll + sum(bnn.ledger(model, …).values()) / num_train, with nll the mean of −log p over "
    "the batch; or bnn.objectives.NegativeELBO, which does it."
)


def kl_in_words(loop: Loop, factors: Mapping[str, float]) -> str:
    """How the loss counts the KL of its sites, and how it should.

    Args:
      loop: what was audited.
      factors: by site, ∂ loss / ∂ KL.
    """
    absent = [name for name, factor in factors.items() if factor == 0]
    if len(absent) == len(factors):
        return (
            "the KL is missing: no site's KL enters the loss, so that the posterior shrinks to a "
            "point, maximum likelihood with noise (bnn's layers put none into model.losses). "
            f"Right: {_REMEDY}"
        )
    if absent:
        return f"the KL of {', '.join(absent)} is missing in the loss. Right: {_REMEDY}"
    low, high = min(factors.values()), max(factors.values())
    if high > low * (1 + _CLOSE):
        each = ", ".join(f"{name} {factor:.4g}" for name, factor in factors.items())
        return f"the KL is counted differently by site: {each}. Right: {_REMEDY}"
    times = high * loop.num_train
    counted = f"the KL counts {high:.4g} a nat, {times:.4g} times 1 / N = 1 / {loop.num_train}"
    return f"{counted}{_likely(loop, high)}. Right: {_REMEDY}"


def wrong_kl_by_hand_in_words(loop: Loop, found: ByHand) -> str:
    """What is wrong with a KL that is written by hand."""
    if all(one.is_right for one in found.moved):
        return (
            f"a KL of the right value whose gradient is {found.gradient:.3g} times the ledger's: "
            f"leave out stop_gradient and .numpy(). Right: {_REMEDY}"
        )
    each = ", and ".join(
        f"by {one.counted:.4g} nats, the ledger by {one.wanted:.4g}, when {one.by:g} is added to "
        f"the {one.what}' variables"
        for one in found.moved
        if not one.is_right
    )
    likely = ""
    if found.times is not None and found.times > 0:
        likely = f", {found.times:.4g} times as much"
        likely += _likely(loop, found.times * loop.kl_weight / loop.num_train)
    return f"a KL that is not the ledger's: it moves {each}{likely}. Right: {_REMEDY}"


def unseen_kl_in_words(loop: Loop, counted: float) -> str:
    """What the gradient alone says of a KL that is not the ledger's, and may be written by hand.

    Args:
      loop: what was audited.
      counted: how often the KL is in the loss's gradient; NaN where its noise hides that.
    """
    if math.isnan(counted):
        return (
            "no site's KL of bnn.ledger enters the loss; whether one that is written by hand does, "
            "the gradient is too noisy to tell: raise num_steps, or use the ledger. Right: "
            f"{_REMEDY}"
        )
    return (
        f"a KL that is not the ledger's: by its gradient the loss has it about {counted:.2g} "
        f"times, where {loop.kl_weight:g} is right. Right: {_REMEDY}"
    )


def _likely(loop: Loop, factor: float) -> str:
    size = len(keras.tree.flatten(loop.batch[0])[0])
    found = sites(loop.model).values()
    weights = sum(math.prod(site.posterior.shape) for site in found)
    likely = {
        f"divided by the batch's {size} examples in place of N": 1 / size,
        "not divided by anything": 1.0,
        f"averaged over the {weights} weights in place of summed": 1 / weights,
        f"averaged over the {weights} weights, and divided by N": 1 / weights / loop.num_train,
        f"divided by the number of batches, {loop.num_train / size:g}": size / loop.num_train,
        f"divided by the {len(found)} sites, and by N": 1 / len(found) / loop.num_train,
        "counted twice": 2 / loop.num_train,
        f"weighted with {factor * loop.num_train:.3g}, a tempered posterior; say kl_weight= if it "
        "is meant": factor,
    }
    words = next(words for words, value in likely.items() if abs(factor / value - 1) < _CLOSE)
    return f": {words}"
