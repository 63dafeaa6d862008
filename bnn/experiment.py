"""The root of a run: receives built objects, trains, evaluates and reports."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gin
import keras

from bnn import gin_externals  # noqa: F401  (registers Keras's optimizers)
from bnn.data import Dataset
from bnn.estimators import Estimator
from bnn.inference import GradientNoiseProbe, Method, Problem, VariationalInference
from bnn.likelihoods import Likelihood
from bnn.run_results import show_finished
from bnn.schedules import Schedule
from bnn.session import Session
from bnn.sites import sites
from bnn.tracking import Tracker, Trackers, run_trackers
from bnn.training import OneDevice, Plan, RunFolder, Strategy, Workers, check_layers

# Lines of a configuration that may change when a run is resumed: where it trains, not what.
_INTERCHANGEABLE = (
    *("run.strategy ", "OneDevice.", "Mirrored.", "MultiWorker."),
    *("run.steps_per_call ", "run.save_seconds ", "run.keep_checkpoints "),
)


@gin.configurable(module="bnn.experiment", denylist=["workdir", "instead"])
def run(
    workdir: str | Path,
    *,
    data: Dataset = gin.REQUIRED,
    model: Callable[..., keras.Model] = gin.REQUIRED,
    likelihood: Likelihood = gin.REQUIRED,
    estimator: Estimator = gin.REQUIRED,
    optimizer: keras.optimizers.Optimizer = gin.REQUIRED,
    epochs: float = gin.REQUIRED,
    batch_size: int = gin.REQUIRED,
    method: Method | None = None,
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
    instead: Callable[[Session], dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """Trains one model, evaluates it on the test part and leaves everything in `workdir`.

    The same command continues a run that was stopped, and repeats nothing of one that has ended.
    What a run is, it is by its gin configuration: arguments given here in Python, beside `workdir`,
    are not recorded in `config.gin`, and two runs that differ by them look the same to a folder.

    Args:
      workdir: the run's folder.
      data: in gin `@digits()`.
      model: factory, called with the input shape and the number of outputs; in gin `@mlp`.
      likelihood: in gin `@Categorical()`.
      estimator: in gin `@Flipout()`.
      optimizer: Keras optimizer; in gin `@keras.optimizers.Adam()`.
      epochs: passes over the training part.
      batch_size: examples per step.
      method: inference method; `VariationalInference()` where None.
      learning_rate: schedule over the progress of training; the optimizer's own where None.
      report_every: epochs between two lines of metrics.
      num_predict_samples: S of the test metrics, at least 1.
      seed: of initial weights, data order and noise.
      tracker: one or a list, besides console and `metrics.jsonl`; in gin `@WandB()` or
        `[@WandB(), @TensorBoard()]`.
      probe: gradient-noise probe; in gin `@GradientNoiseProbe()`. Off, and free, where None.
      steps_per_call: most steps in one compiled call, which ends at a report at the latest.
      jit_compile: compile training and prediction with XLA. It wins for dense networks; on CPUs
        it loses for convolutions, whose gradients XLA runs without the vendor's kernels.
      strategy: the replicas; in gin `@Mirrored()` or `@MultiWorker()`, `OneDevice()` where None.
        Build it before any other object of TensorFlow, as `bnn.run` does.
      keep_checkpoints: newest checkpoints kept, beside the best one.
      save_seconds: between two checkpoints.
      instead: called with the prepared run in place of training it; nothing is written.

    Returns:
      What `results.json` holds; nothing on workers other than the first.

    Raises:
      ValueError: for arguments that do not fit together, before anything is written.
      FolderInUseError: the folder holds another run.
      CheckpointMismatchError: the folder's checkpoint is of another model or noise layout.
      InterruptedRunError: a signal stopped the run; the state is saved.
      WorkerFailedError: another worker has ended.
      NonFiniteLossError: the loss became NaN or infinite; the last good state is saved.
    """
    method = method if method is not None else VariationalInference()
    strategy = strategy if strategy is not None else OneDevice()
    _require("strategy", strategy, Strategy, "@Mirrored()")
    _require("data", data, Dataset, "@digits()")
    _require("likelihood", likelihood, Likelihood, "@Categorical()")
    _require("estimator", estimator, Estimator, "@Flipout()")
    _require("optimizer", optimizer, keras.optimizers.Optimizer, "@keras.optimizers.Adam()")
    _require("method", method, Method, "@VariationalInference()")
    if learning_rate is not None:
        _require("learning_rate", learning_rate, Schedule, "@learning_rate/Constant()")
    if probe is not None:
        _require("probe", probe, GradientNoiseProbe, "@GradientNoiseProbe()")
        if strategy.num_replicas > 1:
            raise ValueError(
                f"probe measures gradients on one device, got a strategy of "
                f"{strategy.num_replicas} replicas; use run.probe = None or @OneDevice()."
            )
    _check_numbers(data, num_predict_samples, keep_checkpoints, save_seconds)
    plan = Plan(data.num_train, batch_size, epochs, report_every)
    strategy.check_batch(batch_size)
    trackers = _trackers(tracker, plan.total_steps, strategy.workers)
    keras.utils.set_random_seed(seed)
    with strategy.scope():
        problem = build_problem(data, model, likelihood, estimator, plan, seed, jit_compile)
        check_layers(problem.model, strategy.num_replicas)
        method.variables(problem)  # created here, on all replicas
        optimizer = strategy.adopt(optimizer)
    if learning_rate is not None:
        optimizer.learning_rate = learning_rate.for_keras(plan.total_steps)
    session = Session(
        folder=RunFolder(workdir, _INTERCHANGEABLE),
        data=data,
        problem=problem,
        method=method,
        optimizer=optimizer,
        plan=plan,
        num_predict_samples=num_predict_samples,
        steps_per_call=steps_per_call,
        probe=probe,
        strategy=strategy,
        keep_checkpoints=keep_checkpoints,
        save_seconds=save_seconds,
    )
    if instead is not None:
        return instead(session)
    with strategy.workers.named_failures():
        return _train(session, trackers)


def _train(session: Session, trackers: Trackers) -> dict[str, Any]:
    """Claims the folder, and trains unless the run has ended before."""
    config = gin.operative_config_str()
    folder, workers = session.folder, session.strategy.workers
    finished: dict[str, Any] | None = None
    refused: Exception | None = None
    try:
        if workers.is_chief:
            try:
                folder.open(config)
                finished = folder.finished()
            except (ValueError, OSError) as error:  # raised below, when the others know
                refused = error
        verdict = 2 if refused is not None else 1 if finished is not None else 0
        (verdict,) = workers.from_chief([verdict])
        _require_same_everywhere(workers, folder.same_run(config))
        if refused is not None:
            raise refused
        if verdict == 2:
            raise RuntimeError("worker 0, which keeps the run's folder, refused it; see there.")
        if verdict == 1:
            if finished is not None:
                show_finished(folder.path, finished)
            return finished or {}
        return session.run(config, trackers)
    finally:
        folder.close()


def _require_same_everywhere(workers: Workers, config: str) -> None:
    """Raises ValueError on a worker whose configuration is not the chief's."""
    mine = zlib.crc32(config.encode())
    (chiefs,) = workers.from_chief([mine])
    (different,) = workers.sum([int(chiefs != mine)])
    if different:
        raise ValueError(
            f"all workers must have the same configuration, but that of {different} of "
            f"{workers.count} differs from worker 0's; start them with the same arguments."
        )


