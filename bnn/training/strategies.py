"""Where a run trains: one device, the devices of one process, or several processes."""

from __future__ import annotations

import contextlib
import json
import logging
import math
import os
from typing import Any

import gin
import keras
import tensorflow as tf

from bnn.compat import adopt_reduced_gradients
from bnn.training.peers import check_addresses, meet
from bnn.training.workers import Workers

# TensorFlow fixes devices and collectives when it starts: one strategy serves a whole process,
# however often its description is built from a configuration.
_STARTED: dict[str, tf.distribute.Strategy] = {}


class Strategy:
    """How many replicas train one model, and how they draw.

    Every replica computes the objective of its share of the global batch. The shares are equal, so
    that loss and gradient of the global batch are the means of the R replicas' own,

        (1/R) Σ_r [NLL(share r) + λ KL / N] = NLL(batch) + λ KL / N,

    with the KL counted once whatever R is. With `shared_noise` all replicas use one draw, and the
    noise of an example depends on its place in the global batch: loss and gradient are those of one
    device to rounding, for every estimator. That holds for the score function too: its gradient
    (1/S) Σₛ wₛ [∇fₛ + (fₛ − bₛ) ∇scoreₛ] is affine in f for baselines that are affine in it, as all
    of `bnn.estimators` are with their state and score norms, which the replicas have in common.
    Without it every replica has a draw of its own: the mean over replicas has less variance, and
    the numbers depend on R.

    Args:
      shared_noise: all replicas share one draw.
    """

    distributed: tf.distribute.Strategy | None = None

    def __init__(self, shared_noise: bool = False) -> None:
        self.shared_noise = bool(shared_noise)
        self.workers = Workers()

    @property
    def num_replicas(self) -> int:
        """R, over all processes."""
        return self.distributed.num_replicas_in_sync if self.distributed is not None else 1

    def check_workers(self) -> None:
        """Raises ValueError where `TF_CONFIG` names more workers than train together."""
        try:
            addresses, _ = _cluster(os.environ.get("TF_CONFIG"))
        except ValueError:  # not set, or of another program
            return
        if len(addresses) > self.workers.count:
            raise ValueError(
                f"strategy must be MultiWorker where TF_CONFIG names {len(addresses)} workers, got "
                f"{type(self).__name__}: each of them would train the whole run in the same "
                "folder. Bind run.strategy = @MultiWorker(), or start one process."
            )

    def scope(self) -> Any:
        """A context in which variables are created for all replicas."""
        return (
            self.distributed.scope() if self.distributed is not None else contextlib.nullcontext()
        )

    def describe(self) -> dict[str, Any]:
        """What a checkpoint must know: resuming elsewhere is exact with one noise layout only."""
        alike = self.num_replicas == 1 or self.shared_noise
        return {"noise": "shared" if alike else f"independent on {self.num_replicas} replicas"}

    def adopt(self, optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
        """The optimizer with its variables on all replicas; call in `scope`.

        It takes gradients that are reduced already: Keras would clip those of a replica, and sum
        after that.
        """
        if self.distributed is None:
            return optimizer
        copy = type(optimizer).from_config(optimizer.get_config())
        adopt_reduced_gradients(copy)
        return copy

    def check_batch(self, batch_size: int) -> None:
        """Raises ValueError for a global batch that cannot be shared out equally."""
        if batch_size % self.num_replicas:
            lower = batch_size - batch_size % self.num_replicas
            raise ValueError(
                f"batch_size must be a multiple of the {self.num_replicas} replicas, among which "
                f"the global batch is shared out, got {batch_size}; use "
                f"{lower or self.num_replicas} or {lower + self.num_replicas}."
            )


@gin.register(module="bnn.training")
class OneDevice(Strategy):
    """One GPU or the CPU: the whole training loop is one compiled call."""


@gin.register(module="bnn.training")
class Mirrored(Strategy):
    """All devices of this process: its GPUs, or `logical_cpus` parts of its CPU.

    Args:
      logical_cpus: replicas on the CPU, which make nothing faster and the rest testable; the GPUs
        where None.
      shared_noise: see `Strategy`.
    """

    def __init__(self, logical_cpus: int | None = None, shared_noise: bool = False) -> None:
        super().__init__(shared_noise)
        if logical_cpus is not None:
            if not isinstance(logical_cpus, int) or not 1 <= logical_cpus <= 64:
                raise ValueError(
                    f"logical_cpus must be an integer from 1 to 64 or None, got {logical_cpus!r}."
                )
            _split_cpu(logical_cpus)
            devices = [f"/cpu:{i}" for i in range(logical_cpus)]
        else:
            count = len(tf.config.list_physical_devices("GPU"))
            devices = [f"/gpu:{i}" for i in range(count)]
            if not devices:
                logging.getLogger("absl").warning(
                    "Mirrored found no GPU and trains on one device; Mirrored.logical_cpus = 2 "
                    "gives two replicas on the CPU."
                )
        if len(devices) > 1:
            self.distributed = _start(
                f"Mirrored over {len(devices)} devices",
                lambda: tf.distribute.MirroredStrategy(devices),
            )


@gin.register(module="bnn.training")
class MultiWorker(Strategy):
    """All devices of several processes, which the variable `TF_CONFIG` describes.

    `python -m launch.local` and `python -m launch.slurm` set the variable and start the processes.
    Worker 0 alone keeps the run's folder: a checkpoint is read by it and sent to the others.

    Args:
      shared_noise: see `Strategy`.
      start_timeout: seconds in which every other worker must listen at its address; 0: it waits
        for ever.

    Raises:
      ValueError: TF_CONFIG is missing, its addresses cannot be right, or the time is no number.
      TimeoutError: a worker did not come.
    """

    def __init__(self, shared_noise: bool = False, start_timeout: float = 600.0) -> None:
        super().__init__(shared_noise)
        if not 0 <= start_timeout < math.inf:
            raise ValueError(
                f"start_timeout must be seconds of at least 0, got {start_timeout!r}; 600 is usual."
            )
        addresses, index = _cluster(os.environ.get("TF_CONFIG"))
        check_addresses(addresses)
        key = f"MultiWorker over {len(addresses)} workers"
        if key not in _STARTED:
            meet(addresses, index, start_timeout)
        strategy = _start(key, tf.distribute.MultiWorkerMirroredStrategy)
        self.distributed = strategy if strategy.num_replicas_in_sync > 1 else None
        self.workers = Workers(self.distributed, index, addresses)


def _start(key: str, make: Any) -> tf.distribute.Strategy:
    if key not in _STARTED:
        if _STARTED:
            raise RuntimeError(
                f"strategy: this process trains with {next(iter(_STARTED))} and cannot change to "
                f"{key}; start another process."
            )
        _STARTED[key] = make()
    return _STARTED[key]


def _split_cpu(count: int) -> None:
    """Makes the CPU so many logical devices; RuntimeError where TensorFlow has started already."""
    (cpu,) = tf.config.list_physical_devices("CPU")
    try:
        tf.config.set_logical_device_configuration(
            cpu, [tf.config.LogicalDeviceConfiguration() for _ in range(count)]
        )
    except RuntimeError:
        have = len(tf.config.list_logical_devices("CPU"))
        if have < count:
            raise RuntimeError(
                f"logical_cpus must be set before TensorFlow has started: it has {have} logical "
                f"CPU devices, got {count}; build the strategy first in a process of its own."
            ) from None


def _cluster(text: str | None) -> tuple[list[str], int]:
    """Addresses of all workers and the index of this one; ValueError for an unusable TF_CONFIG."""
    if not text:
        raise ValueError(
            "MultiWorker needs the variable TF_CONFIG, which is not set; start the workers with "
            "python -m launch.local --workers=2 -- <arguments>, or use run.strategy = @OneDevice()."
        )
    try:
        config = json.loads(text)
        addresses, task = list(config["cluster"]["worker"]), config["task"]
        index = int(task["index"])
        usable = task["type"] == "worker" and 0 <= index < len(addresses)
    except (ValueError, TypeError, KeyError):
        usable = False
    if not usable:
        raise ValueError(
            'TF_CONFIG must be {"cluster": {"worker": ["host:port", …]}, "task": {"type": '
            f'"worker", "index": 0}}}}, got {text!r}; the launchers write it.'
        )
    return addresses, index
