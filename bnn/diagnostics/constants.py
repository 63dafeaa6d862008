"""Models that predict no better than a constant: which a bound may prefer without a word."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from bnn.diagnostics.neighbours import neighbour_error
from bnn.divergences import MonteCarlo
from bnn.formatting import show
from bnn.ledger import elementwise_kl, site_kl
from bnn.likelihoods import Likelihood, Normal, NormalRegression
from bnn.noise import Noise
from bnn.sites import sites

# Share of the constant's loss that a model must take away to be called better.
LEAST = 0.05
# A weight with less KL than this, in nats, has all but returned to its prior: steps of an optimizer
# keep it from 0.
_NEAR_PRIOR = 0.1
# One of noise alone is as idle: the likelihood of a constant, too, narrows what adds to its noise,
# so that its KL stays above. Its mean is within this many standard deviations of 0 (the signal to
# noise ratio by which Blundell et al. 2015, section 5.1, prune), and its KL below this many nats,
# which it is not where training has only begun: a narrow posterior costs more.
_SIGNAL = 0.5
_NOISE_KL = 1.0
# From this share of either on the bound has chosen, and not the training failed.
_CHOSEN = 0.5
_MONTE_CARLO = MonteCarlo(32)
# How the words of a warning begin, by which reports find them.
NO_BETTER = "The model predicts no better than a constant"
REMEDIES = (
    "a method that has no such bound (`Laplace`, `NUTS`), a tempered bound (`kl_weight` below 1, "
    "named as tempered), fewer weights, MAP (`Point` posteriors), which shows what the "
    "architecture can do, or posteriors with dependent weights (`FullCovarianceNormal`, "
    "`LowRankNormal`), which alone may not suffice"
)


class Versus(NamedTuple):
    """A model's loss beside that of the best constant.

    Attributes:
      is_better: whether the model takes at least 5 % of the constant's loss away, of one target.
      numbers: of both, in words.
      constant_loss: mean squared error of the mean of the targets, or error of the most frequent
        class; of the first target.
    """

    is_better: bool
    numbers: str
    constant_loss: float


def versus_constant(
    task: str,
    targets: np.ndarray,
    losses: Mapping[str, np.ndarray],
    names: Sequence[str] = ("",),
    noise: np.ndarray | None = None,
) -> Versus | None:
    """Compares predictions with the mean of the targets, or the most frequent class.

    The constant is taken as if it had been known. A target whose noise is as wide as its own
    spread, by the median, is no better explained, whatever the mean does. None where the losses
    do not tell.

    Args:
      task: `"classification"`, `"regression"` or `"counts"`.
      targets: `[B]` labels or `[B, D]`.
      losses: of every example, `error`, or `squared_error` (`squared_error/<name>` of several
        targets), `[B]` each.
      names: of the D targets.
      noise: standard deviations that a likelihood has learned for the targets, `[B, D]`; not
        looked at where None.
    """
    if not len(targets):
        return None
    if task == "classification":
        error = float(np.mean(losses.get("error", np.nan)))
        rest = 1 - np.bincount(targets).max() / len(targets)
        if np.isnan(error):
            return None
        shown = [show(100 * each, 3) for each in (error, rest)]
        numbers = f"error {shown[0]} %, the most frequent class {shown[1]} %"
        return Versus(not error >= (1 - LEAST) * rest, numbers, rest)
    said, better = [], False
    for column, target in enumerate(names):
        name = f"squared_error/{target}" if target else "squared_error"
        if name not in losses:
            return None
        rmse = float(np.sqrt(np.mean(losses[name])))
        spread = float(np.std(targets[:, column]))
        if not np.isfinite(rmse):
            return None
        level = np.nan if noise is None else float(np.median(noise[:, column]))
        follows = bool(rmse < np.sqrt(1 - LEAST) * spread)
        drowned = bool(np.isfinite(level) and level >= spread)
        better |= follows and not drowned
        of = f" of {target}" if target else ""
        wide = f", of the noise it has learned {show(level, 3)}" if drowned else ""
        if drowned and follows:
            wide += " (the mean follows them, but what is predicted is as wide as the constant's)"
        said.append(
            f"RMSE{of} {show(rmse, 3)}, standard deviation of the targets {show(spread, 3)}{wide}"
        )
    return Versus(better, "; ".join(said), float(np.var(targets[:, 0])))


def learned_noise(likelihood: Likelihood, variance: Any) -> np.ndarray | None:
    """Standard deviations of a normal noise that training has chosen; None of any other.

    Args:
      likelihood: built.
      variance: that it gives to the targets, `[B, D]`; None where not known.
    """
    fixed = isinstance(likelihood, Normal) and not likelihood.trainable_variables
    if variance is None or fixed or not isinstance(likelihood, NormalRegression):
        return None
    return np.sqrt(np.asarray(variance, np.float64))


def constant_warning(
    model: keras.Model,
    task: str,
    versus: Versus | None,
    train: tuple[Any, np.ndarray] | None,
    kl_weight: float = 1.0,
) -> str:
    """What to say of a model that is no better than a constant; "" of one that is.

    Whether there is something to learn is asked of nearest neighbours, each training example being
    left out in turn. If there is, either the bound prefers the constant, which the share of weights
    that are near their prior or noise alone shows, or the training has not got there.

    Args:
      model: trained.
      task: `"classification"`, `"regression"` or `"counts"`.
      versus: the comparison, in any units.
      train: training inputs and targets, `[N]` labels or `[N, D]`; None where they are not at
        hand.
      kl_weight: λ at the end of training.
    """
    if versus is None or versus.is_better:
        return ""
    found = None if train is None else neighbour_error(task, *train)
    said = f"{NO_BETTER}: {versus.numbers}."
    if train is None or found is None:
        return f"{said} Whether there is more to learn was not looked at. Remedies: {REMEDIES}."
    if not found.is_better:
        return (
            f"{said} The constant seems right here: nearest neighbours, too, find nothing in the "
            f"inputs ({found.numbers}). More flexible posteriors would not help."
        )
    said = f"{said} There is something to learn: {found.numbers}."
    share, kl = _idle(model)
    if share < _CHOSEN:
        few = f"{show(100 * share, 3)} % of the weights are prior or noise alone"
        return (
            f"{said} The training has not got there{f' ({few})' if sites(model) else ''}: train "
            "longer, with another learning rate, and scale inputs and targets."
        )
    tempered = "" if kl_weight == 1.0 else f" tempered by {show(kl_weight, 3)},"
    gain = ""
    if found.gain is not None:
        examples = len(train[1])
        gain = (
            f" A fit would gain about {show(found.gain, 3)} nats per example, "
            f"{show(found.gain * examples, 3)} in all, and must cost more KL than that."
        )
    return (
        f"{said} The {_family(model)} bound{tempered} prefers the constant here: "
        f"{show(100 * share, 3)} % of the weights are prior or noise alone, the KL is "
        f"{show(kl, 3)} nats.{gain} Remedies: {REMEDIES}."
    )


def _idle(model: keras.Model) -> tuple[float, float]:
    """Share of the random weights that say next to nothing, and the KL of all in nats."""
    idle, size, total = 0.0, 0, 0.0
    for number, site in enumerate(sites(model).values()):
        q, noise = site.posterior, Noise(0, site=number)
        kl, count = float(site_kl(site, noise, _MONTE_CARLO)), math.prod(q.shape)
        total, size = total + kl, size + count
        if q.deterministic:
            continue
        each = (
            elementwise_kl(site, noise, _MONTE_CARLO).numpy()
            if q.factorized
            else np.full(q.shape, kl / max(count, 1))
        )
        no_signal = np.abs(q.mean) < _SIGNAL * np.sqrt(q.variance)
        idle += float(np.sum((each < _NEAR_PRIOR) | (no_signal & (each < _NOISE_KL))))
    return (idle / size if size else 0.0), total


def _family(model: keras.Model) -> str:
    random = [site.posterior for site in sites(model).values() if not site.posterior.deterministic]
    return "mean-field" if all(posterior.factorized for posterior in random) else "variational"
