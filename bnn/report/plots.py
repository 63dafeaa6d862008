"""The figures of a data set that show several models at once."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from bnn import figures, metrics
from bnn.formatting import with_unit
from bnn.report.derived import components, log_likelihoods
from bnn.report.document import Figure
from bnn.report.figure_files import figure_file
from bnn.report.groups import Group
from bnn.report.runs import Run

# Characters of a legend's entry that fit beside its line.
_LONGEST = 60
_APART = (
    "Training NLL, loss and ELBO are of standardised targets, the validation NLL and the test "
    "metrics of targets in their own units: the two are not to be compared."
)
_COVERAGES = np.linspace(0.005, 1.0, 200)


def _chunks(groups: Sequence[Group]) -> Iterator[tuple[str, Sequence[Group]]]:
    """At most as many groups as can be told apart, and what to add to names and captions."""
    most = figures.MAX_SERIES
    parts = [groups[i : i + most] for i in range(0, len(groups), most)]
    for number, part in enumerate(parts, start=1):
        yield (f"{number}" if len(parts) > 1 else "", part)


def drawn(draw: Callable[[Path], str], path: Path, run: Run) -> str:
    """What `draw` says of the figure, or "": data that cannot be drawn costs its figure alone."""
    try:
        return draw(path)
    except (ValueError, KeyError, IndexError) as damage:
        path.unlink(missing_ok=True)
        run.note(f"{run.path}: the figure {path.stem} cannot be drawn ({damage}); left out.")
        return ""


def joint_figures(data: str, groups: Sequence[Group], folder: Path) -> list[Figure]:
    """Draws learning curves, risk-coverage, NLL by samples and calibration of quantiles.

    Args:
      data: name of the data set.
      groups: of one data set, those whose metrics are the model's.
      folder: of the figures.
    """
    found = []
    for kind, draw, target in _kinds(groups):
        for part, members in _chunks(groups):
            words = [word for word in (data, kind, target, part) if word]
            file = figure_file(folder, *words)
            caption = drawn(functools.partial(draw, members), folder / file, members[0].first)
            if caption:
                about = f"{data}, {target}" if target else data
                found.append(Figure(file, f"{about}: {caption}"))
    return found


def _kinds(groups: Sequence[Group]) -> list[tuple[str, Callable[..., str], str]]:
    """Name, function and target of every figure; those with a unit are of one target each."""
    targets = list(dict.fromkeys(t for group in groups for t in group.first.targets)) or [""]
    return [
        ("learning", _learning, ""),
        *[("risk_coverage", functools.partial(_risk_coverage, target=t), t) for t in targets],
        ("nll_by_samples", _nll_by_samples, ""),
        *[("quantiles", functools.partial(_quantiles, target=t), t) for t in targets],
    ]


def legends(groups: Sequence[Group]) -> list[str]:
    """The groups' names, unique and short enough for a legend."""
    names = [
        name if len(name) <= _LONGEST else f"{name[: _LONGEST // 2]}…{name[-_LONGEST // 2 :]}"
        for name in (group.name for group in groups)
    ]
    repeated = len(set(names)) < len(names)
    return [f"{i}: {name}" for i, name in enumerate(names, 1)] if repeated else names


def _learning(groups: Sequence[Group], path: Path) -> str:
    shown = {}
    for name, group in zip(legends(groups), groups, strict=True):
        records = [_terms(run) for run in group.runs if _has_learned(run)]
        if records:
            shown[name] = records
    if not shown:
        return ""
    apart = any(run.standardized for group in groups for run in group.runs)
    figures.learning_curves(shown, path, standardized=apart)
    said = (
        "learning curves, mean of the runs and range from the smallest to the largest. Accuracy, "
        "RMSE and validation NLL are those of the few weight samples that a run takes for a "
        "report; the training NLL and the loss are the objective's own. The ELBO has the whole KL, "
        "whatever its weight."
    )
    return f"{said} {_APART}" if apart else said


