"""The study's tables in Markdown, and the README around them."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from experiments.records import listed, read_rows, write_text
from experiments.speed.cases import CASES, FAST, Case
from experiments.speed.figure import draw_ratios
from experiments.speed.overhead import Interval
from experiments.speed.session import OURS, Sample
from experiments.speed.startup import Start
from experiments.speed.summary import ALL, Best, Key, Quartiles, best_forms, verdicts
from experiments.study import markdown, write_readme

PRODUCT_FLOPS = 2 * 1024**3
COPY_BYTES = 2 * 2**26  # read and written
RUN_BOUND, START_BOUND = 1.05, 1.3


def write_report(readme: Path, output: Path) -> None:
    """Writes the README, and `tables.md` and `ratios.png` of the results of a folder."""
    folder = output / "results"
    found, best = parts(folder, json.loads((folder / "about.json").read_text()))
    if any(peer not in (OURS, "machine") for _, peer, _ in best):
        draw_ratios(folder / "ratios.png", best)
    write_text(folder / "tables.md", "\n".join(found.values()))
    write_readme(readme, found, output)


def parts(folder: Path, about: Mapping) -> tuple[dict[str, str], Mapping[Key, Best]]:
    """The parts of the README, and the best form of each peer and estimator."""
    best = best_forms(read_rows(folder / "steps.csv", Sample))
    starts = read_rows(folder / "starts.csv", Start)
    intervals = read_rows(folder / "run.csv", Interval)
    found = {
        "bounds": bounds_table(best, starts, intervals),
        "steps": steps_table(best),
        "floor": floor_table(best),
        "starts": starts_table(starts),
        "run": run_text(intervals, about),
        "about": about_text(about),
    }
    return found, best


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    return markdown(head, lines, compact=True)


def bounds_table(
    best: Mapping[Key, Best], starts: Sequence[Start], intervals: Sequence[Interval]
) -> str:
    """Every bound with the ratio that was measured."""

    def row(case: str, what: str, other: str, limit: float, ratio: Quartiles) -> list[str]:
        verdict = "reached" if ratio.median <= limit else "**not reached**"
        return [case, what, other, f"≤ {limit:g}", ratio.show(), verdict]

    rows = [row(v.case, v.estimator, v.other, v.limit, v.ratio) for v in verdicts(best)]
    first = by_round(starts, "first step")
    if OURS in first and "tfp.layers" in first:
        ratio = Best("", first[OURS]).ratio_to(Best("", first["tfp.layers"]))
        rows.append(row("784-400-400-10", "first step", "tfp.layers", START_BOUND, ratio))
    if intervals:
        ratio = Quartiles.of([i.run_seconds / i.bare_seconds for i in intervals])
        rows.append(row(intervals[0].case, "whole run", "its bare steps", RUN_BOUND, ratio))
    columns = ("case", "what", "other", "bound", "ours / other (quartiles)", "")
    return _table(columns, rows)


def steps_table(best: Mapping[Key, Best]) -> str:
    """Milliseconds of every step and prediction, and the ratio of ours to each."""
    rows = []
    for (case, peer, estimator), value in best.items():
        if peer == "machine":
            continue
        ours = best.get((case, OURS, estimator.split()[0]))
        ratio = quick = processor = "–"
        if ours and ours is not value:
            ratio = ours.ratio_to(value).show()
            quick = f"{min(ours.rounds.values()) / min(value.rounds.values()):.2f}"
            share = ours.processor / value.processor
            processor = "–" if math.isnan(share) else f"{share:.2f}"
        shown = value.time.show(1e3)
        rows.append([case, estimator, peer, value.form, shown, ratio, quick, processor])
    order = {name: i for i, name in enumerate((*CASES, *FAST))}
    rows.sort(key=lambda r: (order[r[0]], r[1]))  # stable: peers stay in the order of the session
    columns = ("case", "estimator", "library", "form", "ms (quartiles)", "ours / it (quartiles)")
    return _table((*columns, "quickest rounds", "processor time"), rows)


def floor_table(best: Mapping[Key, Best]) -> str:
    """What the machine would need for the step's products and traffic, and the multiple of it."""
    rows = []
    cases: dict[str, Case] = {**CASES, **FAST}
    for (name, peer, estimator), value in best.items():
        if peer != OURS or estimator not in ("deterministic", *ALL, "prediction"):
            continue
        product, copy = (best.get((name, "machine", what)) for what in ("product", "copy"))
        if product is None or copy is None:
            continue
        # The quickest round: a floor must not rise because the machine was busy.
        rate = PRODUCT_FLOPS / min(product.rounds.values())
        bandwidth = COPY_BYTES / min(copy.rounds.values())
        flops, moved = cases[name].flops(estimator), cases[name].bytes(estimator)
        floor = flops / rate + moved / bandwidth
        rows.append(
            [
                name,
                estimator,
                f"{flops / 1e6:,.4g}",
                f"{moved / 1e6:,.4g}",
                f"{rate / 1e9:.0f}",
                f"{bandwidth / 1e9:.1f}",
                f"{1e3 * flops / rate:.4g} + {1e3 * moved / bandwidth:.3g}",
                f"{value.time.median / floor:.1f}",
                f"{min(value.rounds.values()) / floor:.1f}",
            ]
        )
    columns = ("case", "estimator", "Mflop", "MB", "Gflop/s", "GB/s", "floor, ms")
    return _table((*columns, "median step / floor", "quickest / floor"), rows)


