"""The root of a run: receives built objects, trains, evaluates and reports."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gin
import keras

from bnn import gin_externals  # noqa: F401  (registers Keras's optimizers)
from bnn.data import Dataset
from bnn.estimators import Estimator
from bnn.inference import GradientNoiseProbe, Method, Problem, VariationalInference
from bnn.kl import sites
from bnn.likelihoods import Likelihood
from bnn.schedules import Schedule
from bnn.session import Session, show_finished
from bnn.tracking import Tracker, run_trackers
from bnn.training import Plan, RunFolder


@gin.configurable(module="bnn.experiment")
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
    steps_per_call: int = 100,
    jit_compile: bool = True,
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
      steps_per_call: steps in one compiled call.
      jit_compile: compile training and prediction with XLA. It wins for dense networks; on CPUs
        it loses for convolutions, whose gradients XLA runs without the vendor's kernels.

    Returns:
      What `results.json` holds.

    Raises:
      ValueError: for arguments that do not fit together, before anything is written.
      FolderInUseError: the folder holds another run.
      InterruptedRunError: a signal stopped the run; the state is saved.
      NonFiniteLossError: the loss became NaN or infinite; the last good state is saved.
    """
    method = method if method is not None else VariationalInference()
    _require("data", data, Dataset, "@digits()")
    _require("likelihood", likelihood, Likelihood, "@Categorical()")
    _require("estimator", estimator, Estimator, "@Flipout()")
    _require("optimizer", optimizer, keras.optimizers.Optimizer, "@keras.optimizers.Adam()")
    _require("method", method, Method, "@VariationalInference()")
    if learning_rate is not None:
        _require("learning_rate", learning_rate, Schedule, "@learning_rate/Constant()")
    chosen: list[Any] = list(tracker) if isinstance(tracker, (list, tuple)) else [tracker]
    if tracker is None:
        chosen = []
    for one in chosen:
        _require("tracker", one, Tracker, "@WandB()")
    if probe is not None:
        _require("probe", probe, GradientNoiseProbe, "@GradientNoiseProbe()")
    if not isinstance(num_predict_samples, int) or num_predict_samples < 1:
        raise ValueError(
            f"num_predict_samples must be an integer of at least 1, got {num_predict_samples!r}; "
            "metrics of the posterior need samples, 32 is a good start."
        )
    if data.num_test == 0:
        raise ValueError(
            f"data set {data.name!r} has no test part to evaluate on; hold out some examples."
        )
    plan = Plan(data.num_train, batch_size, epochs, report_every)
    trackers = run_trackers(chosen, plan.total_steps)
    keras.utils.set_random_seed(seed)
    problem = build_problem(data, model, likelihood, estimator, plan, seed, jit_compile)
    if learning_rate is not None:
        optimizer.learning_rate = learning_rate.for_keras(plan.total_steps)
    session = Session(
        folder=RunFolder(workdir),
        data=data,
        problem=problem,
        method=method,
        optimizer=optimizer,
        plan=plan,
        num_predict_samples=num_predict_samples,
        steps_per_call=steps_per_call,
        probe=probe,
    )
    config = gin.operative_config_str()
    try:
        session.folder.open(config)
        finished = session.folder.finished()
        if finished is not None:
            show_finished(session.folder.path, finished)
            return finished
        return session.run(config, trackers)
    finally:
        session.folder.close()


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
