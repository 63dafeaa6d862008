"""What a family's step costs: its time over the mean field's under the same estimator.

    python -m experiments.speed.families [--rounds=9] [--only=NAMES]

Steps of 784-400-400-10 as in `experiments.speed.peers.ours`, all in one process, in turns of some
0.2 s each; a ratio is formed within a round.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

import bnn
from bnn import posteriors as q
from experiments.records import made, read_rows, replace_rows, stamp, write_json
from experiments.speed.cases import CASES, FAST, INITIAL_SCALE
from experiments.speed.peers import ours
from experiments.study import (
    markdown,
    names_of,
    parse_options,
    positive,
    study_parser,
    write_readme,
)

_HERE = Path(__file__).parent
_SECONDS = 0.2  # of a turn
SCALE = INITIAL_SCALE
WEIGHTS = bnn.estimators.Reparameterization()
LOCAL = bnn.estimators.LocalReparameterization()
FLIPOUT = bnn.estimators.Flipout()
# Family: description, estimators that are measured, bound of the ratio.
FAMILIES: dict[str, tuple[Any, tuple, float | None]] = {
    "LowRankNormal, K = 4": (lambda: q.LowRankNormal(4, SCALE), (WEIGHTS, LOCAL, FLIPOUT), 2.0),
    "RankOne": (lambda: q.RankOne(SCALE), (WEIGHTS, LOCAL), 1.1),
    "Radial": (lambda: q.Radial(SCALE), (WEIGHTS, FLIPOUT), 1.2),
    "KTiedNormal, K = 2": (lambda: q.KTiedNormal(2, SCALE), (WEIGHTS, LOCAL, FLIPOUT), 1.05),
}


@dataclasses.dataclass(frozen=True)
class Turn:
    """A family's steps and the mean field's before them, in one round."""

    family: str  # key of `FAMILIES`
    estimator: str  # name of its class
    round: int  # number of the round
    seconds: float  # of one step
    reference: float  # of the mean field's
    parameters: int  # trained numbers


@functools.cache
def _steps(family: str | None, estimator: Any, fast: bool) -> tuple[Any, int]:
    """Compiled steps of a family, of the mean field where None, and the number of parameters."""
    posterior = FAMILIES[family][0] if family else functools.partial(q.MeanFieldNormal, SCALE)
    case = next(iter(FAST.values())) if fast else CASES["784-400-400-10"]
    run = ours._train(case, estimator, posterior, True)
    run(1)
    count = sum(int(np.prod(v.shape)) for v in ours.build_model(case, posterior).trainable_weights)
    return run, count


def measure(family: str, estimator: Any, rounds: int, fast: bool = False) -> list[Turn]:
    """Interleaved turns of a family and of the mean field."""
    pair = [_steps(name, estimator, fast) for name in (None, family)]
    begin = time.perf_counter()
    pair[0][0](50)
    count = max(1, round(50 * (0.001 if fast else _SECONDS) / (time.perf_counter() - begin)))
    turns = []
    for number in range(rounds):
        seconds = []
        for run, _ in pair:
            begin = time.perf_counter()
            run(count)
            seconds.append((time.perf_counter() - begin) / count)
        name = type(estimator).__name__
        turns.append(Turn(family, name, number, seconds[1], seconds[0], pair[1][1]))
    return turns


def table(turns: list[Turn]) -> str:
    """Median and quartiles of the ratios, beside their bounds."""
    lines = []
    for family, (_, estimators, bound) in FAMILIES.items():
        for estimator in (type(e).__name__ for e in estimators):
            held = [t for t in turns if (t.family, t.estimator) == (family, estimator)]
            if not held:
                continue
            low, median, high = np.percentile([t.seconds / t.reference for t in held], [25, 50, 75])
            verdict = "reached" if bound and median <= bound else "**not reached**"
            lines.append(
                [
                    f"`{family}`",
                    f"`{estimator}`",
                    f"{1e3 * np.median([t.seconds for t in held]):.2f}",
                    f"{median:.3f} ({low:.3f}–{high:.3f})",
                    f"≤ {bound:g} {verdict}",
                    f"{held[0].parameters:,}",
                ]
            )
    head = ["family", "estimator", "ms", "over the mean field (quartiles)", "bound", "parameters"]
    return markdown(head, lines, 2)


def main(argv: list[str] | None = None) -> int:
    """Measures, and writes `results/families.csv` and the README's table."""
    parser = study_parser(__doc__, _HERE)
    parser.add_argument("--rounds", type=positive, default=9, help="of each")
    parser.add_argument("--only", type=names_of(FAMILIES), default=list(FAMILIES), help="of these")
    options = parse_options(parser, argv)
    tf.config.threading.set_intra_op_parallelism_threads(2)
    folder = options.output / "results"
    folder.mkdir(parents=True, exist_ok=True)
    for family in () if options.report else options.only:
        for estimator in FAMILIES[family][1]:
            name = type(estimator).__name__
            turns = measure(family, estimator, options.rounds, options.fast)
            path = folder / "families.csv"
            replace_rows(path, turns, lambda t, f=family, n=name: (t.family, t.estimator) == (f, n))
            print(family, name, np.median([t.seconds / t.reference for t in turns]), flush=True)
        write_json(folder / "families.json", stamp())
    about = json.loads((folder / "families.json").read_text())
    text = f"{table(read_rows(folder / 'families.csv', Turn))}\n{made([about])}.\n"
    write_readme(_HERE / "README.md", {"families": text}, options.output)
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