def _trackers(
    tracker: Tracker | Sequence[Tracker] | None, total_steps: int, workers: Workers
) -> Trackers:
    """The run's trackers on the chief, none on the other workers."""
    chosen: list[Any] = list(tracker) if isinstance(tracker, (list, tuple)) else [tracker]
    if tracker is None:
        chosen = []
    for one in chosen:
        _require("tracker", one, Tracker, "@WandB()")
    return run_trackers(chosen, total_steps) if workers.is_chief else Trackers([])


def _check_numbers(
    data: Dataset, num_predict_samples: int, keep_checkpoints: int, save_seconds: float
) -> None:
    if not isinstance(num_predict_samples, int) or num_predict_samples < 1:
        raise ValueError(
            f"num_predict_samples must be an integer of at least 1, got {num_predict_samples!r}; "
            "metrics of the posterior need samples, 32 is a good start."
        )
    if data.num_test == 0:
        raise ValueError(
            f"data set {data.name!r} has no test part to evaluate on; hold out some examples."
        )
    if not isinstance(keep_checkpoints, int) or keep_checkpoints < 1:
        raise ValueError(
            f"keep_checkpoints must be an integer of at least 1, got {keep_checkpoints!r}; 3 "
            "leaves two in case the newest is damaged."
        )
    if not save_seconds >= 0:
        raise ValueError(f"save_seconds must be at least 0, got {save_seconds!r}; 60 is usual.")


def build_problem(
    data: Dataset,
    model: Callable[..., keras.Model],
    likelihood: Likelihood,
    estimator: Estimator,
    plan: Plan,
    seed: int,
    jit_compile: bool = True,
) -> Problem:
    """Builds model and likelihood for the data, and checks that the parts fit together.

    Raises:
      ValueError: a likelihood of another task, a model without Bayesian layers, or an estimator
        that cannot serve one of the posteriors.
    """
    if likelihood.task != data.task:
        raise ValueError(
            f"likelihood {type(likelihood).__name__} is for {likelihood.task}, but data set "
            f"{data.name!r} is for {data.task}; use "
            + (
                "bnn.likelihoods.Categorical."
                if data.task == "classification"
                else "bnn.likelihoods.Normal or HeteroscedasticNormal."
            )
        )
    num_targets = data.num_classes or data.num_targets or 1
    likelihood.build(num_targets)
    built = model(data.input_shape, likelihood.num_outputs(num_targets))
    for site in sites(built).values():
        if not site.posterior.deterministic:
            estimator.at(site.labels).check(site.posterior)
    return Problem(
        model=built,
        likelihood=likelihood,
        estimator=estimator,
        num_train=data.num_train,
        total_steps=plan.total_steps,
        seed=seed,
        jit_compile=jit_compile,
    )


def _require(name: str, value: Any, kind: type, example: str) -> None:
    """Raises ValueError for an argument that is not an object of its kind: a class, a number."""
    if not isinstance(value, kind):
        raise ValueError(
            f"{name} must be a {kind.__name__} object, got {value!r}; in gin write for example "
            f"run.{name} = {example}, with the parentheses."
        )
