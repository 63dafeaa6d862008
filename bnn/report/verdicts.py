"""What a paired comparison allows to say."""

from __future__ import annotations

from bnn.report.statistics import Difference


def verdict(examples: Difference | None, runs: Difference | None, repetitions: str) -> str:
    """The comparison in words.

    Two things vary: which examples were tested on, and how training came out. A difference that
    holds over both is one of the methods; over test examples alone it may be one of these trained
    models only, over runs alone it may be one of this test set only.

    Args:
      examples: interval over test examples, or None.
      runs: interval over seeds or splits, or None.
      repetitions: what the runs differ by: "seeds" or "splits".
    """
    if examples is None and runs is None:
        return "not compared"
    word = {-1: "better", 1: "worse", 0: ""}
    if runs is None:
        assert examples is not None
        if not examples.sign:
            return f"no difference shown; one pair of runs says nothing of other {repetitions}"
        return f"{word[examples.sign]} in this pair of runs; it says nothing of other {repetitions}"
    count = f"{runs.number} {repetitions}"
    if examples is None:
        return f"{word[runs.sign]} over {count}" if runs.sign else f"no difference over {count}"
    if examples.sign and examples.sign == runs.sign:
        return f"{word[runs.sign]}: over test examples and over {count}"
    if examples.sign and not runs.sign:
        return f"{word[examples.sign]} for these trained models, not shown to last over {count}"
    if runs.sign and not examples.sign:
        return f"{word[runs.sign]} over {count}, within the chance of this test set"
    if examples.sign:
        return f"undecided: test examples and {repetitions} disagree"
    return "no difference shown"


def verdict_of_not_finite(first: int, second: int, pairs: int) -> str:
    """The comparison in words where a metric is infinite or NaN: who has such a run loses.

    Args:
      first: runs of the baseline where it is.
      second: runs of the other model where it is.
      pairs: all pairs of runs.
    """
    of = "of one run" if pairs == 1 else f"of {pairs} runs"
    if first and second:
        return f"undecided: not finite in {second} {of}, the baseline's in {first}"
    if second:
        return f"worse: not finite in {second} {of}"
    return f"better: the baseline's is not finite in {first} {of}"
