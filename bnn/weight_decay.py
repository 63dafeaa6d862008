"""Decoupled weight decay, as of AdamW and Lion, which must leave the scales of posteriors alone."""

from __future__ import annotations

from typing import Any

import keras

from bnn.compat import decays_weight, innermost_optimizer, spare_from_weight_decay
from bnn.sites import sites


def check_decay(
    optimizer: keras.optimizers.Optimizer, model: keras.Model, likelihood: Any = None
) -> None:
    """Makes sure that the optimizer's weight decay is for weights alone.

    Decay pulls every variable to 0, and ln σ = 0 is σ = 1: without any gradient σ would grow from
    0.02 to 0.6 in 2,000 steps of AdamW(0.01, weight_decay=0.1). Keras's optimizers spare the scales
    of every site since it was made, in loops of the user's own, too.

    Args:
      optimizer: with weight decay or without.
      model: built, with random sites or without.
      likelihood: whose learned noise is spared, too.

    Raises:
      ValueError: an optimizer that decays a scale by a rule of its own, as Ftrl, which computes
        every variable anew from its gradients, beginning at 0 wherever the variable was.
    """
    inner = innermost_optimizer(optimizer)
    if likelihood is not None and inner.weight_decay:
        spare_from_weight_decay(likelihood.variables)
    decayed = decayed_scales(inner, model, likelihood)
    if decayed and isinstance(inner, keras.optimizers.Ftrl):
        raise ValueError(
            f"optimizer Ftrl must not move the scales of posteriors, got {len(decayed)} variables "
            f"such as {decayed[0].path}: it begins every variable at 0 wherever it was, and "
            "ln σ = 0 is σ = 1; use for example keras.optimizers.Adam()."
        )
    if decayed:
        raise ValueError(
            f"optimizer {type(inner).__name__} must not decay the scales of posteriors "
            f"(weight_decay = {inner.weight_decay:g} would pull {len(decayed)} variables such as "
            f"{decayed[0].path} to ln σ = 0); use one of Keras's, or weight_decay=None: the prior "
            "decays the weights."
        )


def decayed_scales(
    optimizer: keras.optimizers.Optimizer, model: keras.Model, likelihood: Any = None
) -> list[keras.Variable]:
    """The scales that the optimizer's weight decay, or Ftrl's rule, moves without any gradient."""
    inner = innermost_optimizer(optimizer)
    found = [v for v in _no_weights(model, likelihood) if v.trainable]
    if isinstance(inner, keras.optimizers.Ftrl):
        return found
    return [v for v in found if inner.weight_decay and decays_weight(inner, v)]


def _no_weights(model: keras.Model, likelihood: Any) -> list[keras.Variable]:
    """The scales of posteriors, what priors learn, and what the likelihood learns."""
    found = list(likelihood.variables) if likelihood is not None else []
    for site in sites(model).values():
        found += [*site.posterior.scale_variables, *site.prior.variables]
    return found
