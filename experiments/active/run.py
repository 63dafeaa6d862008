"""Asks for labels by acquisition scores and at random; writes the README's tables and figure.

    python -m experiments.active.run [--sets=digits,mnist] [--seeds=0,1,2] [--workers=2] [--report]

Sets are measured in processes of their own; each leaves its numbers in `results/`.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from experiments import study
from experiments.active.learner import Learner, Settings
from experiments.active.strategies import SAMPLES, STRATEGIES
from experiments.records import built_with, made, stamp, write_json

_HERE = Path(__file__).parent
_FIGURE = "![Test accuracy by the number of labels](accuracy.png)\n"
GAINS = (8.0, 16.0, 32.0)
_CHOSEN_AT = 100  # labels
_CHOICE_SEED = 100  # of what the study itself does not see


class Plan(NamedTuple):
    """Of a set.

    Attributes:
      title: in tables.
      first: labels at the beginning, chosen at random, the same for all strategies.
      each: labels that are asked for at a time.
      rounds: of asking.
      pool: training inputs that may be asked for.
      judged: test inputs.
      settings: of the learner; the prior's gain is chosen.
    """

    title: str
    first: int
    each: int
    rounds: int
    pool: int
    judged: int
    settings: Settings

    @property
    def counts(self) -> list[int]:
        """Labels after every round."""
        return [self.first + i * self.each for i in range(self.rounds + 1)]


PLANS = {
    "digits": Plan("Digits", 20, 10, 6, 1000, 2000, Settings(50, 16.0, 400)),
    "mnist": Plan("MNIST", 20, 20, 6, 2000, 2000, Settings(100, 16.0, 400)),
}


def plans(fast: bool) -> dict[str, Plan]:
    """Of all sets; tiny ones for tests."""
    if not fast:
        return PLANS
    tiny = {"first": 10, "each": 3, "rounds": 2, "pool": 50, "judged": 50}
    return {
        name: plan._replace(**tiny, settings=Settings(5, 16.0, 5)) for name, plan in PLANS.items()
    }


def parts(name: str, plan: Plan, seed: int) -> Any:
    """The pool of this seed, the validation and the test part: inputs and labels each."""
    import bnn

    load: Any = bnn.data.digits if name == "digits" else bnn.data.mnist
    data = load(validation_fraction=0.2)
    rows = np.random.default_rng(seed).permutation(len(data.x_train))[: plan.pool]
    pool = data.x_train[rows], data.y_train[rows]
    valid = data.x_valid[: plan.judged], data.y_valid[: plan.judged]
    return pool, valid, (data.x_test[: plan.judged], data.y_test[: plan.judged])


def losses_by_gain(name: str, plan: Plan, gains: Sequence[float]) -> dict[str, float]:
    """NLL of the validation part by the prior's gain, of random labels of a pool of its own."""
    (x, y), valid, _ = parts(name, plan, _CHOICE_SEED)
    count = min(_CHOSEN_AT, len(x))
    said = {}
    for gain in gains:
        settings = plan.settings._replace(prior_gain=gain)
        learner = Learner(x.shape[1:], 10, count, settings)
        learner.begin(_CHOICE_SEED)
        learner.fit(x[:count], y[:count])
        said[str(gain)] = float(-learner.predictive(valid[0], SAMPLES).log_prob(valid[1]).mean())
    return said


def curves(
    name: str, plan: Plan, gain: float, seeds: Sequence[int]
) -> list[dict[str, list[float]]]:
    """Test accuracy by the number of labels, of every strategy, by seed."""
    every = {seed: parts(name, plan, seed) for seed in seeds}
    settings = plan.settings._replace(prior_gain=gain)
    shape = every[seeds[0]][0][0].shape[1:]
    learner = Learner(shape, 10, plan.counts[-1], settings)
    return [
        {strategy: _curve(learner, plan, every[seed], strategy, seed) for strategy in STRATEGIES}
        for seed in seeds
    ]


def _curve(learner: Learner, plan: Plan, data: Any, strategy: str, seed: int) -> list[float]:
    (x, y), _, test = data
    learner.begin(seed)
    random = np.random.default_rng([seed, 1])
    known, said = np.arange(plan.first), []
    for count in plan.counts:
        learner.fit(x[known], y[known])
        probs = learner.predictive(test[0], SAMPLES).mean
        said.append(float(np.mean(probs.argmax(axis=1) == test[1])))
        if count < plan.counts[-1]:
            rest = np.setdiff1d(np.arange(len(x)), known)
            asked = STRATEGIES[strategy](learner, x[rest], plan.each, random)
            known = np.append(known, rest[asked])
    return said


