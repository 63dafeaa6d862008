"""Markov chains on all the data: starts, descents, steps, and what their samples say."""

from __future__ import annotations

import abc
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bnn.compat import substituted
from bnn.data import Batch
from bnn.formatting import is_number
from bnn.methods.beginnings import Members, members_of
from bnn.methods.log_joint import negative_log_joint
from bnn.methods.problem import Problem, check_models
from bnn.methods.sampler import Sampler
from bnn.metrics import effective_sample_size, r_hat
from bnn.noise import Noise, Purpose
from bnn.sites import sites
from bnn.training import Info
from bnn.training.stepper import Reduce

# Of which effective sample sizes are told: that of millions takes minutes.
_MOST_COLUMNS = 1000
# Gradients of all data in one step of a chain: more is a step that does not end.
MOST_GRADIENTS = 100_000


class ChainSampler(Sampler):
    """C chains on all the data; a step of the run is a transition of every chain.

    A run takes all examples in every step, whatever its `batch_size`, and so an epoch is a step: a
    transition, or while the run's optimizer descends (`warm_start`), one gradient. Each chain has a
    start of its own and descends by itself, so that C chains begin as a deep ensemble of C members:
    the warm start of Sommer et al. 2024. Or they begin at the `members` of an ensemble that has
    been trained already, chain c at member c, without a descent. Metrics are means over the chains.
    What has no prior, a learned level of noise or a learned prior, is fitted in the descents, to
    all chains together, and held after them. The model's own weights are those of the first chain.
    """

    whole_data = True

    def __init__(
        self,
        step_size: float,
        num_chains: int,
        temperature: float,
        warm_start: float,
        burn_in: float,
        thinning: int | None,
        members: Members | None = None,
    ) -> None:
        if members is not None:
            warm_start = 0.0
        super().__init__(step_size, temperature, warm_start, burn_in, thinning)
        if not is_number(step_size):
            raise ValueError(
                f"step_size must be a number, got {step_size!r}: it is where the adaptation begins."
            )
        if not temperature > 0:
            raise ValueError(f"temperature must be positive, got {temperature}.")
        if isinstance(num_chains, bool) or not isinstance(num_chains, int) or num_chains < 1:
            raise ValueError(f"num_chains must be an integer of at least 1, got {num_chains!r}.")
        self.num_chains, self.members = num_chains, members
        self._first_size = float(step_size)

    def create(self, problem: Problem) -> None:
        """The chains' states, `[C, D]`.

        Raises:
          ValueError: several replicas; several chains of a problem that cannot make another model;
            fewer members than chains, or of another kind.
        """
        name = type(self).__name__
        if self._replicas > 1:
            raise ValueError(
                f"method {name} takes all the data in every step, on one device, got a strategy of "
                f"{self._replicas} replicas; use run.strategy = @OneDevice(), or SGHMC."
            )
        known = {id(v) for v in self.weights}
        self._others = [v for v in problem.trained if id(v) not in known]
        if self.num_chains > 1 and problem.make_model is None and self.members is None:
            raise ValueError(
                f"num_chains must be 1 for a problem without make_model, got {self.num_chains}: "
                "every chain has a start of its own."
            )
        check_models(problem, "num_chains", self.num_chains)
        begin = self._begin(problem, self.weights)
        self._chains = keras.Variable(begin, name="chains")
        if self.members is not None:
            for weight, value in zip(self.weights, self._by_weight(begin[0]), strict=True):
                weight.assign(value)
        self._log_joints = keras.Variable(np.zeros(self.num_chains), trainable=False, name="joints")

    def _begin(self, problem: Problem, first: Sequence[keras.Variable]) -> np.ndarray:
        """States `[C, D]`: the members', or the first of these weights, the others of models."""
        if self.members is not None:
            return self._at_members(problem)
        starts = [first]
        for _ in range(self.num_chains - 1):
            assert problem.make_model is not None
            starts.append(_weights_of(problem.make_model()))
        return np.stack([np.concatenate([np.ravel(v.numpy()) for v in s]) for s in starts])

    def _at_members(self, problem: Problem) -> np.ndarray:
        name = type(self).__name__
        folder = self.members
        if isinstance(folder, (str, Path)) and not Path(folder).is_dir():
            # A run that goes on, or is restored, has its chains in the checkpoint.
            size = sum(math.prod(w.shape) for w in self.weights)
            return np.full((self.num_chains, size), np.nan, np.float32)
        assert folder is not None
        found = members_of(folder, problem.model, self.weights, name)
        if len(found) < self.num_chains:
            raise ValueError(
                f"num_chains of method {name} must be at most the {len(found)} members that they "
                f"begin at, got {self.num_chains}."
            )
        return found[: self.num_chains]

    def _require_begun(self) -> None:
        """FileNotFoundError where chains have no beginning, for the members' folder is gone."""
        if not isinstance(self.members, (str, Path)) or Path(self.members).is_dir():
            return
        with tf.init_scope():
            lost = bool(tf.reduce_any(tf.math.is_nan(self._chains.value)))
        if lost:
            members_of(self.members, self.problem.model, self.weights, type(self).__name__)

    def begun_from(self, model: keras.Model) -> list[tuple[keras.Variable, Any]]:
        """The chains' states, where they begin as models do."""
        if self.members is not None:
            return []
        return [(self._chains, self._begin(self.problem, _weights_of(model)))]

    @property
    def size(self) -> int:
        """D."""
        return int(self._chains.shape[1])

    @property
    def stored(self) -> Sequence[keras.Variable]:
        """The chains' states, and their log joints."""
        return [self._chains, self._log_joints]

    @property
    def trained(self) -> Sequence[keras.Variable]:
        """The chains' states, and in a run with a descent what it learns beside them."""
        return [self._chains, *(self._others if self.warm_steps else [])]

    def loss(self, batch: Batch, noise: Noise, training: bool = True) -> Info:
        """−log p(w, y) / N, see `negative_log_joint`: the mean over the chains."""
        self._require_begun()
        chains = tf.unstack(tf.convert_to_tensor(self._chains))
        each = [self._joint(chain, batch, noise, training) for chain in chains]
        return tf.nest.map_structure(lambda *values: tf.add_n(values) / len(values), *each)

    def _joint(self, chain: tf.Tensor, batch: Batch, noise: Noise, training: bool = True) -> Info:
        with substituted(zip(self.weights, self._by_weight(chain), strict=True)):
            return negative_log_joint(self.problem, batch, noise, training)

    def _by_weight(self, chain: Any) -> list[Any]:
        """States `[…, D]` as values of the weights, `[…, *shape]`."""
        shapes = [tuple(w.shape) for w in self.weights]
        ends = np.cumsum([math.prod(shape) for shape in shapes])
        parts = zip([0, *ends[:-1]], ends, shapes, strict=True)
        leading = tuple(chain.shape[:-1])
        return [chain[..., a:b].reshape(*leading, *s) if isinstance(chain, np.ndarray)
                else tf.reshape(chain[..., a:b], (*leading, *s)) for a, b, s in parts]  # fmt: skip

    def step(self, batch: Batch, noise: Noise, reduce: Reduce) -> Info:
        """A step of the descent, or a transition; the loss is that before it."""
        del reduce  # one device
        size = tf.nest.flatten(batch.inputs)[0].shape[0]
        if size != self.problem.num_train:
            raise ValueError(
                f"method {type(self).__name__} needs all {self.problem.num_train} examples in "
                f"every step, got batches of {size}; set batch_size to that number."
            )
        names: list[str] = []

        def log_joint(state: tf.Tensor) -> tf.Tensor:
            energies = [self._joint(chain, batch, noise).loss for chain in tf.unstack(state)]
            return tf.stack(energies) * (-self.problem.num_train / self.temperature)

        def said(info: Info, measures: list[tf.Tensor]) -> list[tf.Tensor]:
            names[:] = info.metrics
            return [info.loss, *info.metrics.values(), *measures]

        def descend() -> list[tf.Tensor]:
            info, (slope, *others) = self.gradients(batch, noise)
            self.update([self.num_chains * slope, *others])
            self._cost.spend(self.num_chains * self.problem.num_train)
            return said(info, [tf.zeros([]) for _ in self.measures])

        def transit() -> list[tf.Tensor]:
            info = self.loss(batch, noise)
            own = noise.at(purpose=Purpose.METHOD, sample=0, replica=0, example_offset=0)
            gradients, measures = self.transition(log_joint, own)
            self._cost.spend(self.problem.num_train * tf.cast(gradients, tf.int64))
            return said(info, measures)

        descends = noise.step < self.warm_steps
        loss, *values = tf.cond(descends, descend, transit) if self.warm_steps else transit()
        for weight, value in zip(self.weights, self._by_weight(self._chains[0]), strict=True):
            weight.assign(value)
        return Info(loss, dict(zip([*names, *self.measures], values, strict=True)))

    def move(self, slopes: list[tf.Tensor], noise: Noise) -> list[tf.Tensor]:
        """A chain on all the data takes its own gradients, see `transition`."""
        raise NotImplementedError

    @abc.abstractmethod
    def transition(
        self, log_joint: Callable[[tf.Tensor], tf.Tensor], noise: Noise
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """A transition of all chains in place.

        Args:
          log_joint: states `[C, D]` to `[C]`, over the temperature.
          noise: of the step, for this purpose.

        Returns:
          The gradients that it took, over all chains, a scalar integer, and the `measures`.
        """

    def samples(self) -> list[np.ndarray]:
        """The stored samples of every weight, `[samples, …]`, chain after chain."""
        assert self.archive is not None
        chains = np.swapaxes(self.archive.stacked()[0], 0, 1)  # [C, n, D]
        return self._by_weight(chains.reshape(-1, chains.shape[2]))

    def to_arviz(self) -> Any:
        """The samples as ArviZ takes them, for its R̂, effective sizes and plots.

        Groups `posterior`, a variable `[chain, draw, …]` by weight, and `sample_stats` with `lp`,
        the log joint in nats.

        Raises:
          ImportError: ArviZ is not there.
          RuntimeError: there are no samples yet.
        """
        if self.archive is None or not self.archive.entries:
            raise RuntimeError(f"{type(self).__name__} has no samples yet: end the burn-in.")
        try:
            from arviz_base import from_dict
        except ImportError as missing:
            raise ImportError(
                "to_arviz needs ArviZ, which is not installed; install it with pip install arviz."
            ) from missing
        states, joints = self.archive.stacked()
        by_weight = self._by_weight(np.swapaxes(states, 0, 1))
        names = [weight.path for weight in self.weights]
        return from_dict(
            {
                "posterior": dict(zip(names, by_weight, strict=True)),
                "sample_stats": {"lp": joints.T},
            }
        )

    def describe(self) -> dict[str, Any]:
        """See `Sampler.describe`; the chains' R̂ and effective sample sizes."""
        about = super().describe() | {"num_chains": self.num_chains}
        if self.members is not None:
            about["chains_begin"] = "at an ensemble's members"
        if self.archive is None or len(self.archive.entries) < 4:
            return about
        states, joints = self.archive.stacked()
        every = -(-states.shape[2] // _MOST_COLUMNS)
        series = {"log joint": joints[..., np.newaxis], "weights": states[..., ::every]}
        return about | {"chains": {name: _mixing(values) for name, values in series.items()}}

    @property
    def variables(self) -> list[keras.Variable]:
        """States, log joints, and the number of gradients."""
        return [*super().variables, self._chains, self._log_joints]


def _weights_of(model: keras.Model) -> list[keras.Variable]:
    return [v for site in sites(model).values() for v in site.posterior.variables if v.trainable]


def _mixing(chains: np.ndarray) -> dict[str, Any]:
    """Largest R̂, least and median effective sample size of columns, `[n, C, k]`."""
    hats = r_hat(chains)
    sizes = sum(effective_sample_size(chain) for chain in np.swapaxes(chains, 0, 1))
    moving = hats[np.isfinite(hats)]
    return {
        "r_hat": float(moving.max()) if len(moving) else None,
        "least_effective_samples": float(np.min(sizes)),
        "median_effective_samples": float(np.median(sizes)),
    }
