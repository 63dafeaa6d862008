"""What a report says first: what was compared, who is best, and by which test."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from bnn.diagnostics.constants import Versus, versus_constant
from bnn.diagnostics.heads import versus_of_heads
from bnn.formatting import with_unit
from bnn.report.constants import constant_in_words
from bnn.report.convergence import convergence
from bnn.report.document import Paragraph, code
from bnn.report.groups import Group
from bnn.report.numbers import show_estimate, show_number
from bnn.report.statistics import mean_and_error
from bnn.runs.prediction_file import Predictions

_MOST = 8  # models or targets in a sentence


def summary(
    data: str, groups: Sequence[Group], baseline: Group, verdicts: Mapping[str, str]
) -> Paragraph:
    """A data set in a few sentences.

    Args:
      data: its name.
      groups: the models.
      baseline: what the others were compared with.
      verdicts: of the comparisons by the negative log-likelihood, by name of the group.
    """
    count = len(groups)
    runs = sum(len(group.runs) for group in groups)
    sentences = [
        f"{code(data)}: {count} {'model' if count == 1 else 'models'}, "
        f"{runs} {'run' if runs == 1 else 'runs'}."
    ]
    means = {g.name: mean_and_error(g.repeated("nll")) for g in groups}
    finite = {name: each for name, each in means.items() if math.isfinite(each.mean)}
    unit = " of targets in their own units" if groups[0].first.task == "regression" else ""
    if finite:
        best = min(finite, key=lambda name: finite[name].mean)
        shown = (
            f"{code(best)} has the lowest mean test NLL, {show_estimate(finite[best])} nats{unit}"
        )
        if count == 1:
            sentences.append(f"Test NLL {show_estimate(finite[best])} nats{unit}.")
        elif best == baseline.name:
            sentences.append(f"{shown}. The others are compared with it: {_all(verdicts)}.")
        else:
            verdict = verdicts.get(best, "not compared")
            sentences.append(f"{shown}; against {code(baseline.name)}: {verdict}.")
            rest = {name: words for name, words in verdicts.items() if name != best}
            if rest:
                sentences.append(f"The others against it: {_all(rest)}.")
        group = next(g for g in groups if g.name == best)
        sentences += [*_coverage(group, count == 1), *_beside_constants(group, count == 1)]
    else:
        sentences.append("No model has a test NLL that is a number.")
    if count > 1 and finite:
        sentences.append(
            "The test: a paired bootstrap over test rows and a paired t interval over seeds or "
            "splits, both at 95 %."
        )
    if count > 2 and finite:
        sentences.append(
            f"Nothing is adjusted for {count - 1} comparisons, and the lowest of {count} means was "
            "found on the test data itself: choose by a validation part."
        )
    sentences += _budgets(groups)
    ended = {group.name: convergence(group) for group in groups}
    moving = {name: words for name, words in ended.items() if words.startswith("still")}
    if moving:
        said = "; ".join(f"{code(name)} {words}" for name, words in moving.items())
        sentences.append(f"Training had not ended: {said}. Verdicts on them may change.")
    unknown = sum(words.startswith("not known") for words in ended.values())
    if unknown:
        sentences.append(
            f"Whether training had ended is not known of {unknown} of {count} "
            f"{'model' if count == 1 else 'models'}: too few reports, of which a smaller "
            "`run.report_every` gives more."
        )
    flat = constant_in_words(groups)
    return Paragraph(" ".join([*sentences, flat] if flat else sentences))


def _budgets(groups: Sequence[Group]) -> list[str]:
    """Whether the models had one budget of gradients; nothing where it is not known."""
    passes = {g.name: _passes(g) for g in groups}
    known = {name: each for name, each in passes.items() if math.isfinite(each)}
    if len(known) < 2:
        return []
    least, most = min(known, key=known.__getitem__), max(known, key=known.__getitem__)
    if known[most] > 1.01 * known[least]:
        return [
            f"Budgets differ: {code(least)} took the gradients of {show_number(known[least], 3)} "
            f"passes over the training data, {code(most)} of {show_number(known[most], 3)}."
        ]
    if len(known) < len(groups):
        return []
    return [f"Each took the gradients of {show_number(known[most], 3)} passes over the data."]


def _passes(group: Group) -> float:
    """Passes over the training data of a training, in the mean; NaN where a run does not say."""
    found = [run.results.get("passes_over_the_data", math.nan) for run in group.runs]
    return sum(found) / len(found)


def _coverage(group: Group, only: bool) -> list[str]:
    """How many test targets the intervals hold, of every target; nothing where that is unknown."""
    first = group.first
    keys = {
        target: f"coverage_95/{target}" if target else "coverage_95"
        for target in first.targets or [""]
    }
    if first.task == "heads":
        keys = {n.partition("/")[0]: n for n in first.test if n.endswith("/coverage_95")}
    found = {target: mean_and_error(group.repeated(key)) for target, key in keys.items()}
    shown = [
        f"{show_estimate(each, 100.0)} % of {code(target) if target else 'the test targets'}"
        for target, each in found.items()
        if math.isfinite(each.mean)
    ]
    if not shown:
        return []
    more = f" and so on for {len(shown) - _MOST} more" if len(shown) > _MOST else ""
    whose = "Its" if only else f"Of {code(group.name)} the"
    return [f"{whose} 95 % intervals hold {', '.join(shown[:_MOST])}{more}."]


def _beside_constants(group: Group, only: bool) -> list[str]:
    """Every target of a model's first run beside the best constant.

    A single target stands there where no other model is to be compared with and no other sentence
    has it.
    """
    run = group.first
    predictions = run.predictions() if run.is_the_model else None
    if predictions is None or not predictions.losses:
        return []
    versus = _versus(run.task, run.targets, predictions)
    of = f" in run {code(run.name)}" if len(group.runs) > 1 else ""
    if "" in versus:
        shown_alone = only and versus[""].is_better
        return [f"Beside a constant{of}: {versus[''].numbers}."] if shown_alone else []
    shown = [
        f"{with_unit(code(name), run.unit(name))}: {each.numbers}"
        f"{'' if each.is_better else ', no better than a constant'}"
        for name, each in list(versus.items())[:_MOST]
    ]
    more = f"; and {len(versus) - _MOST} more" if len(versus) > _MOST else ""
    return [f"Target by target{of}, beside a constant: {'; '.join(shown)}{more}."] if shown else []


def _versus(task: str, names: Sequence[str], predictions: Predictions) -> dict[str, Versus]:
    """The comparison of every target, by its name, "" of a single one that has none."""
    targets, losses = predictions.targets, predictions.losses
    if task == "heads":
        return versus_of_heads(targets, losses)
    if task not in ("classification", "regression", "counts"):
        return {}
    found = {}
    for column, name in enumerate(names or [""]):
        end = f"/{name}" if name else ""
        own = {loss.removesuffix(end): each for loss, each in losses.items() if loss.endswith(end)}
        values = targets[:, column : column + 1] if name else targets
        found[name] = versus_constant(task, values, own)
    return {name: each for name, each in found.items() if each is not None}


def _all(verdicts: Mapping[str, str]) -> str:
    shown = [f"{code(name)} {words}" for name, words in list(verdicts.items())[:_MOST]]
    more = len(verdicts) - len(shown)
    return "; ".join(shown) + (f"; {more} more below" if more > 0 else "")
