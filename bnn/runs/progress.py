"""The metrics of a run while it trains."""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from bnn.data import Dataset, nests
from bnn.evaluation import headline
from bnn.runs.session import Session

# Training examples that stand in for a validation part where there is none.
_TRAIN_SUBSET = 1000
# Weight samples of the metrics while training; the final ones use `num_predict_samples`.
_REPORT_SAMPLES = 8


def progress_metrics(session: Session) -> dict[str, float]:
    """A few metrics of the validation part, `valid_…`, or of some training examples."""
    data, likelihood = session.data, session.problem.likelihood
    part = "valid" if data.num_valid else "train"
    inputs, targets = _some(data, part)
    samples = session.method.predict(inputs, _REPORT_SAMPLES, session.problem.seed)
    finite = all(bool(tf.reduce_all(tf.math.is_finite(s))) for s in tf.nest.flatten(samples))
    shown = samples if finite else tf.nest.map_structure(tf.zeros_like, samples)
    values = headline(likelihood, shown, targets, data)
    if not finite:  # the loss, where it follows, says at which step and site
        values = dict.fromkeys(values, math.nan)
    if part == "valid":
        return {f"valid_{name}": value for name, value in values.items()}
    del values["nll"]  # the name of the objective's own term, which is there already
    return values


def _some(data: Dataset, part: str) -> tuple[Any, Any]:
    """The first examples of a part; of a training part that is streamed they are read."""
    if part == "train" and data.train_source is not None:
        rows = np.arange(min(_TRAIN_SUBSET, data.num_train))
        found = data.train_source.take(rows)
        return found.inputs, found.targets
    first = operator.itemgetter(slice(_TRAIN_SUBSET))
    inputs, targets = (nests.mapped(first, nest) for nest in data.part(part))
    return inputs, targets


def probe_metrics(session: Session, step: int) -> dict[str, float]:
    """What the probe measures at the report after `step` steps, if it is its turn."""
    report = session.plan.report_number(step)  # not a count, which resuming would break
    if session.probe is None or not session.probe.due(report):
        return {}
    batch = session.batches.at(step)
    return session.probe.measure(session.method, session.groups(), batch, step)  # type: ignore[arg-type]


def score(session: Session, values: Mapping[str, float]) -> float:
    """What the best checkpoint has the least of, nats per example.

    The validation part's NLL; without one the training's negative ELBO with the whole KL, which
    a KL weight that rises does not shift, or the loss of a method that has none.
    """
    if "valid_nll" in values:
        return values["valid_nll"]
    if "nll" in values and "kl" in values:
        return values["nll"] + values["kl"] / session.data.num_train
    return values["loss"]
