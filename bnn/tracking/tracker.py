"""What every tracker does, and what it is told about the run."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar


@dataclasses.dataclass(frozen=True)
class RunInfo:
    """What a tracker needs to know of a run when it starts.

    Attributes:
        workdir: The run's folder; trackers write only below it.
        name: A short name of the run, for people.
        config: The operative gin configuration, as text.
        config_values: The same configuration as a flat mapping of JSON values.
        resumed_step: The step of the checkpoint the run goes on from, or None for a new run.
        units: What the reported numbers are in, in words; "" where that goes without saying.
        target_units: Units of targets that are numbers, by the target's name, where they are known.
    """

    workdir: Path
    name: str
    config: str = ""
    config_values: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    resumed_step: int | None = None
    units: str = ""
    target_units: Mapping[str, str] = dataclasses.field(default_factory=dict)


class Tracker(abc.ABC):
    """Records what a run reports: `start`, then any number of the others, then `finish`.

    Steps must not decrease from call to call. `finish` must be called also when the run fails
    (with `failed=True`), so that files are closed and the terminal is restored.

    Attributes:
        essential: Whether a failure of this tracker must stop the run. `Trackers` lets only
            essential trackers raise.
        patience: None if the calls are quick. A number of seconds if they may wait for a network:
            `Trackers` then makes them on a thread, and the end of the run waits for what is left
            for at most that long.
    """

    essential: ClassVar[bool] = False

    @property
    def patience(self) -> float | None:
        """The longest time that the end of the run waits for this tracker, in seconds."""
        return None

    @abc.abstractmethod
    def start(self, run: RunInfo) -> None:
        """Opens the record of `run`; called once, before anything else."""

    @abc.abstractmethod
    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Records the scalars `values` (any real scalar: Python, NumPy or tensor) at `step`."""

    @abc.abstractmethod
    def figure(self, name: str, path: Path, step: int) -> None:
        """Records the finished image file at `path` under `name` at `step`."""

    def artifact(self, name: str, files: Mapping[str, Path]) -> None:  # noqa: B027 (most do nothing)
        """Records the finished `files` (path within the artifact: file) together under `name`.

        Trackers that keep no copies of files do nothing.
        """

    @abc.abstractmethod
    def finish(self, results: Mapping[str, Any], failed: bool = False) -> None:
        """Records the run's final `results` and closes the record."""
