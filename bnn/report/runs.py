"""Finished runs, read from their folders."""

from __future__ import annotations

import dataclasses
import functools
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bnn.report.bindings import parse_bindings
from bnn.report.derived import derived_metrics
from bnn.runs.prediction_file import Predictions, load_predictions
from bnn.tracking import read_jsonl

_NEEDED = ("data", "test", "num_predict_samples", "seed")


@dataclasses.dataclass(frozen=True, eq=False)
class Run:
    """A finished run.

    Attributes:
      path: its folder.
      results: what `results.json` holds.
      bindings: the gin bindings of `config.gin`.
    """

    path: Path
    results: Mapping[str, Any]
    bindings: Mapping[str, str]

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
        """Classification or regression."""
        return "regression" if "rmse" in self.test else "classification"

    @property
    def num_samples(self) -> int:
        """S, the weight samples of the test metrics."""
        return self.results["num_predict_samples"]

    @property
    def posterior(self) -> str:
        """Which posterior was fitted: with the whole KL, or tempered and by how much."""
        return self.results.get("posterior", "not stated")

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
        no_noise = bool(self.sites) and all(site["median_snr"] is None for site in self.sites)
        return no_noise and self.results.get("estimator") == "Mean"

    @property
    def is_the_model(self) -> bool:
        """Whether the test metrics are the model's, not those of one draw of its weights."""
        return self.num_samples > 1 or self.is_deterministic

    @functools.cached_property
    def records(self) -> list[dict[str, Any]]:
        """The lines of `metrics.jsonl`."""
        path = self.path / "metrics.jsonl"
        return read_jsonl(path) if path.exists() else []

    def predictions(self) -> Predictions | None:
        """Those of the test examples, read anew at every call; None where the run left none."""
        path = self.path / "predictions" / "test.npz"
        return load_predictions(path) if path.exists() else None

    @functools.cached_property
    def derived(self) -> dict[str, float]:
        """Metrics computed from the samples of the predictions; empty where there are none."""
        predictions = self.predictions()
        return {} if predictions is None else derived_metrics(predictions)

    def out_of_distribution(self) -> dict[str, Predictions]:
        """Those of other data sets, by name."""
        files = (self.path / "predictions" / "out_of_distribution").glob("*.npz")
        return {file.stem: load_predictions(file) for file in sorted(files)}


def read_runs(
    paths: Iterable[str | Path], skip_unfinished: bool = False
) -> tuple[list[Run], list[Path]]:
    """Reads run folders, and the run folders below folders that are none, such as sweeps.

    Args:
      paths: of runs and sweeps.
      skip_unfinished: leave out runs that have no results yet, instead of refusing.

    Returns:
      The runs, each once, in the order of the paths and then of names, and the folders of the
      unfinished ones that were left out.

    Raises:
      FileNotFoundError: a path does not exist.
      ValueError: a path holds no run, a run has not finished, a file cannot be read, or nothing
        is left to report on.
    """
    folders: dict[Path, Path] = {}
    for path in map(Path, paths):
        for folder in _run_folders(path):
            folders.setdefault(folder.resolve(), folder)
    unfinished = [f for f in folders.values() if not (f / "results.json").exists()]
    if unfinished and not skip_unfinished:
        names = ", ".join(map(str, unfinished[:5])) + (" …" if len(unfinished) > 5 else "")
        raise ValueError(
            f"{len(unfinished)} of {len(folders)} runs have not finished: {names}; start their "
            "command again to finish them, or leave them out with --skip_unfinished."
        )
    runs = [read_run(folder) for folder in folders.values() if folder not in unfinished]
    if not runs:
        raise ValueError(
            f"none of {len(folders)} runs has finished, so there is nothing to report on; start "
            "their command again."
        )
    return runs, unfinished


def _run_folders(path: Path) -> list[Path]:
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist; name a run's --workdir or a sweep's root.")
    if not path.is_dir():
        raise ValueError(f"{path} is a file; name the folder of a run or of a sweep.")
    if (path / "config.gin").exists():
        return [path]
    found = sorted(file.parent for file in path.rglob("config.gin"))
    if not found:
        raise ValueError(
            f"{path} is not the folder of a run, and there is none below it: no config.gin. Name a "
            "run's --workdir or a sweep's root."
        )
    return found


def read_run(folder: Path) -> Run:
    """Reads one finished run.

    Raises:
      ValueError: its results are not JSON, or lack what a report needs.
    """
    file = folder / "results.json"
    try:
        results = json.loads(file.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as damage:
        raise ValueError(f"{file} is not JSON ({damage}); run the experiment again.") from damage
    missing = [name for name in _NEEDED if not isinstance(results, dict) or name not in results]
    if missing:
        raise ValueError(
            f"{file} lacks {', '.join(missing)}, so it is not of a run of bnn; name other folders."
        )
    bindings = parse_bindings((folder / "config.gin").read_text(encoding="utf-8"))
    return Run(folder, results, bindings)


def metric(run: Run, name: str) -> float:
    """A test metric, NaN where the run has none or may not show any."""
    if not run.is_the_model:
        return math.nan
    value = run.test[name] if name in run.test else run.derived.get(name)
    return math.nan if value is None else float(value)
