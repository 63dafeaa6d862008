"""What evaluations of several tasks ask a likelihood's predictive mixture, in blocks of rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from bnn import figures, metrics
from bnn.data import Dataset
from bnn.evaluation.evaluation import Examples, join, named
from bnn.likelihoods import Likelihood, Mixture

# Numbers in float64 that one array of a block may hold, 16 MB: the score of a mixture is that of
# 1,024 points for each row and column, or 8 a component.
_NUMBERS = 2**21
_POINTS = 1024


def units(scaling: Any) -> dict[str, Any]:
    """`loc` and `scale` of `Likelihood.predictive`; nothing where targets are not scaled."""
    if scaling is None or scaling.loc is None:
        return {}
    return {"loc": scaling.loc, "scale": scaling.scale}


def own_units(targets: Any, scaling: Any) -> np.ndarray:
    """Targets `[B, D]` in their own units, float64."""
    targets = np.asarray(targets, np.float64)
    targets = targets[:, np.newaxis] if targets.ndim == 1 else targets
    if scaling is None or scaling.loc is None:
        return targets
    return scaling.to_own_units("targets", targets)


def own_inputs(data: Dataset) -> np.ndarray:
    """The test part's inputs of one number in their own units, `[B]`, float64."""
    inputs = data.x_test[:, 0].astype(np.float64)
    if data.input_scale is not None:
        inputs = inputs * np.ravel(data.input_scale)[0]
    if data.input_loc is not None:
        inputs = inputs + np.ravel(data.input_loc)[0]
    return inputs


def mixtures(
    likelihood: Likelihood, outputs: tf.Tensor, **scales: Any
) -> Iterator[tuple[slice, Mixture]]:
    """The predictive of some rows after others, so that its score fits into memory."""
    num_samples, num_rows, width = outputs.shape
    size = max(1, _NUMBERS // (max(_POINTS, 8 * num_samples * width) * width))
    for first in range(0, num_rows, size):
        rows = slice(first, first + size)
        yield rows, likelihood.predictive(outputs[:, rows], **scales)


def mixture_examples(
    likelihood: Likelihood,
    outputs: tf.Tensor,
    targets: np.ndarray | None,
    scaling: Any,
    brief: bool = False,
) -> Examples:
    """Means, variances, central intervals, CDF at the targets, losses and scores of every example.

    Args:
      likelihood: whose predictive is a `Mixture`.
      outputs: `[S, B, num_outputs]`.
      targets: `[B, D]` in their own units; None where there are none.
      scaling: of the targets, and their names.
      brief: means, likelihoods and squared errors alone: quantiles and scores take far longer.
    """
    names = getattr(scaling, "names", None)
    parts = [
        _examples(mixture, None if targets is None else targets[rows], names, brief)
        for rows, mixture in mixtures(likelihood, outputs, **units(scaling))
    ]
    return join(parts, axis=0)


def _examples(
    mixture: Mixture, targets: np.ndarray | None, names: Sequence[str] | None, brief: bool
) -> Examples:
    mean = mixture.mean().numpy()
    found = {"mean": mean}
    if targets is not None:
        squared = metrics.by_target("squared_error", (targets - mean) ** 2, names)
        found |= {"loss/nll": -mixture.log_prob(targets).numpy(), **named("loss/", squared)}
        found["targets"] = targets
    if brief:
        return found
    aleatoric, epistemic = mixture.aleatoric().numpy(), mixture.epistemic().numpy()
    interval = mixture.quantile([0.025, 0.975]).numpy()
    deviation = np.sqrt(aleatoric + epistemic)
    found |= {
        "aleatoric": aleatoric,
        "epistemic": epistemic,
        "band": np.moveaxis(interval[..., : figures.MAX_TARGETS], 0, -1),
        **named("score/", metrics.by_target("predictive_std", deviation, names)),
    }
    if targets is None:
        return found
    score = mixture.crps(targets).numpy()
    return {
        **found,
        **named("loss/", metrics.by_target("crps", score, names)),
        **_transform(mixture, targets),
    }


def _transform(mixture: Mixture, targets: np.ndarray) -> dict[str, np.ndarray]:
    """The CDF at the targets, and below them where it has steps."""
    found = {"pit": mixture.cdf(targets).numpy()}
    if mixture.likelihood.discrete:
        found["pit_below"] = mixture.cdf(targets - 1).numpy()
    return found


def log_probs_by_sample(
    likelihood: Likelihood, outputs: tf.Tensor, targets: Any, **scales: Any
) -> np.ndarray:
    """Log p(y_b | outputsₛ), `[S, B]`, float64, a density of the targets' own units.

    Args:
      likelihood: whose predictive has a `log_prob`.
      outputs: `[S, B, num_outputs]`.
      targets: in their own units.
      **scales: of the targets.
    """
    each = [
        likelihood.predictive(outputs[sample : sample + 1], **scales).log_prob(targets)
        for sample in range(outputs.shape[0])
    ]
    return np.stack([np.asarray(one, np.float64) for one in each])


def joint_nll(log_probs: np.ndarray) -> np.ndarray:
    """−log (1/S) Σₛ exp(log_probsₛ), `[B]`, nats."""
    return np.log(len(log_probs)) - np.logaddexp.reduce(log_probs, axis=0)
