"""Finished runs, read from their folders."""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bnn.formatting import is_number
from bnn.report.bindings import ESTIMATOR, parse_bindings, short_value
from bnn.report.derived import derived_metrics
from bnn.report.results_file import read_results
from bnn.report.tasks import Task, task_of
from bnn.report.tuning import was_stopped
from bnn.runs.prediction_file import Predictions, load_predictions
from bnn.tracking import read_jsonl


@dataclasses.dataclass(frozen=True, eq=False)
class Run:
    """A finished run.

    Attributes:
      path: its folder.
      results: what `results.json` holds.
      bindings: the gin bindings of `config.gin`.
      label: what its sweep calls the choice; "" where it has no name.
      faults: a line for each part of the folder that could not be read so far.
    """

    path: Path
    results: Mapping[str, Any]
    bindings: Mapping[str, str]
    label: str = ""
    faults: list[str] = dataclasses.field(default_factory=list)

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.name

    @property
    def data(self) -> str:
        """The data set's name."""
        return self.results["data"]

    @property
    def test(self) -> Mapping[str, float]:
        """The test metrics of the results."""
        return self.results["test"]

    @property
    def task(self) -> str:
        """Of the likelihood: as the results say, else what their metrics are of."""
        if self.results.get("task"):
            return self.results["task"]
        regression = any(name.partition("/")[0] == "rmse" for name in self.test)
        return "regression" if regression else "classification"

    @property
    def shown(self) -> Task:
        """What a report shows of the task."""
        return task_of(self.task, self.test)

    @property
    def targets(self) -> list[str]:
        """Names of the targets where there are several: metrics of each are by its name."""
        each = self.shown.each
        return [n.partition("/")[2] for n in self.test if each and n.startswith(f"{each}/")]

    def unit(self, target: str = "") -> str:
        """Of a target, or of a head; of the only one for "". "" where the source did not say."""
        units = self.results.get("target_units", {})
        if target or self.targets or len(units) != 1:
            return units.get(target, "")
        return next(iter(units.values()))

    @property
    def standardized(self) -> bool:
        """Whether the objective saw standardised targets; every regression of older runs did."""
        return self.results.get("standardized_targets", self.task == "regression")

    @property
    def num_samples(self) -> int:
        """The weight samples that were asked for, of the test metrics."""
        return self.results["num_predict_samples"]

    @property
    def num_functions(self) -> int:
        """S, the functions in the test metrics: fewer than asked for where there are no more."""
        return self.results.get("num_functions", self.num_samples)

    @property
    def posterior(self) -> str:
        """Which posterior was fitted: with the whole KL, or tempered and by how much."""
        return self.results.get("posterior", "not stated")

    @property
    def estimator(self) -> str:
        """The gradient estimator: as the results say, else as it was bound; "" where unknown."""
        bound = self.bindings.get(ESTIMATOR, "")
        return self.results.get("estimator") or short_value(bound)

    @property
    def sites(self) -> Sequence[Mapping[str, Any]]:
        """The ledger, site by site; empty where the method has none."""
        return (self.results.get("ledger") or {}).get("sites", [])

    @property
    def is_deterministic(self) -> bool:
        """Whether no weight has any noise, so that one sample is the model itself.

        A signal-to-noise ratio that is no number is infinite, or not known; the estimator of point
        masses tells the two apart.
        """
        no_noise = bool(self.sites) and all(site.get("median_snr") is None for site in self.sites)
        return no_noise and self.estimator == "Mean"

    @property
    def has_kl(self) -> bool:
        """Whether its method minimised a bound with a KL; −ln p(w) of points is none."""
        return "kl_weight" in self.results and not self.is_deterministic

    @property
    def is_the_model(self) -> bool:
        """Whether the test metrics are the model's, not those of one draw of its weights."""
        return self.num_samples > 1 or self.is_deterministic

    @functools.cached_property
    def records(self) -> list[dict[str, Any]]:
        """The lines of `metrics.jsonl`, numbers alone; empty where the file is damaged."""
        path = self.path / "metrics.jsonl"
        if not path.is_file():
            return []
        try:
            records = read_jsonl(path)
        except (ValueError, OSError, RecursionError) as damage:
            self.note(_line(path, damage, "the curves of this run are left out"))
            return []
        odd = sorted({n for r in records for n, v in r.items() if not _is_value(v)})
        if odd:
            self.note(f"{path}: {', '.join(odd[:5])} must be numbers, got others; left out.")
        return [{n: v for n, v in record.items() if _is_value(v)} for record in records]

    def predictions(self) -> Predictions | None:
        """Those of the test examples, read anew at every call; None where there are none."""
        found = self._load(self.path / "predictions" / "test.npz")
        if found is not None and found.task != self.task:
            self.note(
                f"{self.path / 'predictions' / 'test.npz'} is of a {found.task}, and the run is a "
                f"{self.task}; it is left out, run the experiment again in a new folder."
            )
            return None
        return found

    @functools.cached_property
    def derived(self) -> dict[str, float]:
        """Metrics computed from the samples of the predictions; empty where there are none."""
        predictions = self.predictions()
        if predictions is None:
            return {}
        try:
            return derived_metrics(predictions, self.targets or None)
        except (ValueError, IndexError) as damage:
            self.note(_line(self.path / "predictions" / "test.npz", damage, "left out"))
            return {}

    def out_of_distribution(self) -> dict[str, Predictions]:
        """Those of other data sets, by name; damaged files are left out."""
        files = sorted((self.path / "predictions" / "out_of_distribution").glob("*.npz"))
        found = {file.stem: self._load(file) for file in files}
        return {name: each for name, each in found.items() if each is not None}

    def _load(self, path: Path) -> Predictions | None:
        if not path.is_file():
            return None
        try:
            return load_predictions(path)
        except (ValueError, OSError) as damage:
            self.note(_line(path, damage, "what needs it is left out"))
            return None

    def note(self, line: str) -> None:
        """Remembers a fault, once."""
        if line not in self.faults:
            self.faults.append(line)


