"""Weights & Biases, online or offline, never in the way of the run."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import gin
from absl import logging

from bnn.tracking.tracker import RunInfo, Tracker
from bnn.tracking.values import flatten, scalars
from bnn.tracking.wandb_mode import Mode, resolve_mode

ID_FILENAME = "wandb.json"


@gin.register(module="bnn.tracking")
class WandB(Tracker):
    """Records a run with Weights & Biases, below `<workdir>/wandb`.

    The mode is `mode`, else WANDB_MODE, else online if WANDB_API_KEY is set and offline if it is
    not (`resolve_mode`); nothing ever asks on the terminal. A run that cannot start online within
    `init_timeout` seconds, or finds no key, is recorded offline instead, with one warning that
    says how to upload it. The first failure of wandb after that is logged with its reason, and
    none reaches the run. What is being logged is never waited for; `finish` waits at most
    `finish_timeout` seconds, after which the data are still on disk.

    The run's id is kept in `<workdir>/wandb.json`, so that a resumed run continues the same W&B
    run. Online, steps that the server has already are ignored by it; offline, each resumption
    opens a folder of its own with the same id (upload the later ones with `wandb sync --append`).

    wandb's own usage reporting is off unless WANDB_ERROR_REPORTING is set: it writes to the
    terminal and holds up the end of the process when the server does not answer.

    Args:
        project: The W&B project; WANDB_PROJECT, else "bnn", by default.
        name: The name shown for the run; the name of the run by default.
        mode: "online", "offline" or "disabled"; None for the rule above.
        entity: The user or team; wandb's own default if None.
        group: The group of the run, such as a sweep or a multi-worker job.
        job_type: The kind of run within the group, such as "train".
        tags: Labels of the run.
        init_timeout: The longest wait for the server at the start, in seconds.
        finish_timeout: The longest wait for uploads at the end, in seconds.

    Raises:
        ValueError: If `mode` is unknown or a timeout is not positive.
    """

    def __init__(
        self,
        project: str | None = None,
        name: str | None = None,
        mode: str | None = None,
        *,
        entity: str | None = None,
        group: str | None = None,
        job_type: str | None = None,
        tags: Sequence[str] = (),
        init_timeout: float = 20.0,
        finish_timeout: float = 60.0,
    ) -> None:
        resolve_mode(mode, {})
        for argument, seconds in (("init", init_timeout), ("finish", finish_timeout)):
            if not seconds > 0:
                raise ValueError(
                    f"{argument}_timeout must be more than 0 seconds, got {seconds}; "
                    "for no W&B at all set mode='disabled'."
                )
        self._mode = mode
        self._project = project
        self._name = name
        self._entity = entity
        self._group = group
        self._job_type = job_type
        self._tags = list(tags)
        self._init_timeout = init_timeout
        self._finish_timeout = finish_timeout
        self._wandb: Any = None
        self._run: Any = None
        self._folder = ""
        self._warned = False

    def start(self, run: RunInfo) -> None:
        """Opens the W&B run.

        Raises:
            ValueError: If WANDB_MODE is unknown.
        """
        mode = resolve_mode(self._mode, os.environ)
        if mode == "disabled":
            return
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        failure: Exception | None = None
        if mode == "online":
            try:
                self._run = self._open(run, "online")
            except Exception as error:
                failure = error
        if self._run is None:
            self._run = self._attempt("start", lambda: self._open(run, "offline"))
        if self._run is None:
            return
        self._folder = self._run.settings.sync_dir
        if failure is not None:
            logging.warning(
                "W&B could not start online (%s) and records offline. "
                "Upload later with: wandb sync %s",
                _reason(failure),
                self._folder,
            )
        self._attempt("start", lambda: self._describe(run))

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Sends `values` at global step `step`."""
        if self._run is not None:
            self._attempt("log", lambda: self._run.log(scalars(values), step=int(step)))

    def figure(self, name: str, path: Path, step: int) -> None:
        """Sends the image at `path` at global step `step`."""
        if self._run is not None:
            self._attempt(
                "figure",
                lambda: self._run.log({name: self._wandb.Image(str(path))}, step=int(step)),
            )

    def finish(self, results: Mapping[str, Any], failed: bool = False) -> None:
        """Puts `results`, nested names joined by "/", into the summary and closes the W&B run."""
        if self._run is not None:
            self._attempt("finish", lambda: self._summarize(flatten(results)))
            self._attempt("finish", lambda: self._run.finish(exit_code=int(failed)))
            self._run = None

    def _open(self, run: RunInfo, mode: Mode) -> Any:
        """Starts a W&B run in `mode`, without a word on the terminal."""
        import wandb

        self._wandb = wandb
        wandb.setup(wandb.Settings(silent=True))
        if mode == "online" and not wandb.login(prompt=False, verify=False):
            raise RuntimeError("no API key is configured: set WANDB_API_KEY or run `wandb login`")
        known_id = _read_id(run.workdir) if run.resumed_step is not None else None
        return wandb.init(
            project=self._project or os.environ.get("WANDB_PROJECT") or "bnn",
            entity=self._entity,
            group=self._group,
            job_type=self._job_type,
            tags=self._tags,
            name=self._name or run.name,
            mode=mode,
            dir=str(run.workdir),
            config=dict(run.config_values),
            id=known_id or os.environ.get("WANDB_RUN_ID") or secrets.token_hex(4),
            resume="allow" if known_id and mode == "online" else None,
            reinit="create_new",
            settings=wandb.Settings(
                silent=True,
                console="off",  # what the run prints stays the run's
                save_code=False,
                disable_code=True,
                disable_git=True,
                init_timeout=self._init_timeout,
                finish_timeout=self._finish_timeout,
                finish_timeout_raises=True,
            ),
        )

    def _describe(self, run: RunInfo) -> None:
        """Keeps the run's id for a resumption and saves the configuration as a file."""
        _write_id(run.workdir, self._run.id)
        config = Path(self._run.dir) / "config.gin"
        config.write_text(run.config)
        self._run.save(str(config), base_path=self._run.dir, policy="now")

    def _summarize(self, results: Mapping[str, Any]) -> None:
        # The row of the last step is still held back for more values; sent after the results it
        # would overwrite those of the same name.
        self._run.log({}, commit=True)
        self._run.summary.update(results)

    def _attempt(self, what: str, call: Callable[[], Any]) -> Any:
        """Returns `call()`, or None if it fails, after a warning the first time."""
        try:
            return call()
        except Exception as error:
            if not self._warned:
                self._warned = True
                upload = f" Upload what is on disk with: wandb sync {self._folder}"
                logging.warning(
                    "W&B %s failed (%s). The run goes on, with all its own files; later failures "
                    "of W&B are not reported.%s",
                    what,
                    _reason(error),
                    upload if self._folder else "",
                )
            return None


def _reason(error: Exception) -> str:
    """Returns the error's type and the first line of its text."""
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"


def _read_id(workdir: Path) -> str | None:
    """Returns the id of the workdir's W&B run, or None if there is none that can be read."""
    path = workdir / ID_FILENAME
    try:
        return str(json.loads(path.read_text())["id"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        logging.warning("%s is not readable (%s); a new W&B run is started.", path, error)
        return None


def _write_id(workdir: Path, run_id: str) -> None:
    beside = workdir / f"{ID_FILENAME}.tmp"
    beside.write_text(json.dumps({"id": run_id}) + "\n")
    os.replace(beside, workdir / ID_FILENAME)
