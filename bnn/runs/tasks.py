"""Whether a likelihood is for what a data set's targets are, said before anything is built."""

from __future__ import annotations

import logging
import math
from typing import Any

import keras
import numpy as np

from bnn.compat import keras_mask
from bnn.data import Dataset
from bnn.data.recorded import is_recorded
from bnn.data.scaling import TargetScaling
from bnn.likelihoods import Beta, Gamma, Heads, Likelihood, LogNormal, Positions, Weibull

# Of a data set's task: the tasks of likelihoods that serve it, and which to use.
_SERVED = {
    "classification": (("classification",), "bnn.likelihoods.Categorical"),
    "label_map": (("classification",), "bnn.likelihoods.Positions(Categorical())"),
    "multi_label": (("multilabel",), "bnn.likelihoods.Bernoulli"),
    "counts": (("counts",), "bnn.likelihoods.Poisson or NegativeBinomial"),
    "regression": (
        ("regression", "survival"),
        "bnn.likelihoods.Normal or HeteroscedasticNormal",
    ),
    "multiple": (("heads",), "bnn.likelihoods.Heads({…}) with a likelihood for every target"),
}
# Numbers are values unless the data say otherwise: what they say, by the likelihood's task.
_NUMBERS_OF_A_KIND = {"counts": "counts", "multilabel": "multi_label"}
_POSITIVE = (LogNormal, Gamma, Weibull, Beta)


def check_task(data: Dataset, likelihood: Likelihood) -> None:
    """Raises ValueError for a likelihood of another task, other heads or other units."""
    if data.num_test == 0 and not is_recorded(data):
        raise ValueError(
            f"data set {data.name!r} has no test part to evaluate on; hold out some examples."
        )
    if data.weights_test is not None:
        logging.getLogger("absl").warning(
            "the test examples of data set %r have weights, which metrics leave aside: every "
            "example counts 1. bnn.load_predictions has the losses of each.",
            data.name,
        )
    _check_served(f"data set {data.name!r}", data.task, likelihood)
    if not isinstance(likelihood, Heads):
        _check_target(f"data set {data.name!r}", data.scaling.targets, likelihood)
        return
    scaling = data.scaling.targets
    assert isinstance(scaling, dict)
    if set(scaling) != set(likelihood.likelihoods):
        raise ValueError(
            f"likelihood Heads must have a head for every target of data set {data.name!r}, "
            f"{sorted(scaling)}, got {sorted(likelihood.likelihoods)}; name the heads as the "
            "targets."
        )
    for name, head in likelihood.likelihoods.items():
        place = f"target {name!r} of data set {data.name!r}"
        _check_served(place, data.tasks[name], head)
        _check_target(place, scaling[name], head)


def num_targets(data: Dataset) -> Any:
    """Classes, or columns, of the targets: what likelihoods are built for; by name of several."""
    if isinstance(data.num_targets, dict):
        classes = data.num_classes or {}
        return {name: classes.get(name) or columns for name, columns in data.num_targets.items()}
    return data.num_classes or data.num_targets or 1


def check_outputs(model: keras.Model, likelihood: Likelihood) -> None:
    """Raises ValueError for a model whose outputs are not those of the heads, or carry a mask.

    A mask of the outputs holds in training, but samples for the evaluation do not carry it.
    """
    outputs = getattr(model, "output", None)  # a subclassed model has none that is known
    if outputs is None:
        return
    heads, parts = {"": likelihood}, {"": outputs}
    if isinstance(likelihood, Heads):
        heads, parts = likelihood.likelihoods, likelihood.split("outputs", outputs)
    for name, head in heads.items():
        masked = keras_mask(parts[name]) is not None
        if isinstance(head, Positions) and masked and head.ignore is None:
            raise ValueError(
                f"model {model.name!r} passes a mask to Positions, which its test metrics would "
                "not know, got ignore = None; give the padding a class of its own in the targets, "
                "and Positions(…, ignore=that class)."
            )


def output_size(model: keras.Model, num_outputs: Any) -> int:
    """Numbers that a model gives for one input: of all its outputs and their positions."""
    known = keras.tree.flatten(getattr(model, "outputs", None) or [])
    if known:
        return sum(math.prod(n or 1 for n in output.shape[1:]) for output in known)
    return sum(keras.tree.flatten(num_outputs))


def _check_served(place: str, task: str, likelihood: Likelihood) -> None:
    served, remedy = _SERVED.get(task, ((task,), "a likelihood of this task"))
    is_map = task == "label_map"
    if likelihood.task in served and isinstance(likelihood, Positions) == is_map:
        return
    positions = " by positions" if isinstance(likelihood, Positions) else ""
    kind = _NUMBERS_OF_A_KIND.get(likelihood.task) if task == "regression" else None
    says = f", or say with target_kinds that its numbers are {kind!r}" if kind else ""
    raise ValueError(
        f"likelihood {type(likelihood).__name__} is for {likelihood.task}{positions}, but "
        f"{place} is for {task}; use {remedy}{says}."
    )


def _check_target(place: str, scaling: TargetScaling | Any, likelihood: Likelihood) -> None:
    """Raises ValueError where a likelihood cannot take the targets in the set's units."""
    name = type(likelihood).__name__
    columns = 0 if scaling.loc is None else len(scaling.loc)
    if likelihood.task == "survival" and columns != 2:
        raise ValueError(
            f"likelihood {name} takes two target columns, the time and 1 for an event or 0 for a "
            f"censored time, but {place} has {columns}; add the column."
        )
    if not isinstance(likelihood, _POSITIVE):
        return
    loc, scale = (np.asarray(a, np.float64) for a in (scaling.loc, scaling.scale))
    # A unit keeps targets positive, but neither proportions in (0, 1) nor events 0 and 1.
    fixed = scale if isinstance(likelihood, Beta) else scale[1:]
    changed = isinstance(likelihood, (Beta, Weibull)) and (fixed != 1).any()
    if changed or (loc != 0).any():
        raise ValueError(
            f"likelihood {name} takes targets that are {_requirement(likelihood)}, but {place} "
            f"standardises its targets (target_loc {loc.tolist()}, target_scale "
            f"{scale.tolist()}); give a Dataset of the targets themselves, with a target_loc of "
            "zeros and a target_scale of ones."
        )


def _requirement(likelihood: Likelihood) -> str:
    if isinstance(likelihood, Weibull):
        return "a positive time and 0 or 1"
    return "strictly between 0 and 1" if isinstance(likelihood, Beta) else "positive"
