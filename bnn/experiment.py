"""The root of a run: receives built objects, trains, evaluates and reports.

What a run is, it is by everything that was passed to it: gin's bindings are recorded in
`config.gin`, arguments given here in Python are described in `arguments.json`, the data in
`data.json`, and a folder refuses a run that differs. Where it trains (`strategy`, `steps_per_call`,
`save_seconds`, `keep_checkpoints`), who is told (`tracker`) and how it is judged
(`num_predict_samples`) are no part of that: a run that has ended is evaluated again where
`num_predict_samples` is another.

A strategy is built before any other object of TensorFlow, as `bnn.run` does. XLA (`jit_compile`)
wins for dense networks; on CPUs it loses for convolutions, whose gradients it runs without the
vendor's kernels.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gin
import keras

from bnn import methods, objectives  # noqa: F401  (register themselves)
from bnn.data import Dataset
from bnn.likelihoods import Likelihood
from bnn.methods import GradientNoiseProbe, Method
from bnn.runs import gin_externals  # noqa: F401  (registers Keras's optimizers)
from bnn.runs.bindings import check_bindings, require_root
from bnn.runs.checks import require
from bnn.runs.finished import Run
from bnn.runs.prepare import prepare
from bnn.runs.session import Session
from bnn.runs.train import train
from bnn.schedules import Schedule
from bnn.tracking import Tracker, Trackers, run_trackers
from bnn.training import Strategy


@gin.configurable("run", module="bnn.experiment", denylist=["workdir", "instead", "given"])
def _run(
    workdir: str | Path,
    *,
    data: Dataset = gin.REQUIRED,
    model: Callable[..., keras.Model] = gin.REQUIRED,
    likelihood: Likelihood = gin.REQUIRED,
    method: Method = gin.REQUIRED,
    epochs: float = gin.REQUIRED,
    batch_size: int = gin.REQUIRED,
    optimizer: keras.optimizers.Optimizer | None = None,
    learning_rate: Schedule | None = None,
    report_every: float = 1.0,
    num_predict_samples: int = 32,
    seed: int = 0,
    tracker: Tracker | Sequence[Tracker] | None = None,
    probe: GradientNoiseProbe | None = None,
    steps_per_call: int = 1000,
    jit_compile: bool = True,
    strategy: Strategy | None = None,
    keep_checkpoints: int = 3,
    save_seconds: float = 60.0,
    instead: Callable[[Session], Any] | None = None,
    given: Sequence[str] = (),
) -> Run:
    """Trains one model, evaluates it on the test part and leaves everything in `workdir`.

    The same call continues a run that was stopped, and repeats nothing of one that has ended; a
    folder refuses a run that differs in what makes a run, which the module's description says.

    Args:
      workdir: the run's folder.
      data: in gin `@digits()`.
      model: factory, called with the input shape and the number of outputs; in gin `@mlp`.
      likelihood: in gin `@Categorical()`.
      method: inference method; in gin `@VariationalInference()`.
      epochs: passes over the training part.
      batch_size: examples per step.
      optimizer: Keras optimizer, for methods that need one; in gin `@keras.optimizers.Adam()`.
      learning_rate: schedule over the progress of training; the optimizer's own where None.
      report_every: epochs between two lines of metrics.
      num_predict_samples: S of the test metrics, at least 1.
      seed: of initial weights, data order and noise.
      tracker: one or a list, besides console and `metrics.jsonl`; in gin `@WandB()` or
        `[@WandB(), @TensorBoard()]`.
      probe: gradient-noise probe; in gin `@GradientNoiseProbe()`. Off, and free, where None.
      steps_per_call: most steps in one compiled call, which ends at a report at the latest.
      jit_compile: compile training and prediction with XLA.
      strategy: the replicas; in gin `@Mirrored()` or `@MultiWorker()`, `OneDevice()` where None.
      keep_checkpoints: newest checkpoints kept, beside the best one.
      save_seconds: between two checkpoints.
      instead: called with the prepared run in place of training it; nothing is written.
      given: set by `run`: the names of the arguments that were given in Python.

    Returns:
      The finished run: its results as a mapping, and `model`, `problem`, `results` and `predict`.
      Without results on workers other than the first.

    Raises:
      ValueError: for arguments that do not fit together, before anything is written.
      FolderInUseError: the folder holds another run.
      CheckpointMismatchError: the folder's checkpoint is of another model or noise layout.
      InterruptedRunError: a signal stopped the run; the state is saved.
      WorkerFailedError: another worker has ended.
      NonFiniteLossError: the loss became NaN or infinite; the last good state is saved.
    """
    arguments = dict(locals())
    del arguments["tracker"], arguments["instead"]
    trackers = _chosen(tracker)
    session = prepare(**arguments)
    return _train(session, trackers) if instead is None else instead(session)


@functools.wraps(_run)
def run(workdir: str | Path, **arguments: Any) -> Run:
    """See `_run`; checks gin's bindings, and notes which arguments were given in Python."""
    check_bindings()
    require_root(arguments)
    return _run(workdir, given=tuple(arguments), **arguments)


def _train(session: Session, trackers: list[Tracker]) -> Run:
    session.strategy.check_workers()
    workers = session.strategy.workers
    told = run_trackers(trackers, session.plan.total_steps)
    with workers.named_failures():
        return train(session, told if workers.is_chief else Trackers([]))


def _chosen(tracker: Tracker | Sequence[Tracker] | None) -> list[Tracker]:
    """The run's trackers as a list.

    Raises:
      ValueError: an object that is none.
    """
    chosen: list[Any] = list(tracker) if isinstance(tracker, (list, tuple)) else [tracker]
    if tracker is None:
        chosen = []
    for one in chosen:
        require("tracker", one, Tracker, "@WandB()")
    return chosen
