"""What `compile` takes: estimator, objective and the KL's weight, chosen or checked."""

from __future__ import annotations

import math
from typing import Any

import keras

from bnn.estimators import BySite, Estimator, Flipout, Reparameterization
from bnn.likelihoods import Likelihood
from bnn.objectives import NegativeELBO
from bnn.schedules import Constant, Schedule
from bnn.sites import sites


def serving_estimator(network: keras.Model, given: Estimator | None) -> Estimator:
    """The estimator that was given, else `Flipout` where it serves and `Reparameterization`.

    Raises:
      ValueError: a network without random weights, no estimator, or one that does not serve a site.
    """
    if given is not None and not isinstance(given, Estimator):
        raise ValueError(
            f"estimator must be an estimator object, got {given!r}; pass for example "
            "bnn.estimators.Flipout(), with the parentheses."
        )
    require_random(network)
    estimator = given if given is not None else _serving(network)
    for site in sites(network).values():
        if not site.posterior.deterministic:
            estimator.at(site.labels).check(site.posterior, site.operator)
    return estimator


def _serving(network: keras.Model) -> Estimator:
    flipout, fallback = Flipout(), Reparameterization()
    others = {
        site.labels[1]: fallback
        for site in sites(network).values()
        if site.operator.needs_weights or flipout.unfit(site.posterior)
    }
    return BySite(others, flipout) if others else flipout


def require_random(network: keras.Model) -> None:
    """Raises ValueError for a network without random weights."""
    if not sites(network):
        raise ValueError(
            f"network {network.name!r} has no random weights; make it Bayesian with "
            "bnn.convert(network), or compile with a method that needs none, such as "
            "method=bnn.methods.MCDropout()."
        )


def refuse_losses(options: dict, likelihood: Likelihood) -> None:
    """Raises ValueError for the losses of Keras's `compile`."""
    for name in ("loss", "loss_weights"):
        if options.get(name) is not None:
            raise ValueError(
                f"{name} must not be given: the loss is −log p of the likelihood, "
                f"{type(likelihood).__name__}(), and the KL; choose another likelihood."
            )


def unwrapped(method: Any, estimator: Any, objective: Any, kl_weight: Any) -> tuple:
    """A method of its own, or None and what `VariationalInference` is made of.

    Raises:
      ValueError: a method and an argument that is the method's own.
    """
    if method is None:
        return None, estimator, objective, kl_weight
    given = {
        "estimator": estimator is not None,
        "objective": objective is not None,
        "kl_weight": kl_weight != 1.0,
    }
    for name, is_given in given.items():
        if is_given:
            raise ValueError(
                f"{name} must not be given beside method: it is the method's own; write it as an "
                f"argument of {type(method).__name__}, where that has it."
            )
    from bnn.methods import VariationalInference  # all of training, which `import bnn` need not

    if type(method) is VariationalInference:
        return None, method.estimator, method.objective, method.kl_weight
    return method, None, None, 1.0


def unbound_objective(given: Any) -> NegativeELBO:
    """The objective; ValueError for anything else."""
    if given is None:
        return NegativeELBO()
    if not isinstance(given, NegativeELBO):
        raise ValueError(
            f"objective must be an objective, got {given!r}; pass for example "
            "bnn.objectives.NegativeELBO(num_samples=2)."
        )
    return given


def as_schedule(kl_weight: Any) -> Schedule:
    """The KL's weight over the progress of training; ValueError unless a number from 0 up."""
    if isinstance(kl_weight, Schedule):
        return kl_weight
    if isinstance(kl_weight, (bool, str)) or not 0 <= float(kl_weight) < math.inf:
        raise ValueError(
            f"kl_weight must be a schedule or a finite number from 0, got {kl_weight!r}; 1.0 is "
            "the whole KL, less a tempered posterior."
        )
    return Constant(float(kl_weight))


def lower_is_better(callbacks: Any) -> None:
    """Tells callbacks that watch nll or kl, and leave the mode to Keras, which one it is."""
    for callback in callbacks if isinstance(callbacks, (list, tuple)) else [callbacks]:
        watched = str(getattr(callback, "monitor", "")).removeprefix("val_")
        if watched in ("nll", "kl") and getattr(callback, "mode", None) == "auto":
            callback.mode = "min"
