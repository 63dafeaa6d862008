"""What is shown and compared of each task: one entry a task, in the order of a report."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from bnn.report.statistics import MEAN, ROOT, Transform


class Column(NamedTuple):
    """A metric in a table.

    Attributes:
      name: in the results.
      heading: of the column.
      factor: of what is shown.
      distance: of a value from the best there can be, of which the smallest is marked; None where
        none is better by itself.
      power: of the target's unit, in which the metric is.
    """

    name: str
    heading: str
    factor: float = 1.0
    distance: Callable[[float], float] | None = float
    power: int = 0


class Loss(NamedTuple):
    """What is compared; lower is better.

    Attributes:
      metric: its name in the results.
      loss: of an example, whose mean it is made of; "" where it is no mean.
      heading: for tables.
      factor: of what is shown.
      transform: of the mean loss.
      power: of the target's unit, in which the metric is.
    """

    metric: str
    loss: str
    heading: str
    factor: float = 1.0
    transform: Transform = MEAN
    power: int = 0


class Risk(NamedTuple):
    """What risk-coverage curves show.

    Attributes:
      score: by which examples are answered, surest first.
      by: the score in words.
      loss: whose mean over the answered is the risk.
      label: the risk in words.
      unit: of the risk, in words that hold for every target.
      power: of the target's unit, which takes the place of these where it is known.
    """

    score: str
    by: str
    loss: str
    label: str
    unit: str = "fraction"
    power: int = 0


class Task(NamedTuple):
    """What a report shows of a task.

    Attributes:
      quality: how good the predictions are.
      calibration: how far they can be trusted.
      note: what the calibration's columns are.
      losses: what two models are compared by.
      each: the metric that is of each of several targets, `<each>/<target>`; "" for none.
      risk: of the risk-coverage curves; None for none.
    """

    quality: tuple[Column, ...]
    calibration: tuple[Column, ...] = ()
    note: str = ""
    losses: tuple[Loss, ...] = ()
    each: str = ""
    risk: Risk | None = None


# Of all targets of an example together; every other metric of several targets is of one of them.
JOINT = ("exact_match", "joint_nll", "log_likelihood", "nll", "nll_limit")

_NLL = Column("nll", "NLL, nats")
_LOG_LIKELIHOOD = Column("log_likelihood", "log-likelihood, nats", distance=operator.neg)
_QUANTILES = Column("quantile_calibration_error", "quantile calibration error")
_NLL_LOSS = Loss("nll", "nll", "NLL, nats")
_SQUARED = Risk(
    "predictive_std",
    "predictive standard deviation",
    "squared_error",
    "Squared error among the answered",
    "target units²",
    power=2,
)
_REGRESSION = Task(
    quality=(
        _LOG_LIKELIHOOD,
        Column("nll_limit", "log-likelihood at S → ∞", -1.0),
        Column("rmse", "RMSE", power=1),
        Column("crps", "CRPS", power=1),
    ),
    calibration=(
        Column("coverage_95", "coverage of 95 %, %", 100.0, lambda share: abs(share - 0.95)),
        Column("coverage_50", "coverage of 50 %, %", 100.0, lambda share: abs(share - 0.5)),
        Column("interval_score_95", "interval score 95 %", power=1),
        _QUANTILES,
        Column("sharpness", "sharpness", distance=None, power=1),
    ),
    note=(
        "Coverage is the share of targets within their central intervals. The quantile "
        "calibration error is the mean gap between the level of a quantile and the share of "
        "targets below it; sharpness the root mean predictive variance. Interval score, "
        "CRPS, RMSE and sharpness are in the unit of the target, of which the log-likelihood is a "
        "density."
    ),
    losses=(
        _NLL_LOSS,
        Loss("rmse", "squared_error", "RMSE", 1.0, ROOT, 1),
        Loss("crps", "crps", "CRPS", power=1),
    ),
    each="rmse",
    risk=_SQUARED,
)
TASKS: dict[str, Task] = {
    "classification": Task(
        quality=(
            Column("error", "error, %", 100.0),
            _NLL,
            Column("nll_limit", "NLL at S → ∞"),
            Column("joint_nll", "joint NLL of all positions, nats"),
            Column("brier", "Brier"),
        ),
        calibration=(
            Column("ece", "ECE"),
            Column("ece_equal_mass", "ECE, equal mass"),
            Column("ece_classwise", "classwise ECE"),
            Column("ece_adaptive", "adaptive ECE"),
            Column("aurc", "AURC × 1000", 1000.0),
        ),
        note=(
            "Calibration errors are of 15 bins; classwise and adaptive ones are means over "
            "classes, in bins of equal width and of equal mass. AURC is the area under the "
            "risk-coverage curve, of the error by the maximum probability."
        ),
        losses=(
            _NLL_LOSS,
            Loss("error", "error", "error, %", 100.0),
            Loss("brier", "brier", "Brier"),
            Loss("ece", "", "ECE"),
        ),
        risk=Risk(
            "max_probability",
            "maximum probability",
            "error",
            "Error among the answered",
        ),
    ),
    "regression": _REGRESSION,
    "counts": _REGRESSION._replace(
        note=(
            "Coverage and quantile calibration error are of the randomised transform, which is "
            "uniform for a calibrated model of counts. CRPS, RMSE and sharpness are in counts."
        ),
    ),
    "multilabel": Task(
        quality=(
            Column("exact_match", "every label right, %", 100.0, operator.neg),
            _NLL,
            Column("error", "error, %", 100.0),
            Column("brier", "Brier"),
        ),
        calibration=(Column("ece", "ECE"),),
        note=(
            "The NLL is that of all labels of an example jointly. ECE is of the outcome that is "
            "thought more probable, in 15 bins."
        ),
        losses=(
            _NLL_LOSS,
            Loss("error", "error", "error, %", 100.0),
            Loss("brier", "brier", "Brier"),
        ),
        each="error",
        risk=Risk("entropy", "entropy", "error", "Error among the answered"),
    ),
    "survival": Task(
        quality=(
            _LOG_LIKELIHOOD,
            Column("crps", "CRPS", power=1),
            Column("concordance", "concordance", distance=operator.neg),
        ),
        calibration=(_QUANTILES, Column("events", "events, %", 100.0, None)),
        note=(
            "The log-likelihood of a censored time is that of being later; the calibration error "
            "takes a uniform point of what remains for it. CRPS is in the unit of time."
        ),
        losses=(_NLL_LOSS, Loss("crps", "crps", "CRPS", power=1)),
        risk=Risk(
            "predictive_std",
            "predictive standard deviation",
            "crps",
            "CRPS among the answered",
            "unit of time",
            power=1,
        ),
    ),
}


def task_of(name: str, test: Mapping[str, float]) -> Task:
    """The entry of a task; of heads, and of tasks from elsewhere, one made of their metrics.

    Args:
      name: as results have it.
      test: the test metrics of a run; those of a head are `<head>/<metric>`.
    """
    if name in TASKS:
        return TASKS[name]
    quality, calibration = [_NLL] if "nll" in test else [], []
    for metric in test:
        head, _, base = metric.rpartition("/")
        if not head and (name == "heads" or metric in ("nll", "log_likelihood")):
            continue
        known = _column(base, [task.quality for task in TASKS.values()])
        trusted = _column(base, [task.calibration for task in TASKS.values()])
        where = f", {head}" if head else ""
        if known is not None:
            quality.append(known._replace(name=metric, heading=known.heading + where))
        elif trusted is not None:
            calibration.append(trusted._replace(name=metric, heading=trusted.heading + where))
        elif not head:
            quality.append(Column(metric, metric, distance=None))
    return Task(tuple(quality), tuple(calibration), losses=(_NLL_LOSS,) if "nll" in test else ())


def _column(name: str, tables: Sequence[Sequence[Column]]) -> Column | None:
    """The first column of that metric."""
    return next((c for table in tables for c in table if c.name == name), None)
