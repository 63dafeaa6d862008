"""The rule that chooses a candidate, and means over splits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from experiments.study import standard_error

CHOSEN = "chosen on validation data"


class Result(NamedTuple):
    """One member's results."""

    set: str  # folder of the set
    title: str  # of the candidate, or of a rule
    split: int  # number of the split
    part: str  # "valid" or "test"
    samples: int  # weight samples of each candidate's predictive
    log_likelihood: float  # nats per example, of the target in its own units
    rmse: float  # target units
    coverage_95: float  # share of targets in the central interval of mass 0.95
    # evidence lower bound with the whole KL, nats per training example, of the standardised
    # target; None for a mixture of candidates
    elbo: float | None


class Summary(NamedTuple):
    """Means over the splits of a set, with standard errors."""

    set: str  # folder of the set
    title: str  # of the candidate, or of a rule
    splits: int  # number of splits
    samples: int  # weight samples of each candidate's test predictive
    log_likelihood: float  # test, nats per example
    log_likelihood_se: float  # its standard error over splits
    rmse: float  # test, target units
    rmse_se: float  # its standard error over splits
    coverage_95: float  # test
    # of the members to choose by; None where weights are fitted to its rows
    valid_log_likelihood: float | None
    # nats per training example, of the reported members; None for a mixture of candidates
    elbo: float | None


def chosen(results: Sequence[Result]) -> list[Result]:
    """For each split, the results of the candidate with the best validation log-likelihood.

    Each split chooses alone, by the rows held out of its own training part: other splits' training
    parts hold this split's test rows. What is reported is the candidate trained on the whole
    training part. Candidates that some set lacks are left out: the rule is the same for all sets.
    """
    everywhere = titles_of_every_set(results)
    found = []
    for name, split in sorted({(r.set, r.split) for r in results}):
        here = [r for r in results if (r.set, r.split) == (name, split) and r.title in everywhere]
        valid = [r for r in here if r.part == "valid"]
        if valid:
            best = max(valid, key=lambda r: r.log_likelihood)
            found += [r._replace(title=CHOSEN) for r in here if r.title == best.title]
    return found


def titles_of_every_set(results: Sequence[Result]) -> set[str]:
    """Candidates that all sets have: before a run has ended, sets may differ in what is done."""
    titles: dict[str, set[str]] = {}
    for r in results:
        titles.setdefault(r.set, set()).add(r.title)
    return set.intersection(*titles.values()) if titles else set()


def choices(results: Sequence[Result], name: str) -> dict[str, int]:
    """How many splits of a set chose each candidate."""
    counts: dict[str, int] = {}
    picked = {
        r.split: r.log_likelihood
        for r in results
        if r.title == CHOSEN and r.set == name and r.part == "valid"
    }
    for r in results:
        if r.set != name or r.part != "valid" or r.title == CHOSEN:
            continue
        counts[r.title] = counts.get(r.title, 0) + (r.log_likelihood == picked.get(r.split))
    return counts


def summaries(results: Sequence[Result]) -> list[Summary]:
    """One summary per set and candidate, in the order in which they first appear."""
    keys = dict.fromkeys((r.set, r.title) for r in results)
    return [
        _summary(name, title, [r for r in results if (r.set, r.title) == (name, title)])
        for name, title in keys
    ]


def _summary(name: str, title: str, results: Sequence[Result]) -> Summary:
    test = [r for r in results if r.part == "test"]
    valid = [r.log_likelihood for r in results if r.part == "valid"]
    elbo = [r.elbo for r in test if r.elbo is not None]
    log_likelihood, log_likelihood_se = _mean(r.log_likelihood for r in test)
    rmse, rmse_se = _mean(r.rmse for r in test)
    return Summary(
        name,
        title,
        len(test),
        test[0].samples,
        log_likelihood,
        log_likelihood_se,
        rmse,
        rmse_se,
        _mean(r.coverage_95 for r in test)[0],
        _mean(valid)[0] if valid else None,
        _mean(elbo)[0] if elbo else None,
    )


def _mean(values: Iterable[float]) -> tuple[float, float]:
    """Mean and its standard error; 0 for one value."""
    array = np.array(list(values), np.float64)
    return float(array.mean()), standard_error(array) if len(array) > 1 else 0.0
