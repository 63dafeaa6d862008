"""Steps on several replicas, in one call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from bnn.data import Batch, Batches
from bnn.noise import Noise
from bnn.training.stepper import Function, Info, Stepper
from bnn.training.steps import TrainingSteps
from bnn.training.strategies import Strategy

_MEAN = tf.distribute.ReduceOp.MEAN


class ReplicatedSteps(TrainingSteps):
    """`TrainingSteps` for R replicas: each takes its share of every batch.

    A replica's pass is one function of values to values, compiled with XLA: variables are read
    before and written after it, because neither communication between replicas nor their variables
    can be compiled. Its results, and the state that it changes (baselines), are averaged over the
    replicas; clipping and the update follow, so that they see the gradient of the global batch.

    Args:
      stepper: created in the strategy's scope, its optimizer adopted by the strategy.
      batches: global batches.
      seed: of the noise.
      state: variables beside `stepper.trained` that a pass reads and changes.
      strategy: with more than one replica.
      steps_per_call: K, the most steps of one call.
      jit_compile: compile the passes with XLA.
    """

    def __init__(
        self,
        stepper: Stepper,
        batches: Batches,
        seed: Any,
        state: Sequence[keras.Variable],
        strategy: Strategy,
        *,
        steps_per_call: int = 100,
        jit_compile: bool = True,
    ) -> None:
        assert strategy.distributed is not None
        super().__init__(
            stepper, batches, seed, steps_per_call=steps_per_call, jit_compile=False
        )  # the loop itself is a graph
        self._shared = strategy.shared_noise
        self._num_replicas = strategy.num_replicas
        self._strategy = strategy.distributed
        self._jit_compile = jit_compile
        self._trained = list(stepper.trained)
        taken = {id(v) for v in self._trained}
        self._state = [v for v in state if id(v) not in taken]
        self._passes: dict[Any, Pass] = {}
        # A copy of the data on every device, so that a step moves nothing but its indices.
        self._resident = tf.nest.map_structure(
            lambda part: self._strategy.experimental_distribute_values_from_function(
                lambda _: tf.identity(part)
            ),
            batches.resident,
        )

    def gradients(self, step: int) -> tuple[Info, list[Any]]:
        """What a step says and its gradients, without XLA, without applying them."""
        rows = tf.nest.map_structure(lambda part: part[0], self.batches.take(step, 1))
        plain = Pass(self.stepper.gradients, self._trained, self._state, jit_compile=False)

        @tf.function(autograph=False)
        def look(position: tf.Tensor, row: Any, resident: Any) -> Any:
            def one(position: tf.Tensor, row: Any, resident: Any) -> Any:
                return plain(*self._share(position, row, resident), keep=False)

            results = self._strategy.run(one, args=(position, row, resident))
            return tf.nest.map_structure(self._first, results)

        return look(tf.constant(step, tf.int64), rows, self._resident)

    def _one(self, noise: Noise, row: Any, resident: Any) -> tf.Tensor:
        def one(position: tf.Tensor, row: Any, resident: Any) -> tf.Tensor:
            batch, noise = self._share(position, row, resident)
            return self._said(self.stepper.step(batch, noise, self._pass))

        return self._first(self._strategy.run(one, args=(noise.step, row, resident)))

    def _first(self, value: Any) -> Any:
        return None if value is None else self._strategy.experimental_local_results(value)[0]

    def _share(self, position: tf.Tensor, row: Any, resident: Any) -> tuple[Batch, Noise]:
        """A replica's part of the global batch and its noise."""
        context = tf.distribute.get_replica_context()
        replica = tf.cast(context.replica_id_in_sync_group, tf.int32)
        index, count = self.batches.share
        size = tf.nest.flatten(row)[0].shape[0] * count // self._num_replicas
        offset = replica * size  # in the global batch, of which this process may have a share
        place = offset - index * (self._num_replicas // count) * size
        mine = tf.nest.map_structure(lambda part: part[place : place + size], row)
        drawn = tf.zeros_like(replica) if self._shared else replica
        noise = Noise(self._seed, position, replica=drawn, example_offset=offset)
        return self.batches.holding(resident).batch(mine), noise

    def _pass(self, function: Function) -> Pass:
        """`reduce`: one compiled pass for all replicas and steps."""
        if function not in self._passes:
            self._passes[function] = Pass(function, self._trained, self._state, self._jit_compile)
        return self._passes[function]


class Pass:
    """A function of one share as that of the global batch, called by every replica.

    Args:
      function: of (batch, noise) to a nest of tensors and None.
      trained: variables that it reads.
      state: variables that it reads and may change.
      jit_compile: compile with XLA.
    """

    def __init__(
        self,
        function: Function,
        trained: Sequence[keras.Variable],
        state: Sequence[keras.Variable],
        jit_compile: bool,
    ) -> None:
        self._function = function
        self._trained, self._state = list(trained), list(state)
        self._compiled = tf.function(self._pure, autograph=False, jit_compile=jit_compile)
        self._like: Any = None
        self._scalars: list[int] = []
        self._changed: list[int] = []

    def __call__(self, batch: Batch, noise: Noise, keep: bool = True) -> Any:
        """Means over the replicas; `keep` also of the state, which then has changed."""
        values = [tf.convert_to_tensor(v) for v in (*self._trained, *self._state)]
        coordinates = noise.step, noise.replica, noise.example_offset
        packed = self._compiled(values, batch, *coordinates, seed=noise.seed)
        scalars, others, state = tf.distribute.get_replica_context().all_reduce(_MEAN, packed)
        if keep:
            for position, value in zip(self._changed, state, strict=True):
                self._state[position].assign(value)
        return self._unpacked(scalars, others)

    def _pure(
        self, values: list[tf.Tensor], batch: Batch, step: Any, replica: Any, offset: Any, seed: Any
    ) -> tuple[tf.Tensor, list[tf.Tensor], list[tf.Tensor]]:
        """Results and changed state as a pure function of the variables' values."""
        everything = [*self._trained, *self._state]
        noise = Noise(seed, step, replica=replica, example_offset=offset)
        with keras.StatelessScope(list(zip(everything, values, strict=True))) as scope:
            results = self._function(batch, noise)
        after = [scope.get_current_value(v) for v in self._state]
        before = values[len(self._trained) :]
        self._changed = [i for i, v in enumerate(after) if v is not before[i]]
        flat = [None if r is None else tf.convert_to_tensor(r) for r in tf.nest.flatten(results)]
        # All scalars travel as one tensor.
        self._scalars = [
            i
            for i, r in enumerate(flat)
            if r is not None and (r.shape, r.dtype) == ((), tf.float32)
        ]
        self._like = tf.nest.map_structure(lambda r: None if r is None else 0, results)
        others = [r for i, r in enumerate(flat) if i not in self._scalars and r is not None]
        row = tf.stack([flat[i] for i in self._scalars])
        return row, others, [after[i] for i in self._changed]

    def _unpacked(self, scalars: tf.Tensor, others: Sequence[tf.Tensor]) -> Any:
        of_row, rest = iter(tf.unstack(scalars)), iter(others)
        like = tf.nest.flatten(self._like)
        flat = [
            None if r is None else next(of_row) if i in self._scalars else next(rest)
            for i, r in enumerate(like)
        ]
        return tf.nest.pack_sequence_as(self._like, flat)
