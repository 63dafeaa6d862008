"""Many draws of a subject in one compiled function, the step as the coordinate that varies."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from bnn.diagnostics.linear_gaussian import LinearGaussian
from bnn.diagnostics.noise_tables import NoiseTables, with_tables
from bnn.diagnostics.subject import Subject
from bnn.estimators import Estimator
from bnn.ledger import ledger

CHUNK = 2048


class ObjectiveTerms(NamedTuple):
    """What the objective gives at one step; with a leading axis for many steps.

    Attributes:
      loss: scalar, nats.
      nll: the objective's own account of the likelihood's part, nats.
      kl: its own account of the KL, nats.
      regularization: its own account of Keras's penalties.
      kl_by_site: KL of every site by the ledger, `[sites]`, nats.
      gradients: of `loss` in every trainable variable of the model.
    """

    loss: Any
    nll: Any
    kl: Any
    regularization: Any
    kl_by_site: Any
    gradients: tuple


class Outcome(NamedTuple):
    """What one step gives; with a leading axis for many steps.

    Attributes:
      outputs: of the first weight sample, `[B, D]`.
      log_weight: log q − log r of the first sample, scalar.
      terms: `ObjectiveTerms`; empty where the objective is not evaluated.
    """

    outputs: Any
    log_weight: Any
    terms: Any


class Simulation:
    """Draws of a subject, one by one with the noise itself, in bulk with tables of the same noise.

    Attributes:
      subject: under test.
      exact: its closed forms, at whatever its parameters are.
      jit_compile: whether the bulk is compiled by XLA.
      bulk: the compiled function behind `chunk`.

    Args:
      subject: under test.
      jit_compile: see above.
      with_objective: whether the objective is evaluated, too.
    """

    def __init__(
        self, subject: Subject, jit_compile: bool = True, with_objective: bool = True
    ) -> None:
        self.subject = subject
        self.jit_compile, self.with_objective = jit_compile, with_objective
        self.exact = LinearGaussian(subject)
        self.bulk = tf.function(self._many, jit_compile=jit_compile, autograph=False)
        self._tables = NoiseTables()
        self._tabled = with_tables(subject.estimator, self._tables)
        seed, step = tf.constant(0, tf.int64), tf.constant(0)
        self._tables.record(seed, step)
        self._one(self._tabled, subject.inputs, seed, step)

    def one(self, inputs: tf.Tensor, seed: tf.Tensor, step: tf.Tensor) -> Outcome:
        """The outcome of one step; runs eagerly and in any `tf.function`."""
        return self._one(self.subject.estimator, inputs, seed, step)

    def _one(
        self, estimator: Estimator, inputs: tf.Tensor, seed: tf.Tensor, step: tf.Tensor
    ) -> Outcome:
        with self.subject.draw(seed, step, estimator=estimator) as draw:
            outputs = self.subject.model(inputs, training=True)
        terms = self._terms(estimator, inputs, seed, step) if self.with_objective else ()
        return Outcome(outputs, draw.log_weight, terms)

    def _terms(
        self, estimator: Estimator, inputs: tf.Tensor, seed: tf.Tensor, step: tf.Tensor
    ) -> ObjectiveTerms:
        model = self.subject.model
        with tf.GradientTape() as tape:
            terms = self.subject.objective(
                model, inputs, self.subject.targets, estimator=estimator, seed=seed, step=step
            )
        variables = model.trainable_variables
        gradients = [
            tf.zeros(v.shape) if g is None else g
            for g, v in zip(tape.gradient(terms.loss, variables), variables, strict=True)
        ]
        by_site = tf.stack(list(ledger(model, seed=seed, step=step).values()))
        parts = (terms.loss, terms.nll, terms.kl, terms.regularization)
        return ObjectiveTerms(*parts, by_site, tuple(gradients))

    def _many(
        self, inputs: tf.Tensor, seed: tf.Tensor, steps: tf.Tensor, tables: tuple[tf.Tensor, ...]
    ) -> Outcome:
        def body(elements: tuple) -> Outcome:
            step, *numbers = elements
            self._tables.fill(seed, step, tuple(numbers))
            return self._one(self._tabled, inputs, seed, step)

        subject, scalar = self.subject, tf.TensorSpec([])
        gradients = tuple(tf.TensorSpec(v.shape) for v in subject.model.trainable_variables)
        by_site = tf.TensorSpec([len(subject.sites)])
        numbers = (scalar, scalar, scalar, scalar)
        terms = ObjectiveTerms(*numbers, by_site, gradients) if self.with_objective else ()
        return tf.map_fn(
            body,
            (steps, *tables),
            fn_output_signature=Outcome(tf.TensorSpec(subject.targets.shape), scalar, terms),
            parallel_iterations=1,  # baselines with a memory count the steps in order
        )

    def chunk(self, seed: int, number: int, inputs: tf.Tensor | None = None) -> Outcome:
        """The outcomes of `CHUNK` consecutive steps as NumPy arrays `[CHUNK, …]`."""
        inputs = self.subject.inputs if inputs is None else inputs
        steps = tf.range(number * CHUNK, (number + 1) * CHUNK)
        seed_tensor = tf.constant(seed, tf.int64)
        tables = tuple(r.table(seed_tensor, steps) for r in self._tables.requests)
        outcome = self.bulk(inputs, seed_tensor, steps, tables)
        return tf.nest.map_structure(lambda t: t.numpy(), outcome)


def flat(gradients: tuple) -> np.ndarray:
    """Gradients `[n, …]` of all variables side by side, `[n, k]`."""
    return np.concatenate([g.reshape(len(g), -1) for g in gradients], axis=1)
