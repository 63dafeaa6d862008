"""Ensembles of small models, trained at once in one vectorised computation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gin
import keras
import numpy as np
import tensorflow as tf

from bnn.data import Batch
from bnn.methods.counted import Counted
from bnn.methods.log_joint import check_functions, negative_log_joint
from bnn.methods.map import MAP
from bnn.methods.problem import Problem, check_models
from bnn.noise import Noise
from bnn.posteriors.validation import require_count
from bnn.prediction import Functions, StoredWeights
from bnn.prediction.functions import check_num_samples
from bnn.training import Info, Reduce, Stack, stacked_values
from bnn.training.stacked_steps import require_elementwise


@gin.register(module="bnn.methods")
class StackedEnsemble(Counted, MAP):
    """p(y | x) = (1/M) Σ_m p(y | x, w_m), w_m ← optimizer(∇ L(w_m)), L as of `MAP`, all m at once.

    A deep ensemble (Lakshminarayanan et al. 2017) whose members are one `bnn.training.Stack`: a
    step takes the same batch for all, and every operation does all members. For small models, whose
    time is the overhead of small operations, M members cost little more than one; large ones are
    better served by `DeepEnsemble`. Members begin with weights of their own, from the run's model
    factory, and differ by them alone: the order of the data is one. Each has all T steps, so that a
    run of M members costs M gradients of an example where `MAP` takes one.

    Runs build the model with `Point` posteriors, whatever it asks for; its own weights are those of
    the first member. Layers with statistics or noise of their own are refused, as is noise that the
    likelihood learns: members would learn different ones, and predictions have one.

    Args:
      num_members: M.
    """

    point_weights = True

    def __init__(self, num_members: int = 5) -> None:
        self.num_members = require_count("num_members", num_members)

    def build(self, problem: Problem) -> None:
        """Creates the members' weights.

        Raises:
          ValueError: no model factory, several replicas, an optimizer that would mix the members,
            a layer with a state of its own, noise that is learned.
        """
        name, replicas = type(self).__name__, tf.distribute.get_strategy().num_replicas_in_sync
        if replicas > 1:
            raise ValueError(
                f"method {name} runs on one device, got {replicas} replicas; use run.strategy = "
                "None, or DeepEnsemble."
            )
        if problem.make_model is None:
            raise ValueError(
                f"method {name} needs problem.make_model, a function that builds another model "
                "with weights of its own, got None."
            )
        check_models(problem, "num_members", self.num_members)
        if problem.likelihood.trainable_variables:
            raise ValueError(
                f"method {name} cannot serve {type(problem.likelihood).__name__} with noise that "
                "is learned: every member would learn another, and predictions have one. Use "
                "HeteroscedasticNormal(), whose noise is an output of the member, or a fixed scale."
            )
        check_functions(problem.model, name)
        if problem.optimizer is not None:
            require_elementwise(problem.optimizer)
        begin = self._begin(problem, problem.model)
        self._stack = Stack(problem.model.trainable_variables, begin)
        super().build(problem)

    def _begin(self, problem: Problem, first: keras.Model) -> list[np.ndarray]:
        """Values `[M, …]`: the first of this model, the others of models of their own."""
        assert problem.make_model is not None
        others = [problem.make_model() for _ in range(self.num_members - 1)]
        for model in others:
            _require_equal(first, model, type(self).__name__)
        return stacked_values([model.trainable_variables for model in (first, *others)])

    def begun_from(self, model: keras.Model) -> list[tuple[keras.Variable, Any]]:
        """The members' weights."""
        return list(zip(self._stack.values, self._begin(self.problem, model), strict=True))

    @property
    def trained(self) -> Sequence[keras.Variable]:
        """The members' weights, `[M, …]` each."""
        return self._stack.values

    def loss(self, batch: Batch, noise: Noise, training: bool = True) -> Info:
        """The negative log joint per example, the mean over the members; terms as of `MAP`."""
        each = self._stack.map(lambda: negative_log_joint(self.problem, batch, noise, training))
        return tf.nest.map_structure(tf.reduce_mean, each)

    def gradients(self, batch: Batch, noise: Noise) -> tuple[Info, list[Any]]:
        """What the loss says, and every member's own gradient, `[M, …]`."""

        def member() -> tuple[Info, list[Any]]:
            values = [v.value for v in self._stack.variables]
            with tf.GradientTape() as tape:
                tape.watch(values)
                info = negative_log_joint(self.problem, batch, noise)
            found = tape.gradient(info.loss, values, unconnected_gradients="zero")
            return info, [tf.convert_to_tensor(gradient) for gradient in found]

        infos, gradients = self._stack.map(member)
        return tf.nest.map_structure(tf.reduce_mean, infos), gradients

    @property
    def gradients_each(self) -> int:
        """One by member."""
        return self.num_members

    def step(self, batch: Batch, noise: Noise, reduce: Reduce) -> Info:
        """A step of the optimizer, of all members."""
        info = super().step(batch, noise, reduce)
        for variable, value in zip(self._stack.variables, self._stack.values, strict=True):
            variable.assign(value[0])
        return info

    def functions(self, num_samples: int, seed: Any) -> Functions:
        """The members, at most S of them.

        Args:
          num_samples: S.
          seed: without effect, nothing is drawn.
        """
        del seed
        count = check_num_samples(num_samples)
        values = [tf.convert_to_tensor(v)[:count] for v in self._stack.values]
        return StoredWeights(self._stack.variables, values)

    def describe(self) -> dict[str, Any]:
        """Name, members, and the cost."""
        about = {
            "method": type(self).__name__,
            "num_members": self.num_members,
            "posterior": f"{self.num_members} members at once: their modes",
        }
        if not hasattr(self, "problem"):
            return about
        return {**about, **self.cost()}

    @property
    def variables(self) -> list[keras.Variable]:
        """The members' weights, and the number of gradients."""
        return [*self._stack.values, *super().variables]


def _require_equal(first: keras.Model, other: keras.Model, name: str) -> None:
    """ValueError where a member's frozen variables differ: all members have those of the first."""
    pairs = zip(first.non_trainable_variables, other.non_trainable_variables, strict=True)
    for one, another in pairs:
        if not np.array_equal(one.numpy(), another.numpy()):
            raise ValueError(
                f"method {name} needs models whose frozen variables are equal, for one serves "
                f"all members, but {one.path} is begun at random; train it, load it, or use "
                "DeepEnsemble."
            )
