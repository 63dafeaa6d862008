"""Decoupled weight decay, as of AdamW and Lion, which must leave the scales of posteriors alone."""

from __future__ import annotations

from typing import Any

import keras

from bnn.compat import decays_weight, innermost_optimizer
from bnn.sites import sites


def spare_scales(
    optimizer: keras.optimizers.Optimizer, model: keras.Model, likelihood: Any = None
) -> None:
    """Excludes from the optimizer's weight decay what is no weight, before it is built.

    Decay pulls every variable to 0, and ln σ = 0 is σ = 1: without any gradient σ would grow from
    0.02 to 0.6 in 2,000 steps of AdamW(0.01, weight_decay=0.1). What the user has excluded stays
    excluded.

    Args:
      optimizer: with weight decay or without, not built.
      model: built, with random sites or without.
      likelihood: whose learned noise is spared, too.

    Raises:
      ValueError: an optimizer that is built and would decay a scale.
    """
    inner = innermost_optimizer(optimizer)
    if not inner.weight_decay:
        return
    spared = _no_weights(model, likelihood)
    if inner.built:
        decayed = decayed_scales(inner, model, likelihood)
        if decayed:
            raise ValueError(
                f"optimizer {type(inner).__name__} must not decay the scales of posteriors "
                f"(weight_decay = {inner.weight_decay:g} would pull {len(decayed)} variables such "
                f"as {decayed[0].path} to ln σ = 0), but it is built already and cannot leave them "
                "out any more; pass a new one, or weight_decay=None: the prior decays the weights."
            )
        return
    own = [v for v in model.trainable_variables if not decays_weight(inner, v)]
    inner.exclude_from_weight_decay(var_list=[*spared, *own])


def decayed_scales(
    optimizer: keras.optimizers.Optimizer, model: keras.Model, likelihood: Any = None
) -> list[keras.Variable]:
    """The scales that the optimizer's weight decay moves without any gradient."""
    inner = innermost_optimizer(optimizer)
    if not inner.weight_decay:
        return []
    return [v for v in _no_weights(model, likelihood) if v.trainable and decays_weight(inner, v)]


def _no_weights(model: keras.Model, likelihood: Any) -> list[keras.Variable]:
    """The scales of posteriors, what priors learn, and what the likelihood learns."""
    found = list(likelihood.variables) if likelihood is not None else []
    for site in sites(model).values():
        found += [*site.posterior.scale_variables, *site.prior.variables]
    return found
