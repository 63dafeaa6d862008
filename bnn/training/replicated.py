"""Optimisation steps on several replicas, in one call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from bnn.training.steps import History, IndexFunction, check_num_steps
from bnn.training.strategies import Strategy

# (inputs [B/R, …], targets [B/R, …], step, replica, example_offset) -> terms, as in `steps`
ReplicaLoss = Callable[[tf.Tensor, tf.Tensor, tf.Tensor, Any, Any], Any]
_MEAN = tf.distribute.ReduceOp.MEAN


class ReplicaTerms(NamedTuple):
    """The objective's terms for the global batch, as in `bnn.objectives`."""

    loss: tf.Tensor
    nll: tf.Tensor
    kl: tf.Tensor
    kl_by_site: dict[str, tf.Tensor]


class ReplicatedSteps:
    """`TrainingSteps` for R replicas: each takes its share of every batch.

    A replica's forward and backward pass is one function of values to values, compiled with XLA:
    variables are read before and written after it, because neither communication between replicas
    nor their variables can be compiled. Gradients, terms, and the state that the pass changes
    (baselines) are averaged over the replicas; clipping and the update follow, so that they see the
    gradient of the global batch.

    Args:
      loss: differentiable objective of a replica's share.
      indices: the training examples of each step, global batches.
      inputs: all training inputs, `[N, …]`.
      targets: all training targets, `[N]` or `[N, D]`.
      optimizer: adopted by the strategy, built on `variables` here.
      variables: what is trained, created in the strategy's scope.
      state: other variables that the loss changes.
      strategy: with more than one replica.
      steps_per_call: K, the most steps of one call.
      jit_compile: compile the passes with XLA.
    """

    def __init__(
        self,
        loss: ReplicaLoss,
        indices: IndexFunction,
        inputs: np.ndarray,
        targets: np.ndarray,
        optimizer: keras.optimizers.Optimizer,
        variables: Sequence[keras.Variable],
        state: Sequence[keras.Variable],
        strategy: Strategy,
        *,
        steps_per_call: int = 100,
        jit_compile: bool = True,
    ) -> None:
        assert strategy.distributed is not None
        if steps_per_call < 1:
            raise ValueError(f"steps_per_call must be at least 1, got {steps_per_call}.")
        self._loss = loss
        self._inputs, self._targets = tf.constant(inputs), tf.constant(targets)
        self._optimizer = optimizer
        self._variables, self._state = list(variables), list(state)
        self._shared = strategy.shared_noise
        self._num_replicas = strategy.num_replicas
        self._strategy = strategy.distributed
        self.steps_per_call = int(steps_per_call)
        self._indices = tf.function(indices, autograph=False, jit_compile=True)
        self._names: tuple[str, ...] = ()
        self._connected: list[bool] = []
        self._changed: list[int] = []
        with self._strategy.scope():
            optimizer.build(self._variables)
        # A copy of the data on every device, so that a step moves nothing but its indices.
        self._data = tuple(
            self._strategy.experimental_distribute_values_from_function(
                lambda _, part=part: tf.identity(part)
            )
            for part in (self._inputs, self._targets)
        )
        self._pass = tf.function(self._forward_backward, autograph=False, jit_compile=jit_compile)
        self._run = tf.function(self._loop, autograph=False)

    def __call__(self, first_step: int, num_steps: int) -> History:
        """Runs `num_steps` steps from `first_step`; at most `steps_per_call`.

        Raises:
          ValueError: for a number of steps out of range.
        """
        check_num_steps(num_steps, self.steps_per_call)
        steps = tf.range(first_step, first_step + self.steps_per_call, dtype=tf.int64)
        rows = self._run(steps, self._indices(steps), tf.constant(num_steps), *self._data)
        return History.of(rows.numpy()[:num_steps], self._names)

    def batch(self, step: int) -> tuple[tf.Tensor, tf.Tensor]:
        """Inputs and targets of one step's global batch."""
        index = self._indices(tf.constant([step], tf.int64))[0]
        return tf.gather(self._inputs, index), tf.gather(self._targets, index)

    def gradients(self, step: int) -> tuple[ReplicaTerms, list[tf.Tensor | None]]:
        """Terms and gradients of one step, without XLA, without applying them."""
        index = self._indices(tf.constant([step], tf.int64))[0]

        @tf.function(autograph=False)
        def look(position: tf.Tensor, index: tf.Tensor, inputs: Any, targets: Any) -> Any:
            def one(inputs: tf.Tensor, targets: tf.Tensor) -> Any:
                row, gradients, _ = self._reduced(
                    self._forward_backward, position, index, inputs, targets
                )
                return row, gradients

            results = self._strategy.run(one, args=(inputs, targets))
            return tf.nest.map_structure(self._first, results)

        row, connected = look(tf.constant(step, tf.int64), index, *self._data)
        found = iter(connected)
        gradients = [next(found) if there else None for there in self._connected]
        by_site = dict(zip(self._names, tf.unstack(row[3:]), strict=True))
        return ReplicaTerms(row[0], row[1], row[2], by_site), gradients

    def _first(self, value: Any) -> tf.Tensor:
        return self._strategy.experimental_local_results(value)[0]

    def _loop(
        self, steps: tf.Tensor, indices: tf.Tensor, num_steps: tf.Tensor, inputs: Any, targets: Any
    ) -> tf.Tensor:
        """Rows of `[K, 3 + sites]`; those from `num_steps` on stay zero."""
        rows = tf.TensorArray(tf.float32, self.steps_per_call)

        def body(i: tf.Tensor, rows: tf.TensorArray) -> tuple[tf.Tensor, tf.TensorArray]:
            done = self._strategy.run(self._step, args=(steps[i], indices[i], inputs, targets))
            return i + 1, rows.write(i, self._first(done))

        _, rows = tf.while_loop(lambda i, _: i < num_steps, body, (tf.constant(0), rows))
        return rows.stack()

    def _step(
        self, step: tf.Tensor, index: tf.Tensor, inputs: tf.Tensor, targets: tf.Tensor
    ) -> tf.Tensor:
        """One replica's part of a step."""
        row, connected, state = self._reduced(self._pass, step, index, inputs, targets)
        found = iter(connected)
        gradients = [next(found) if there else None for there in self._connected]
        self._optimizer.apply(gradients, self._variables)
        for position, value in zip(self._changed, state, strict=True):
            self._state[position].assign(value)
        return row

    def _reduced(
        self,
        function: Callable[..., Any],
        step: tf.Tensor,
        index: tf.Tensor,
        inputs: tf.Tensor,
        targets: tf.Tensor,
    ) -> tuple[tf.Tensor, list[tf.Tensor], list[tf.Tensor]]:
        """A replica's pass on its share; results are means over the replicas."""
        context = tf.distribute.get_replica_context()
        replica = tf.cast(context.replica_id_in_sync_group, tf.int32)
        share = index.shape[0] // self._num_replicas
        offset = replica * share
        mine = tf.slice(index, [offset], [share])
        values = [tf.convert_to_tensor(v) for v in (*self._variables, *self._state)]
        row, gradients, state = function(
            values,
            tf.gather(inputs, mine),
            tf.gather(targets, mine),
            step,
            tf.zeros_like(replica) if self._shared else replica,
            offset,
        )
        flat = context.all_reduce(_MEAN, [row, *gradients, *state])
        end = 1 + len(gradients)
        return flat[0], flat[1:end], flat[end:]

    def _forward_backward(
        self,
        values: list[tf.Tensor],
        inputs: tf.Tensor,
        targets: tf.Tensor,
        step: tf.Tensor,
        replica: tf.Tensor,
        offset: tf.Tensor,
    ) -> tuple[tf.Tensor, list[tf.Tensor], list[tf.Tensor]]:
        """Terms, gradients and changed state as a pure function of the variables' values."""
        everything = [*self._variables, *self._state]
        trained = values[: len(self._variables)]
        with (
            keras.StatelessScope(list(zip(everything, values, strict=True))) as scope,
            tf.GradientTape() as tape,
        ):
            tape.watch(trained)
            terms = self._loss(inputs, targets, step, replica, offset)
        gradients = tape.gradient(terms.loss, trained)
        after = [scope.get_current_value(v) for v in self._state]
        before = values[len(trained) :]
        self._names = tuple(terms.kl_by_site)
        self._connected = [g is not None for g in gradients]
        self._changed = [i for i, v in enumerate(after) if v is not before[i]]
        row = tf.stack([terms.loss, terms.nll, terms.kl, *terms.kl_by_site.values()])
        dense = [tf.convert_to_tensor(g) for g in gradients if g is not None]
        return row, dense, [after[i] for i in self._changed]
