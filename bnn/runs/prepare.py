"""From a run's arguments to its parts, checked before anything is written."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gin
import keras

from bnn.data import Dataset
from bnn.likelihoods import Likelihood
from bnn.methods import GradientNoiseProbe, Method, Problem
from bnn.posteriors import points
from bnn.runs.checks import check_numbers, require
from bnn.runs.folder import Identity, RunFolder
from bnn.runs.identity import describe, fingerprint
from bnn.runs.session import Session
from bnn.runs.tasks import check_outputs, check_task, num_targets, output_size
from bnn.schedules import Schedule
from bnn.training import OneDevice, Plan, Strategy, check_layers

# What may change when a run is resumed or evaluated again: where it trains and how it is judged,
# not what it is. Names of arguments, and prefixes of lines of a configuration.
NOT_IDENTITY = (
    *("workdir", "strategy", "steps_per_call", "save_seconds", "keep_checkpoints"),
    *("num_predict_samples", "tracker", "instead"),
)
_INTERCHANGEABLE = (
    *(f"run.{name} " for name in NOT_IDENTITY),
    *("OneDevice.", "Mirrored.", "MultiWorker.", "WandB.", "TensorBoard.", "Console.", "Jsonl."),
)


def run_folder(workdir: str | Path) -> RunFolder:
    """The folder of a run, which knows what may change between the run's parts."""
    return RunFolder(workdir, _INTERCHANGEABLE)


def prepare(  # noqa: D417  (arguments stand in bnn.experiment.run)
    workdir: str | Path,
    *,
    data: Dataset,
    model: Callable[..., keras.Model],
    likelihood: Likelihood,
    method: Method,
    epochs: float,
    batch_size: int,
    optimizer: keras.optimizers.Optimizer | None = None,
    learning_rate: Schedule | None = None,
    report_every: float = 1.0,
    num_predict_samples: int = 32,
    seed: int = 0,
    probe: GradientNoiseProbe | None = None,
    steps_per_call: int = 1000,
    jit_compile: bool = True,
    strategy: Strategy | None = None,
    keep_checkpoints: int = 3,
    save_seconds: float = 60.0,
    given: Sequence[str] = (),
) -> Session:
    """Builds everything of a run; arguments as in `bnn.experiment.run`.

    Args:
      given: names of the arguments that were given in Python, and are no part of gin's
        configuration.

    Raises:
      ValueError: for arguments that do not fit together; the message has the remedy.
    """
    arguments = dict(locals())
    strategy = strategy if strategy is not None else OneDevice()
    _check_kinds(strategy, data, likelihood, method, optimizer, learning_rate)
    if probe is not None:
        _check_probe(probe, method, strategy)
    check_numbers(arguments)
    plan = Plan(data.num_train, _step_size(method, data, batch_size), epochs, report_every)
    strategy.check_batch(plan.batch_size)
    check_task(data, likelihood)
    described, digests = _descriptions(arguments, given), fingerprint(data)
    keras.utils.set_random_seed(seed)
    of_targets = num_targets(data)
    num_outputs = likelihood.num_outputs(of_targets)
    with strategy.scope():
        likelihood.build(of_targets)
        make_model = _factory(functools.partial(model, data.input_shape, num_outputs), method)
        built = make_model()
        check_outputs(built, likelihood)
        check_layers(built, strategy.num_replicas)
        adopted = _adopted(strategy, optimizer, learning_rate, plan.total_steps)
        sizes = data.num_train, plan.total_steps, seed
        method.build(Problem(built, likelihood, *sizes, adopted, jit_compile, make_model))
        method.variables  # noqa: B018  (created here, on all replicas)
    return Session(
        folder=run_folder(workdir),
        # Now, because building has shown which of the model's own parameters are in use.
        identity=Identity(gin.operative_config_str(), described, digests),
        data=data,
        method=method,
        plan=plan,
        strategy=strategy,
        num_predict_samples=num_predict_samples,
        num_outputs=output_size(built, num_outputs),
        steps_per_call=steps_per_call,
        probe=probe,
        keep_checkpoints=keep_checkpoints,
        save_seconds=save_seconds,
    )


def _step_size(method: Method, data: Dataset, batch_size: int) -> int:
    """Examples of a step."""
    return data.num_train if method.whole_data else batch_size


def _factory(model: Callable[[], keras.Model], method: Method) -> Callable[[], keras.Model]:
    """The model's factory, whose posteriors are points where the method samples weights itself."""
    return points()(model) if method.point_weights else model


def _check_kinds(
    strategy: Any, data: Any, likelihood: Any, method: Any, optimizer: Any, learning_rate: Any
) -> None:
    require("strategy", strategy, Strategy, "@Mirrored()")
    require("data", data, Dataset, "@digits()")
    require("likelihood", likelihood, Likelihood, "@Categorical()")
    require("method", method, Method, "@VariationalInference()")
    if optimizer is not None:
        require("optimizer", optimizer, keras.optimizers.Optimizer, "@keras.optimizers.Adam()")
    if learning_rate is not None:
        require("learning_rate", learning_rate, Schedule, "@learning_rate/Constant()")


def _check_probe(probe: Any, method: Method, strategy: Strategy) -> None:
    require("probe", probe, GradientNoiseProbe, "@GradientNoiseProbe()")
    probe.check(method)
    if strategy.num_replicas > 1:
        raise ValueError(
            f"probe measures gradients on one device, got a strategy of "
            f"{strategy.num_replicas} replicas; use run.probe = None or @OneDevice()."
        )


def _adopted(
    strategy: Strategy,
    optimizer: keras.optimizers.Optimizer | None,
    learning_rate: Schedule | None,
    total_steps: int,
) -> keras.optimizers.Optimizer | None:
    """The replicas' optimizer with its schedule."""
    if optimizer is None:
        return None
    adopted = strategy.adopt(optimizer)
    if learning_rate is not None:
        adopted.learning_rate = learning_rate.for_keras(total_steps)
    return adopted


def _descriptions(arguments: dict[str, Any], given: Sequence[str]) -> dict[str, Any]:
    """What was given in Python and makes the run what it is, by name."""
    names = sorted(set(given) - set(NOT_IDENTITY))
    described = {name: describe(name, arguments[name]) for name in names if name != "data"}
    if "data" in names:  # its fingerprint is a file of its own
        described["data"] = arguments["data"].name
    return described
