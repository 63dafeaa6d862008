"""From samples to medians, quartiles, paired ratios and the verdict on each bound."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence

from experiments.speed.session import OURS, Sample

Key = tuple[str, str, str]  # case, peer, estimator


@dataclasses.dataclass(frozen=True)
class Quartiles:
    """Median and quartiles of a quantity over the rounds."""

    lower: float
    median: float
    upper: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Quartiles:
        """Of at least one value."""
        if len(values) == 1:
            return cls(values[0], values[0], values[0])
        return cls(*statistics.quantiles(values, n=4, method="inclusive"))

    def show(self, scale: float = 1.0) -> str:
        """Such as `1.23 (1.20–1.30)`."""
        lower, median, upper = (f"{scale * x:#.3g}".rstrip(".") for x in dataclasses.astuple(self))
        return f"{median} ({lower}–{upper})"


@dataclasses.dataclass(frozen=True)
class Best:
    """The best form of a peer's estimator: its name, and seconds per step by round."""

    form: str  # of the variant's name
    rounds: Mapping[int, float]  # round to seconds
    # median of the processor time of a step, seconds; NaN where not measured
    processor: float = math.nan

    @property
    def time(self) -> Quartiles:
        """Seconds of a step."""
        return Quartiles.of(list(self.rounds.values()))

    def ratio_to(self, other: Best) -> Quartiles:
        """Of ours (self) to another's, round by round."""
        common = sorted(self.rounds.keys() & other.rounds.keys())
        return Quartiles.of([self.rounds[i] / other.rounds[i] for i in common])


def best_forms(samples: Sequence[Sample]) -> dict[Key, Best]:
    """The form with the smallest median of each case, peer and estimator."""
    forms: dict[Key, dict[str, list[Sample]]] = defaultdict(lambda: defaultdict(list))
    for s in samples:
        forms[s.case, s.peer, s.estimator][s.form].append(s)
    return {
        key: min((_form(name, of) for name, of in by.items()), key=lambda b: b.time.median)
        for key, by in forms.items()
    }


def _form(name: str, samples: Sequence[Sample]) -> Best:
    processor = statistics.median(s.processor_seconds for s in samples)
    return Best(name, {s.round: s.seconds for s in samples}, processor)


@dataclasses.dataclass(frozen=True)
class Bound:
    """What ours may cost at most."""

    case: str  # of the samples
    estimators: tuple[str, ...]  # ours, each compared with the same of the other
    # a peer; `best` for the fastest that has the estimator; `every` for all of them; or one of our
    # own estimators, such as `deterministic`
    other: str
    limit: float  # of the median of the ratios ours / other


ALL, _STEPS = ("reparameterization", "lrt", "flipout"), {"deterministic": "our deterministic step"}
BOUNDS = (
    Bound("784-400-400-10", ALL, "tfp.layers", 0.45),
    Bound("784-400-400-10", ("reparameterization",), "NumPyro", 0.65),
    Bound("784-400-400-10", ("reparameterization", "lrt"), "JAX by hand", 0.95),
    Bound("784-400-400-10", ("reparameterization",), "deterministic", 2.2),
    Bound("13-50-1", ALL, "every", 0.5),
    Bound("LeNet-5", ALL, "best", 0.7),
    Bound("ResNet-8", ALL, "best", 0.7),
    Bound("784-400-400-10", ("prediction",), "tfp.layers", 0.6),
    Bound("784-400-400-10", ("prediction",), "NumPyro", 1.0),
    Bound("784-400-400-10", tuple(f"fit {name}" for name in ALL), "fit deterministic", 2.2),
    Bound("784-400-400-10", ("fit WeightSpace",), "fit reparameterization", 1.15),
)


@dataclasses.dataclass(frozen=True)
class Verdict:
    """One ratio held to its bound."""

    case: str
    estimator: str
    other: str
    limit: float
    ratio: Quartiles

    @property
    def reached(self) -> bool:
        """Whether the median keeps the bound."""
        return self.ratio.median <= self.limit


def verdicts(best: Mapping[Key, Best], bounds: Sequence[Bound] = BOUNDS) -> list[Verdict]:
    """Every bound for which both sides were measured."""
    found = []
    for bound in bounds:
        for estimator in bound.estimators:
            ours = best.get((bound.case, OURS, estimator))
            if ours is None:
                continue
            for name, other in _others(best, bound, estimator):
                ratio = ours.ratio_to(other)
                found.append(Verdict(bound.case, estimator, name, bound.limit, ratio))
    return found


def _others(best: Mapping[Key, Best], bound: Bound, estimator: str) -> list[tuple[str, Best]]:
    if other := best.get((bound.case, OURS, bound.other)):
        return [(_STEPS.get(bound.other, bound.other), other)]
    having = {
        peer: value
        for (case, peer, name), value in best.items()
        if case == bound.case and name == estimator and peer != OURS
    }
    if bound.other == "every":
        return list(having.items())
    if bound.other == "best":
        peer = min(having, key=lambda p: having[p].time.median, default=None)
        return [(peer, having[peer])] if peer else []
    return [(bound.other, having[bound.other])] if bound.other in having else []