def _is_value(value: Any) -> bool:
    return value is None or is_number(value)


def _line(path: Path, damage: BaseException, consequence: str) -> str:
    """One line: file, fault, remedy, and what became of it."""
    text = " ".join(str(damage).split()) or type(damage).__name__
    text = text if str(path) in text else f"{path}: {text}"
    return f"{text.rstrip('.')}; {consequence}."


class Found(NamedTuple):
    """The runs of some paths.

    Attributes:
      runs: finished ones, each once, in the order of the paths, of the sweep, and of names.
      unfinished: folders of those that were left out because they have no results yet.
      faults: a line for each that was left out because it cannot be read.
    """

    runs: list[Run]
    unfinished: list[Path]
    faults: list[str]


def read_runs(paths: Iterable[str | Path], skip_unfinished: bool = False) -> Found:
    """Reads run folders, and the run folders below folders that are none, such as sweeps.

    Args:
      paths: of runs and sweeps.
      skip_unfinished: leave out runs that have no results yet, instead of refusing.

    Raises:
      FileNotFoundError: a path does not exist.
      ValueError: a path holds no run, a run has not finished, or nothing is left to report on.
    """
    folders: dict[Path, Path] = {}
    for path in map(Path, paths):
        for folder in _run_folders(path):
            folders.setdefault(folder.resolve(), folder)
    unfinished = [f for f in folders.values() if not (f / "results.json").exists()]
    stopped = [folder for folder in unfinished if was_stopped(folder)]
    folders = {key: folder for key, folder in folders.items() if folder not in stopped}
    unfinished = [folder for folder in unfinished if folder not in stopped]
    if unfinished and not skip_unfinished:
        names = ", ".join(map(str, unfinished[:5])) + (" …" if len(unfinished) > 5 else "")
        raise ValueError(
            f"{len(unfinished)} of {len(folders)} runs have not finished: {names}; start their "
            "command again to finish them, or leave them out with --skip_unfinished."
        )
    runs, faults = [], []
    for folder in folders.values():
        if folder in unfinished:
            continue
        try:
            runs.append(read_run(folder))
        except ValueError as damage:
            faults.append(str(damage))
    if not runs and faults:
        raise ValueError(" ".join(faults[:3]))
    if not runs:
        raise ValueError(
            f"none of {len(folders)} runs has finished, so there is nothing to report on; start "
            "their command again."
        )
    return Found(runs, unfinished, faults)


def _run_folders(path: Path) -> list[Path]:
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist; name a run's --workdir or a sweep's root.")
    if not path.is_dir():
        raise ValueError(f"{path} is a file; name the folder of a run or of a sweep.")
    found = []
    for folder, below, files in os.walk(path):
        if "config.gin" in files:
            found.append(Path(folder))
            below.clear()  # what a run's own folder holds, such as W&B's copies, is no other run
        else:
            below[:] = sorted(b for b in below if b != "wandb" and not b.startswith("."))
    if not found:
        raise ValueError(
            f"{path} is not the folder of a run, and there is none below it: no config.gin. Name a "
            "run's --workdir or a sweep's root."
        )
    places = {parent: list(points_of(parent)) for parent in {each.parent for each in found}}

    def place(folder: Path) -> tuple[Path, int, Path]:
        names = places[folder.parent]
        known = folder.name in names
        return folder.parent, names.index(folder.name) if known else len(names), folder

    return sorted(found, key=place)


def points_of(root: Path) -> dict[str, str]:
    """The folders of a sweep in its own order, and what it calls their choices.

    Nothing where `launch.sweep` left no `sweep.json`, or one that is damaged.
    """
    try:
        rows = json.loads((root / "sweep.json").read_text(encoding="utf-8"))
        return {row["name"]: str(row["choices"].get("name", "")) for row in rows}
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return {}


def read_run(folder: Path) -> Run:
    """Reads one finished run.

    Raises:
      ValueError: its results or its configuration cannot be read, or lack what a report needs.
    """
    results, faults = read_results(folder / "results.json")
    try:
        config = (folder / "config.gin").read_text(encoding="utf-8")
    except (UnicodeDecodeError, OSError) as damage:
        raise ValueError(
            f"{folder / 'config.gin'} cannot be read ({damage}); run the experiment again."
        ) from damage
    label = points_of(folder.parent).get(folder.name, "")
    return Run(folder, results, parse_bindings(config), label, faults)


def metric(run: Run, name: str) -> float:
    """A test metric, NaN where the run has none or may not show any."""
    if not run.is_the_model:
        return math.nan
    value = run.test[name] if name in run.test else run.derived.get(name)
    return math.nan if value is None else float(value)