def by_round(starts: Sequence[Start], what: str) -> dict[str, dict[int, float]]:
    """Seconds by peer and round."""
    found: dict[str, dict[int, float]] = defaultdict(dict)
    for start in starts:
        if start.what == what:
            found[start.peer][start.round] = start.seconds
    return found


def starts_table(starts: Sequence[Start]) -> str:
    """Seconds from the start of a process, and its peak memory."""
    rows = []
    for what in dict.fromkeys(s.what for s in starts):
        rounds = by_round(starts, what)
        for peer, seconds in rounds.items():
            value, ratio = Best("", seconds), "–"
            if peer != OURS and OURS in rounds:
                ratio = Best("", rounds[OURS]).ratio_to(value).show()
            peak = max(s.peak_bytes for s in starts if s.what == what and s.peer == peer)
            memory = f"{peak / 2**20:,.0f}" if peak else "–"
            shown = peer if what == "first step" else "–"
            rows.append([what, shown, value.time.show(), ratio, memory])
    return _table(("what", "library", "s (quartiles)", "ours / it (quartiles)", "peak MiB"), rows)


def run_text(intervals: Sequence[Interval], about: Mapping) -> str:
    """The whole run beside its bare steps."""
    if not intervals:
        return "Not measured.\n"
    run, bare = (
        Quartiles.of([getattr(i, name) for i in intervals])
        for name in ("run_seconds", "bare_seconds")
    )
    ratio = Quartiles.of([i.run_seconds / i.bare_seconds for i in intervals])
    parts = ", ".join(f"{name} {value:.1f} s" for name, value in about["run"]["parts"].items())
    return (
        f"`python -m bnn.run --gin_file=gin_configs/{about['run']['gin_file']}`, reports, "
        f"checkpoints and tracker included, a step of {run.show(1e3)} ms; bare loop "
        f"{bare.show(1e3)} ms; ratio in pairs {ratio.show()} over {len(intervals)} intervals of "
        f"{intervals[0].steps} steps. Beside the steps: {parts}.\n"
    )


def about_text(about: Mapping) -> str:
    """When, with what, and what failed."""
    lines = [f"{about['cores']} CPU cores; {listed(about['versions'])}.", ""]
    for part, facts in about.items():
        if isinstance(facts, dict) and "date" in facts:
            shown = f"- {part}: {facts['date']}, revision {facts['revision']}"
            shown += f", {facts['rounds']} rounds, load {facts['load']}."
            for which, why in facts.get("failed", {}).items():
                shown += f" Could not be measured: {which} ({why})."
            lines.append(shown)
    return "\n".join(lines) + "\n"
