"""A prepared run from its claim of the folder to its results."""

from __future__ import annotations

import logging
import os
import time
import zlib
from typing import Any

from bnn.runs.finished import Run
from bnn.runs.folder import Identity
from bnn.runs.progress import probe_metrics, progress_metrics, score
from bnn.runs.recorded import load
from bnn.runs.rehearsal import rehearse
from bnn.runs.results import show_finished, summary, write_results
from bnn.runs.session import Session
from bnn.runs.tracked import flat_config
from bnn.runs.units import units_while_training
from bnn.tracking import RunInfo, Tracker, read_jsonl
from bnn.training import Averages, Checkpoints, StopRequest, Workers, fit


def train(session: Session, trackers: Tracker) -> Run:
    """Claims the folder, and trains unless the run has ended before.

    A run that has ended with another `num_predict_samples` is evaluated again, and not trained.
    """
    folder, workers = session.folder, session.strategy.workers
    finished: dict[str, Any] | None = None
    refused: Exception | None = None
    try:
        if not os.path.exists(folder.config):  # which is False, too, of a name that cannot be
            rehearse(session)
        if workers.is_chief:
            try:
                folder.open(session.identity)
                finished = folder.finished()
                if finished is not None and _evaluated_otherwise(session, finished):
                    finished = None
            except (ValueError, OSError) as error:  # raised below, when the others know
                refused = error
        verdict = 2 if refused is not None else 1 if finished is not None else 0
        (verdict,) = workers.from_chief([verdict])
        _require_same_everywhere(workers, session)
        if refused is not None:
            raise refused
        if verdict == 2:
            raise RuntimeError("worker 0, which keeps the run's folder, refused it; see there.")
        if verdict == 1:
            if finished is None:
                return Run(session, None, session.plan.total_steps)
            show_finished(folder.path, finished)
            return Run(session, finished, load=lambda: load(session))
        return _train(session, trackers)
    finally:
        folder.close()
        session.rest()


def _evaluated_otherwise(session: Session, finished: dict[str, Any]) -> bool:
    held, asked = finished.get("num_predict_samples"), session.num_predict_samples
    if held == asked:
        return False
    logging.getLogger("absl").warning(
        "workdir %s holds this very run, evaluated with %s samples: it is evaluated again with %s.",
        session.folder.path,
        held,
        asked,
    )
    return True


def _train(session: Session, trackers: Tracker) -> Run:
    """Trains from the start or the newest checkpoint, evaluates, and writes the results."""
    workers, plan = session.strategy.workers, session.plan
    steps = session.training_steps()
    averages = session.averages()
    checkpoints = session.checkpoints(averages)
    resumed = _restore(session, checkpoints, averages)
    earlier = _seconds_before(session, resumed) if workers.is_chief else 0.0
    trackers.start(_run_info(session, session.identity, resumed))
    started = time.monotonic() - earlier

    def report(step: int, values: dict[str, float]) -> float | None:
        if not workers.is_chief:
            return None
        values = {
            "epoch": plan.epoch(step),
            "seconds": time.monotonic() - started,
            **values,
            **session.method.scheduled(step / plan.total_steps),
            **progress_metrics(session),
            **probe_metrics(session, step),
        }
        trackers.log(step, values)
        return score(session, values)

    results: dict[str, Any] = {}
    try:
        fit(
            steps,
            plan,
            state=session.state(),
            trained=session.trained(),
            checkpoints=checkpoints,
            averages=averages,
            first_step=resumed or 0,
            report=report,
            workers=workers,
            save_seconds=session.save_seconds,
            archive=session.method.archive,
        )
        with StopRequest(at_once=plan.total_steps):
            _finish(session, checkpoints)
            if not workers.is_chief:
                workers.sum([0])  # the chief's evaluation
                trackers.finish(results)
                return Run(session, None, plan.total_steps)
            seconds = started, time.monotonic() - started
            results = write_results(session, trackers, checkpoints.best, *seconds)
        workers.sum([0])
    except BaseException:
        trackers.finish(results, failed=True)
        raise
    trackers.finish(summary(results, session.folder.path))
    return Run(session, results, plan.total_steps)


def _restore(session: Session, checkpoints: Checkpoints, averages: Averages) -> int | None:
    """Restores the newest checkpoint on all workers; its step, or None for a new run."""
    workers = session.strategy.workers
    resumed = None
    if workers.is_chief:
        checkpoints.sweep()
        resumed = checkpoints.restore()
        if resumed is None and session.folder.metrics.exists():
            resumed = 0  # ended before its first checkpoint: the same run from its start
    place, finished = workers.from_chief(
        [-1 if resumed is None else resumed, int(checkpoints.finished)]
    )
    checkpoints.finished = bool(finished)
    own = [*checkpoints.own_variables, averages.variable]
    workers.broadcast([*(v for part in session.state().values() for v in part), *own])
    if session.method.archive is not None:
        session.method.archive.broadcast(workers)
    return None if place < 0 else place


def _finish(session: Session, checkpoints: Checkpoints) -> None:
    """What the method does after training, once, and a checkpoint of what comes of it."""
    method = session.method
    if checkpoints.finished or not method.finishes:
        return
    method.finish(session.batches)
    if session.strategy.workers.is_chief:
        checkpoints.save_finished(session.plan.total_steps)


def _require_same_everywhere(workers: Workers, session: Session) -> None:
    """Raises ValueError on a worker whose configuration is not the chief's."""
    mine = zlib.crc32(session.configuration.encode())
    (chiefs,) = workers.from_chief([mine])
    (different,) = workers.sum([int(chiefs != mine)])
    if different:
        raise ValueError(
            f"all workers must have the same configuration, but that of {different} of "
            f"{workers.count} differs from worker 0's; start them with the same arguments."
        )


def _run_info(session: Session, identity: Identity, resumed: int | None) -> RunInfo:
    return RunInfo(
        workdir=session.folder.path,
        name=session.folder.path.name,
        config=identity.config,
        config_values=flat_config(identity),
        resumed_step=resumed,
        units=units_while_training(session.data),
        target_units=session.data.target_units or {},
    )


def _seconds_before(session: Session, resumed: int | None) -> float:
    """Seconds of training that the earlier parts of a resumed run took."""
    if resumed is None or not session.folder.metrics.exists():
        return 0.0
    records = read_jsonl(session.folder.metrics)
    spent = [r["seconds"] for r in records if r["step"] <= resumed]
    return spent[-1] if spent else 0.0
