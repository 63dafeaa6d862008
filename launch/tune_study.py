"""A search's trials: Optuna's study in a file, and what is read of the runs."""

from __future__ import annotations

import fcntl
import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from launch.files import write_text
from launch.points import Point
from launch.tune_file import Range, Search

OBJECTIVE = "valid_nll"
_STORAGE, _LOCK = "tune.db", "tune.lock"
_FOLDER = "folder"  # of the trial's run, an attribute of the trial


def require_optuna() -> Any:
    """The library.

    Raises:
      ImportError: it is not installed.
    """
    try:
        import optuna
    except ModuleNotFoundError as error:
        if error.name != "optuna":
            raise
        raise ImportError(
            "launch.tune needs Optuna, which is not installed; pip install 'bnn[tune]'."
        ) from error
    return optuna


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """The folder for this process alone; a second one would take running trials for lost ones.

    Raises:
      ValueError: another process has it, or the lock is a link or another's file.
    """
    root.mkdir(parents=True, exist_ok=True)
    # Neither emptied nor followed: a file of that name may be somebody's.
    try:
        lock = os.open(root / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise ValueError(
            f"{root} cannot be locked: {root / _LOCK} is not a file of its own that can be written "
            f"({error.strerror}); name another folder with --root."
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise ValueError(
            f"{root} is being searched by another launch.tune; wait for it, or name another folder "
            "with --root."
        ) from None
    try:
        yield
    finally:
        os.close(lock)


class Trials:
    """The study of a search: minimises the validation NLL by TPE, and prunes by the median.

    TPE (Bergstra et al. 2011) models the choices of good and of other trials and proposes where
    their ratio is largest. A trial is pruned when its best validation NLL so far is above the
    median of the finished trials' at the same step.

    Args:
      search: what is searched.
      root: folder of the search.
      seed: of the sampler.
      startup: trials that are chosen at random, and before which none is pruned.

    Raises:
      ImportError: Optuna is not installed.
      ValueError: the folder holds another search.
    """

    def __init__(self, search: Search, root: Path, seed: int = 0, startup: int = 10) -> None:
        optuna = require_optuna()
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._states = optuna.trial.TrialState
        self.search, self.root = search, root
        self._study = optuna.create_study(
            storage=f"sqlite:///{root / _STORAGE}",
            study_name="tune",
            load_if_exists=True,
            direction="minimize",
            pruner=optuna.pruners.MedianPruner(n_startup_trials=startup),
        )
        held = self._study.user_attrs.get("search")
        if held not in (None, search.identity()):
            raise ValueError(
                f"{root} holds trials of another search; name another folder with --root, or "
                f"delete that one. It searched {held}"
            )
        self._study.set_user_attr("search", search.identity())
        # A sampler that began anew at its seed would propose again what it has proposed.
        self._study.sampler = optuna.samplers.TPESampler(
            seed=seed + len(self._study.trials), n_startup_trials=startup
        )
        self._running: dict[str, Any] = {}
        self._reported: dict[str, int] = {}
        self._take_up()

    def _take_up(self) -> None:
        """Trials that were stopped are queued again, in their own folders: their runs resume."""
        for trial in self._study.get_trials(states=(self._states.RUNNING,)):
            folder = trial.user_attrs.get(_FOLDER)
            if folder is not None:
                self._study.enqueue_trial(trial.params, user_attrs={_FOLDER: folder})
            self._study.set_user_attr(f"continued {trial.number}", True)
            self._study.tell(trial.number, state=self._states.FAIL)

    def count(self) -> int:
        """How many trials have come to an end: finished, pruned or failed."""
        return len(self._ended())

    def ask(self) -> Point:
        """The next trial's run."""
        trial = self._study.ask()
        values = {name: self._suggest(trial, name) for name in self.search.space}
        name = trial.user_attrs.get(_FOLDER) or f"trial={trial.number:04d}"
        trial.set_user_attr(_FOLDER, name)
        self._running[name] = trial
        self._reported[name] = -1
        return self.search.point(name, values, self.root)

    def _suggest(self, trial: Any, name: str) -> Any:
        each = self.search.space[name]
        if not isinstance(each, Range):
            return trial.suggest_categorical(name, list(each))
        if each.whole:
            step = 1 if each.step is None else int(each.step)
            return trial.suggest_int(name, int(each.low), int(each.high), step=step, log=each.log)
        return trial.suggest_float(name, each.low, each.high, step=each.step, log=each.log)

    def to_prune(self, name: str) -> bool:
        """Reports what a run has logged since the last call; whether it is to be stopped."""
        trial = self._running[name]
        for step, value in validation(self.root / name):
            if step > self._reported[name]:
                trial.report(value, step)
                self._reported[name] = step
        return self._reported[name] >= 0 and trial.should_prune()

    def prune(self, name: str) -> None:
        """The trial ended because `to_prune` said so."""
        self._study.tell(self._running.pop(name), state=self._states.PRUNED)

    def fail(self, name: str, why: str) -> None:
        """The trial's run failed."""
        self._running[name].set_user_attr("why", why)
        self._study.tell(self._running.pop(name), state=self._states.FAIL)

    def finish(self, name: str) -> float:
        """The trial's run has finished: its last validation NLL.

        Raises:
          ValueError: it has none.
        """
        values = validation(self.root / name)
        last = values[-1][1] if values else None
        if last is None:
            raise ValueError(no_validation(self.root / name))
        if math.isfinite(last):
            self._study.tell(self._running.pop(name), last)
        else:
            self.fail(name, f"its validation NLL is {last}")
        return last

    def _ended(self) -> list[Any]:
        done = (self._states.COMPLETE, self._states.PRUNED, self._states.FAIL)
        attributes = self._study.user_attrs
        trials = self._study.get_trials(deepcopy=False, states=done)
        return [t for t in trials if f"continued {t.number}" not in attributes]

    def write(self) -> list[dict[str, Any]]:
        """Writes `trials.json`, which reports read: a row a trial, the best first."""
        rows = [
            {
                "folder": trial.user_attrs.get(_FOLDER, ""),
                "state": trial.state.name.lower().replace("complete", "finished"),
                "choices": {name: trial.params.get(name) for name in self.search.space},
                OBJECTIVE: trial.value if trial.state == self._states.COMPLETE else None,
            }
            for trial in self._ended()
        ]
        rows.sort(key=lambda row: (row[OBJECTIVE] is None, row[OBJECTIVE] or 0.0, row["folder"]))
        write_text(self.root / "trials.json", json.dumps(rows, indent=1) + "\n")
        return rows


def no_validation(folder: Path) -> str:
    """What is wrong with a run that reports no validation NLL."""
    return (
        f"{folder} reports no {OBJECTIVE}: its data set has no validation part, and the test part "
        "must not choose. Hold some training examples out, for example by the binding "
        "digits.validation_fraction = 0.1."
    )


def validation(folder: Path) -> list[tuple[int, float]]:
    """(step, validation NLL) of every report of a run so far; a line being written is left out.

    Raises:
      ValueError: the run reports its training, and no validation NLL.
    """
    try:
        lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    except OSError:
        return []
    found = []
    for line in lines:
        if not line.endswith("\n"):
            continue
        record = json.loads(line)
        if OBJECTIVE in record:
            found.append((int(record["step"]), float(record[OBJECTIVE])))  # "NaN" is NaN
        elif "loss" in record:
            raise ValueError(no_validation(folder))
    return found
