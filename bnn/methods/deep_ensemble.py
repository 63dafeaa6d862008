"""Ensembles: several members of one method, trained one after the other."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from collections.abc import Iterator, Sequence
from typing import Any

import gin
import keras
import numpy as np
import tensorflow as tf

from bnn.compat import innermost_optimizer, learning_rate_of
from bnn.data import Batch, Batches
from bnn.methods.cost import Cost, described
from bnn.methods.map import MAP
from bnn.methods.members import MemberArchive, Mixture, Values, assign
from bnn.methods.method import Method
from bnn.methods.problem import Problem, check_models
from bnn.noise import Noise
from bnn.posteriors.validation import require_count
from bnn.prediction import Draws, Functions
from bnn.prediction.functions import check_num_samples
from bnn.sites import sites
from bnn.training import Info, Reduce

# Seeds of runs are below it: no two pairs of seed and member share one.
_SEEDS = 2**32


@gin.register(module="bnn.methods")
class DeepEnsemble(Method):
    """p(y | x) = (1/M) Σ_m p(y | x, q_m): M trainings of one method, mixed evenly.

    Lakshminarayanan et al. 2017, of `MAP`; of `SWAG` it is MultiSWAG (Wilson & Izmailov 2020), of
    `VariationalInference` a mixture of its posteriors. Member m has the m-th block of T/M of the
    run's T steps; M members cost M times the epochs of one. It begins with weights of its own, from
    the run's model factory, and a fresh optimizer, whose schedule runs over the block (one of
    Keras's own counts a member's steps); its noise is that of the seed + m 2³², and its batches are
    those of the run's own order. So the first member is, to the bit, a run of its own of T/M steps
    with the same seed.

    When a block ends the member is kept, once, beside the checkpoints. Predictions mix the members
    that are done, and S functions are S // M of each; below M they are the first S members. Of a
    method with a single function a member counts once.

    The KL that a run reports is the last member's. Noise that the likelihood learns is refused:
    every member would learn another, and a prediction has one.

    Args:
      method: of a member, not built; `MAP()` where None. In gin `DeepEnsemble.method = @SWAG()`.
      num_members: M.
    """

    def __init__(self, method: Method | None = None, num_members: int = 5) -> None:
        if method is not None and not isinstance(method, Method):
            raise ValueError(
                f"method must be a method object, got {method!r}; in gin write for example "
                "DeepEnsemble.method = @SWAG(), with the parentheses."
            )
        if isinstance(method, DeepEnsemble):
            raise ValueError("method must not be an ensemble itself; give num_members the product.")
        self.method = method if method is not None else MAP()
        self.num_members = require_count("num_members", num_members)
        self.uses_optimizer = self.method.uses_optimizer
        self.averaged = self.method.averaged
        self.point_weights = self.method.point_weights or isinstance(self.method, MAP)
        self.whole_data = self.method.whole_data
        self.masks_dropout = self.method.masks_dropout

    def build(self, problem: Problem) -> None:
        """Builds the method on the problem's model, and notes every member's first weights.

        Raises:
          ValueError: no model factory, fewer steps than members, noise that is learned, or what
            the method itself refuses.
        """
        self._check(problem)
        self.problem = problem
        self.steps_each = problem.total_steps // self.num_members
        if problem.optimizer is not None:
            inner = innermost_optimizer(problem.optimizer)
            schedule = learning_rate_of(inner)
            if hasattr(schedule, "over"):
                inner.learning_rate = schedule.over(self.steps_each)
        self.method.build(dataclasses.replace(problem, total_steps=self.steps_each))
        self._check_finish()
        self._cost = Cost()
        self._fresh = [v.numpy() for v in self._begun_anew()]
        self._starts = self._first_weights(problem)
        ends = [self.steps_each * m for m in range(1, self.num_members)] + [problem.total_steps]
        self.archive = MemberArchive(self._kept(), ends, self.method.archive, self._begin)

    def _check(self, problem: Problem) -> None:
        if problem.make_model is None:
            raise ValueError(
                "method DeepEnsemble needs problem.make_model, a function that builds another "
                "model with weights of its own, got None."
            )
        if problem.total_steps < self.num_members:
            raise ValueError(
                f"num_members must be at most the run's {problem.total_steps} steps, got "
                f"{self.num_members}; each member has an equal share of the epochs."
            )
        check_models(problem, "num_members", self.num_members)
        if problem.likelihood.trainable_variables:
            raise ValueError(
                f"method DeepEnsemble cannot serve {type(problem.likelihood).__name__} with noise "
                "that is learned: every member would learn another, and predictions have one. Use "
                "HeteroscedasticNormal(), whose noise is an output of the member, or a fixed scale."
            )

    def _check_finish(self) -> None:
        if self.method.finishes:
            raise ValueError(
                f"method DeepEnsemble cannot serve {type(self.method).__name__}, which has work "
                "to do after training, on the last weights alone; use MAP, VariationalInference, a "
                "sampler, or SWAG without BatchNormalization as its method."
            )

    def _first_weights(self, problem: Problem) -> list[list[np.ndarray]]:
        """The values of all of the model's variables at every member's start."""
        assert problem.make_model is not None
        starts = [[v.numpy() for v in problem.model.variables]]
        self._begun_from: list[list[tuple[keras.Variable, Any]]] = [[]]
        for _ in range(1, self.num_members):
            other = problem.make_model()
            starts.append([v.numpy() for v in other.variables])
            self._begun_from.append(self.method.begun_from(other))
        trained = {id(v) for v in problem.model.trainable_variables}
        places = [i for i, v in enumerate(problem.model.variables) if id(v) in trained]
        self.same_starts = any(
            all(np.array_equal(starts[0][i], start[i]) for i in places) for start in starts[1:]
        )
        if self.same_starts:
            logging.getLogger("absl").warning(
                "members of the ensemble begin with the same weights: the model factory gives the "
                "same ones at every call (initializers with a fixed seed, pretrained weights). "
                "They will differ by the order of the data and by noise alone."
            )
        return starts

    def _kept(self) -> list[keras.Variable]:
        """What a member is, when it is done."""
        return [*self.problem.model.variables, *self.method.variables]

    def _begun_anew(self) -> list[keras.Variable]:
        """What begins anew with a member, beside the model."""
        optimizer = self.problem.optimizer
        own = [] if optimizer is None else list(optimizer.variables)
        return [*own, *self.method.variables, *self.problem.likelihood.variables]

    def _begin(self, member: int) -> None:
        """The state at the start of a member."""
        assign(self.problem.model.variables, self._starts[member])
        assign(self._begun_anew(), self._fresh)
        for variable, value in self._begun_from[member]:  # chains, stacks: weights of their own
            variable.assign(value)

    def _of_member(self, noise: Noise) -> Noise:
        """The noise of a member's own step."""
        step = tf.cast(noise.step, tf.int64)
        member = tf.minimum(step // self.steps_each, self.num_members - 1)
        seed = _seed(noise.seed, member)
        return noise.at(seed=seed, step=step - member * self.steps_each)

    @property
    def trained(self) -> Sequence[keras.Variable]:
        """The method's."""
        return self.method.trained

    def loss(self, batch: Batch, noise: Noise, training: bool = True) -> Info:
        """The method's, of the member whose step it is."""
        return self.method.loss(batch, self._of_member(noise), training)

    def gradients(self, batch: Batch, noise: Noise) -> tuple[Info, list[Any]]:
        """The method's, of the member whose step it is."""
        return self.method.gradients(batch, self._of_member(noise))

    def update(self, gradients: Sequence[Any]) -> None:
        """The method's."""
        self.method.update(gradients)

    def step(self, batch: Batch, noise: Noise, reduce: Reduce) -> Info:
        """The method's step of the member whose step it is."""
        info = self.method.step(batch, self._of_member(noise), reduce)
        self._cost.add(batch)
        return info

    def finish(self, batches: Batches) -> None:
        """Nothing: members are kept when their blocks end."""

    def functions(self, num_samples: int, seed: Any) -> Functions:
        """Functions of the members that are done, evenly; of the first one before it is.

        Args:
          num_samples: S.
          seed: int or scalar integer tensor.
        """
        assert isinstance(self.archive, MemberArchive)
        members = self.members()[: check_num_samples(num_samples)]
        if not members:
            if self.method.archive is not None:
                self.method.archive.entries[:] = self.archive.current()
            return self.method.functions(num_samples, seed)
        each = num_samples // len(members)
        found = sites(self.problem.model).values()
        fixed = all(site.posterior.deterministic for site in found)
        functions = []
        with self._as_it_is():
            for number, member in enumerate(members):
                self._load(member)
                drawn = self.method.functions(each, _seed(seed, number))
                if fixed and isinstance(drawn, Draws):  # all the same
                    drawn = self.method.functions(1, _seed(seed, number))
                functions.append(drawn)
        return Mixture(self.problem.model, [member.kept for member in members], functions)

    def members(self) -> list[Values]:
        """The members that are done."""
        assert isinstance(self.archive, MemberArchive)
        return self.archive.members()

    def _load(self, member: Values) -> None:
        assign(self._kept(), member.kept)
        if self.method.archive is not None:
            self.method.archive.entries[:] = member.entries

    @contextlib.contextmanager
    def _as_it_is(self) -> Iterator[None]:
        """Puts back the state that training goes on from."""
        kept = self._kept()
        values = [v.numpy() for v in kept]
        archive = self.method.archive
        entries = [] if archive is None else list(archive.entries)
        try:
            yield
        finally:
            assign(kept, values)
            if archive is not None:
                archive.entries[:] = entries

    def describe(self) -> dict[str, Any]:
        """What the method says, with the ensemble's name, number of members and cost."""
        own = self.method.describe()
        about = {
            **own,
            "method": type(self).__name__,
            "num_members": self.num_members,
            "member": own["method"],
            "posterior": f"{self.num_members} members: {own.get('posterior', '')}",
        }
        if self.archive is None:
            return about
        starts = "the same" if self.same_starts else "different"
        gradients = int(self._cost.examples.numpy()) * own.get("train_samples", 1)
        if "gradient_evaluations" in own:  # a sampler may take more than one gradient a step
            gradients = self._gradients_of_members()
        cost = described(gradients, self.problem.num_train)
        return {**about, "first_weights": starts, **cost}

    def _gradients_of_members(self) -> int:
        """Of the members that are done, by the method's own count."""
        total = 0
        with self._as_it_is():
            for member in self.members():
                self._load(member)
                total += self.method.describe()["gradient_evaluations"]
        return total

    @property
    def variables(self) -> list[keras.Variable]:
        """Carry: the method's own, and the number of gradients."""
        return [*self.method.variables, self._cost.examples]


def _seed(seed: Any, member: Any) -> Any:
    """The seed + member · 2³², modulo 2⁶⁴, as a tensor."""
    if not tf.is_tensor(seed):
        seed = tf.constant((int(seed) + 2**63) % 2**64 - 2**63, tf.int64)
    return tf.cast(seed, tf.int64) + tf.cast(member, tf.int64) * _SEEDS