def _terms(run: Run) -> list[dict[str, float | None]]:
    """The records with the bound of those that have one; what points have is no KL."""
    count = run.results.get("num_train", 0)
    found = []
    for record in run.records:
        nll, kl = record.get("nll"), record.get("kl")
        if not run.has_kl:
            record = {n: v for n, v in record.items() if n != "kl"} | {"neg_log_prior": kl}
        elif nll is not None and kl is not None and count:
            record = {**record, "elbo": -nll - kl / count}
        found.append(record)
    return found


def _has_learned(run: Run) -> bool:
    """Whether a run recorded a loss that is a number; one that diverged at once has not."""
    values = (record.get("nll") for record in run.records)
    return any(value is not None and np.isfinite(value) for value in values)


def _risk_coverage(groups: Sequence[Group], path: Path, target: str = "") -> str:
    risk = groups[0].first.shown.risk
    if risk is None:
        return ""
    ending = f"/{target}" if target else ""
    score, loss = f"{risk.score}{ending}", f"{risk.loss}{ending}"
    curves = {}
    for name, group in zip(legends(groups), groups, strict=True):
        risks = []
        for run in group.runs:
            predictions = run.predictions()
            if predictions is not None:
                curve = metrics.risk_coverage(predictions.scores[score], predictions.losses[loss])
                risks.append(np.interp(_COVERAGES, curve.coverage, curve.risk))
        if risks:
            curves[name] = (_COVERAGES, np.mean(risks, axis=0))
    if not curves:
        return ""
    in_words = f"{risk.label} ({risk.unit})"
    unit = groups[0].first.unit(target) if risk.power else ""
    label = with_unit(risk.label, unit, risk.power) if unit else in_words
    figures.risk_coverage_curves(curves, path, risk_label=label)
    return (
        f"risk against coverage, mean over the runs ({_samples(groups)}). Examples are answered in "
        f"the order of their {risk.by}, surest first; a curve that rises to the right means that "
        "the model knows where it errs."
    )


def _nll_by_samples(groups: Sequence[Group], path: Path) -> str:
    curves = {}
    for name, group in zip(legends(groups), groups, strict=True):
        found = []
        for run in group.runs:
            predictions = run.predictions()
            if predictions is not None and predictions.has_samples and run.num_samples > 1:
                found.append(metrics.nll_by_num_samples(log_likelihoods(predictions)))
        if found:
            limits = np.array([curve.limit for curve in found])
            errors = np.array([curve.limit_error for curve in found])
            curves[name] = (
                found[0].num_samples,
                np.mean([curve.nll for curve in found], axis=0),
                float(np.mean(limits)),
                float(np.sqrt(np.sum(errors**2)) / len(errors)),
            )
    if not curves:
        return ""
    figures.sample_size_curves(curves, path)
    return (
        "test NLL against the number of weight samples, mean over the runs, and its limit by the "
        "jackknife with a 95 % interval over draws of the weights (dotted lines). One sample is "
        "not the model: the curve shows what the other samples are worth."
    )


def _quantiles(groups: Sequence[Group], path: Path, target: str = "") -> str:
    if groups[0].first.task != "regression":
        return ""
    transforms, sizes = {}, []
    for name, group in zip(legends(groups), groups, strict=True):
        found = []
        for run in group.runs:
            predictions = run.predictions()
            if predictions is not None and predictions.has_samples:
                transform = metrics.mixture_cdf(*components(predictions), predictions.targets)
                found.append(transform[:, run.targets.index(target) if target else 0])
        if found:
            transforms[name] = np.concatenate(found)
            sizes.append(len(found[0]))
    if not transforms:
        return ""
    figures.quantile_calibration(transforms, path, num_targets=min(sizes))
    return (
        f"calibration of the predictive quantiles, all runs together ({_samples(groups)}). Left: "
        "share of targets below each quantile. Right: histogram of the predictive CDF at the "
        "targets; a U means too sure, a hump not sure enough. The grey bands are for the "
        f"{min(sizes):,} targets of one run."
    )


def _samples(groups: Sequence[Group]) -> str:
    counts = sorted({group.first.num_functions for group in groups})
    return f"S = {', '.join(map(str, counts))}"