def measured(options: Any, name: str) -> dict[str, Any]:
    """Of one set, in processes of its own."""
    plan, gains = plans(options.fast)[name], GAINS[:1] if options.fast else GAINS
    away = (lambda call: call) if options.fast else study.apart
    losses, choosing = away(partial(_losses_of, plan, gains))(name)
    best = float(min(losses, key=losses.__getitem__))
    runs, asking = away(partial(_curves_of, plan, best, options.seeds))(name)
    seeds = ", ".join(map(str, options.seeds))
    now = stamp()
    about = (
        f"`python -m experiments.active.run --sets={name}`, seeds {seeds}, {made([now])}, "
        f"{built_with(now)}; {choosing + asking:.0f} s of one core."
    )
    return {"losses": losses, "gain": best, "curves": runs, "about": about}


def _losses_of(plan: Plan, gains: Sequence[float], name: str) -> tuple[dict[str, float], float]:
    begin = time.process_time()
    return losses_by_gain(name, plan, gains), time.process_time() - begin


def _curves_of(
    plan: Plan, gain: float, seeds: Sequence[int], name: str
) -> tuple[list[dict[str, list[float]]], float]:
    begin = time.process_time()
    return curves(name, plan, gain, seeds), time.process_time() - begin


def gains_table(found: dict[str, Any]) -> str:
    """Validation NLL by gain."""
    gains = list(next(iter(found.values()))["losses"])
    lines = [
        [PLANS[name].title, *(f"{one['losses'][gain]:.3f}" for gain in gains), f"{one['gain']:g}"]
        for name, one in found.items()
    ]
    head = ["set", *(f"g = {float(gain):g}" for gain in gains), "taken"]
    return study.markdown(head, lines, 1)


def accuracy_table(found: dict[str, Any], every: dict[str, Plan]) -> str:
    """At the end and on the way, as differences to random choice within a seed, too."""
    head = ["set", "labels asked for by", "at half of them", "at the end", "mean of all rounds"]
    lines = []
    for name, one in found.items():
        runs = one["curves"]
        half, last = every[name].rounds // 2, every[name].rounds
        for strategy in STRATEGIES:
            curve = 100 * np.array([run[strategy] for run in runs])
            gain = curve.mean(axis=1) - 100 * np.array([run["random"] for run in runs]).mean(axis=1)
            cells = [study.mean_error(curve[:, at], 1) for at in (half, last)]
            more = "–" if strategy == "random" else study.mean_error(gain, 1)
            cells += [study.mean_error(curve.mean(axis=1), 1), more]
            lines.append([PLANS[name].title, strategy, *cells])
    return study.markdown([*head, "less that of random"], lines, 2)


def main(argv: Sequence[str] | None = None) -> int:
    """Measures, and writes README and figure."""
    parser = study.study_parser(__doc__, _HERE)
    parser.add_argument("--seeds", type=study.parse_seeds, default=(0, 1, 2), help="such as 0,1,2")
    parser.add_argument("--sets", type=study.names_of(PLANS), default=PLANS, help="default all")
    parser.add_argument("--workers", type=study.positive, default=2, help="default 2")
    options = study.parse_options(parser, None if argv is None else list(argv))
    results = options.output / "results"
    results.mkdir(parents=True, exist_ok=True)

    def measure(name: str) -> None:
        write_json(results / f"{name}.json", measured(options, name))

    if not options.report:
        workers = 1 if options.fast else options.workers
        study.run_all(measure, options.sets, workers, lambda name, _: f"+ {name}")
    paths = {name: results / f"{name}.json" for name in PLANS}
    found = {name: json.loads(path.read_text()) for name, path in paths.items() if path.exists()}
    if not found:
        print(f"{results} holds no results; leave --report out.", file=sys.stderr)
        return 1
    from experiments.active.figures import draw_curves

    every = plans(options.fast)
    draw_curves(
        {name: one["curves"] for name, one in found.items()}, every, options.output / "accuracy.png"
    )
    about = "\n".join(f"- {one['about']}" for one in found.values())
    tables = {
        "gains": gains_table(found),
        "accuracy": f"{accuracy_table(found, every)}\n{_FIGURE}\n{about}\n",
    }
    filled = {name: f"\n{table}\n" for name, table in tables.items()}
    study.write_readme(_HERE / "README.md", filled, options.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
