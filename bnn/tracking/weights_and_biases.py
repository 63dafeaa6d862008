"""Weights & Biases, online or offline, never in the way of the run."""

from __future__ import annotations

import math
import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import gin
from absl import logging

from bnn.tracking.serving import why_not_serving
from bnn.tracking.tracker import RunInfo, Tracker
from bnn.tracking.values import flatten, scalars
from bnn.tracking.wandb_id import read_id, write_id
from bnn.tracking.wandb_mode import Mode, resolve_mode

# The longest time that asking thrice whether the server works, and falling back to offline, takes.
_FALLBACK_SECONDS = 20.0


@gin.register(module="bnn.tracking")
class WandB(Tracker):
    """Records a run with Weights & Biases, below `<workdir>/wandb`.

    What arrives there: the configuration as config and as file, the metrics by global step, the
    figures, the results as summary and (the numbers) as the table "results", and with
    `checkpoint=True` the newest checkpoint with the files that are needed to load the model.

    The mode is `mode`, else WANDB_MODE, else online if WANDB_API_KEY is set and offline if it is
    not (`resolve_mode`); nothing ever asks on the terminal. A run whose server does not answer,
    answers errors, does not start the run within `init_timeout` seconds, or for which there is no
    key, is recorded offline instead, with one warning that says how to upload it. The first failure
    of wandb after that is logged with its reason, and none reaches the run.

    The network never holds up a run: with `Trackers` all of this happens on a thread beside it, and
    what is being logged is not waited for. Only its end waits for what has not been uploaded, at
    most `finish_timeout` seconds, after which the data are still on disk.

    The run's id is kept in `<workdir>/wandb.json`, so that a resumed run continues the same W&B
    run. Online, steps that the server has already are ignored by it; offline, each resumption
    opens a folder of its own with the same id (`wandb sync <workdir>/wandb` uploads them in order).

    wandb's own usage reporting is off unless WANDB_ERROR_REPORTING is set: it writes to the
    terminal and holds up the end of the process when the server does not answer.

    Args:
        project: The W&B project; WANDB_PROJECT, else "bnn", by default.
        name: The name shown for the run; the name of the run by default.
        mode: "online", "offline" or "disabled"; None for the rule above.
        entity: The user or team; wandb's own default (WANDB_ENTITY) if None.
        group: The group of the run, such as a sweep or a multi-worker job; WANDB_RUN_GROUP if None.
        job_type: The kind of run within the group, such as "train"; WANDB_JOB_TYPE if None.
        tags: Labels of the run; WANDB_TAGS if empty.
        checkpoint: Whether the newest checkpoint is sent as an artifact at the end of the run.
        init_timeout: The longest wait for the server to start the run, in seconds.
        finish_timeout: The longest wait for metrics and figures at the end, in seconds; more may be
            needed behind a slow line.
        upload_timeout: The longest wait for the checkpoint at the end, in seconds, if the server
            works then.

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
        checkpoint: bool = False,
        init_timeout: float = 20.0,
        finish_timeout: float = 5.0,
        upload_timeout: float = 300.0,
    ) -> None:
        resolve_mode(mode, {})
        timeouts = {"init": init_timeout, "finish": finish_timeout, "upload": upload_timeout}
        for argument, seconds in timeouts.items():
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
        self._checkpoint = checkpoint
        self._upload_timeout = upload_timeout
        self._files: dict[str, dict[str, Path]] = {}
        self._online = False
        self._url: str | None = None  # of the server that is asked whether it works
        self._id: str | None = None
        self._wandb: Any = None
        self._run: Any = None
        self._folder = ""
        self._warned = False

    @property
    def patience(self) -> float:
        """The longest time that the end of the run waits for W&B, in seconds."""
        upload = self._upload_timeout if self._checkpoint else 0.0
        return _FALLBACK_SECONDS + self._init_timeout + self._finish_timeout + upload

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
                self._run, self._online = self._open(run, "online"), True
            except Exception as error:
                failure, self._url = error, None
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

    def artifact(self, name: str, files: Mapping[str, Path]) -> None:
        """Sends the files as the artifact `name-<run id>`, if checkpoints were asked for."""
        if self._checkpoint:
            self._files[name] = dict(files)  # sent by `finish`

    def finish(self, results: Mapping[str, Any], failed: bool = False) -> None:
        """Puts `results`, nested names joined by "/", into the summary and closes the W&B run."""
        if self._run is not None:
            flat = flatten(results)
            self._attempt("finish", lambda: self._summarize(flat))
            # wandb asks the server about every table and artifact, and waits for it far too long.
            if self._attempt("finish", self._check_server):
                self._attempt("finish", lambda: self._tabulate(flat))
                self._attempt("upload", self._send_files)
            self._attempt("finish", lambda: self._run.finish(exit_code=int(failed)))
            self._run = None

    def _open(self, run: RunInfo, mode: Mode) -> Any:
        """Starts a W&B run in `mode`, without a word on the terminal."""
        import wandb

        self._wandb = wandb
        settings = wandb.setup(wandb.Settings(silent=True)).settings
        known_id = read_id(run.workdir) if run.resumed_step is not None else None
        self._id = known_id or self._id or os.environ.get("WANDB_RUN_ID") or secrets.token_hex(4)
        write_id(run.workdir, self._id)  # first: a run killed while it starts keeps its id
        if mode == "online":
            self._require_server(settings)
        try:
            return wandb.init(
                project=self._project or os.environ.get("WANDB_PROJECT") or "bnn",
                entity=self._entity,
                group=self._group,
                job_type=self._job_type,
                tags=self._tags or None,
                name=self._name or run.name,
                mode=mode,
                dir=str(run.workdir),
                config=dict(run.config_values),
                id=self._id,
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
        except Exception:
            wandb.teardown()  # the service would go on with the run, and refuse its id to another
            raise

    def _require_server(self, settings: Any) -> None:
        """Raises RuntimeError where there is no key, or no server that works."""
        if not self._wandb.login(prompt=False, verify=False):
            raise RuntimeError("no API key is configured: set WANDB_API_KEY or run `wandb login`")
        if settings.http_proxy or settings.https_proxy:  # a way to the server that is wandb's own
            return
        reason = why_not_serving(settings.base_url)
        if reason is not None:
            raise RuntimeError(reason)
        self._url = settings.base_url

    def _describe(self, run: RunInfo) -> None:
        """Saves the configuration as a file."""
        config = Path(self._run.dir) / "config.gin"
        config.write_text(run.config)
        self._run.save(str(config), base_path=self._run.dir, policy="now")

    def _check_server(self) -> bool:
        """Whether the run is offline or its server works; raises RuntimeError otherwise."""
        reason = None if self._url is None else why_not_serving(self._url, attempts=1)
        if reason is not None:
            raise RuntimeError(reason)
        return True

    def _tabulate(self, results: Mapping[str, Any]) -> None:
        numbers = [
            [name, float(value)]
            for name, value in results.items()
            if isinstance(value, (int, float)) and not isinstance(value, bool)
        ]
        if numbers:
            table = self._wandb.Table(["name", "value"], numbers)
            self._run.log({"results": table})

    def _send_files(self) -> None:
        """Sends the artifacts; online it waits until they have arrived."""
        for name, files in self._files.items():
            artifact = self._wandb.Artifact(f"{name}-{self._run.id}", type="model")
            for inside, path in files.items():  # finished files of the run: no copies are needed
                artifact.add_file(str(path), inside, policy="immutable", skip_cache=True)
            sent = self._run.log_artifact(artifact)
            if self._online:
                sent.wait(timeout=math.ceil(self._upload_timeout))

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
                option = "--include-online " if self._online else ""  # else skipped
                upload = f" Upload what is on disk with: wandb sync {option}{self._folder}"
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
