"""Many draws of a subject in one compiled function, the step as the coordinate that varies."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from bnn.diagnostics.subject import Subject
from bnn.draw import Draw
from bnn.kl import ledger

CHUNK = 2048


class Outcome(NamedTuple):
    """What one step gives; with a leading axis for many steps.

    Attributes:
      outputs: of the first weight sample, `[B, D]`.
      log_weight: log q − log r of the first sample, scalar.
      value: (1/S) Σₛ wₛ fₛ recomputed from draws, f the mean negative log-likelihood, in nats.
      loss: the objective's loss.
      nll: the objective's own account of `value`.
      regularization: the objective's own account of Keras's penalties.
      objective_kl: the objective's own account of the KL, in nats.
      kl: of every site by the ledger, `[sites]`, in nats.
      gradients: of `loss` in every trainable variable of the model.
    """

    outputs: Any
    log_weight: Any
    value: Any
    loss: Any
    nll: Any
    regularization: Any
    objective_kl: Any
    kl: Any
    gradients: tuple


class Simulation:
    """Draws of a subject, eagerly, in a graph and under XLA.

    Args:
      subject: under test.
      jit_compile: whether `chunk` uses XLA.
    """

    def __init__(self, subject: Subject, jit_compile: bool = True) -> None:
        self.subject = subject
        self.compiled = tf.function(self._many, jit_compile=jit_compile, autograph=False)
        self.graph = tf.function(self._many, autograph=False)

    def one(self, inputs: tf.Tensor, seed: tf.Tensor, step: tf.Tensor) -> Outcome:
        """The outcome of one step."""
        subject = self.subject
        outputs, log_weights, values = [], [], []
        for sample in range(subject.num_samples):
            with self.draw(seed, step, sample) as draw:
                outputs.append(subject.model(inputs, training=True))
            log_weights.append(draw.log_weight)
            values.append(-subject.likelihood.log_prob(outputs[-1], subject.targets))
        weights = tf.exp(tf.stack(log_weights))
        value = tf.reduce_mean(weights * tf.reduce_mean(tf.stack(values), axis=1))
        variables = subject.model.trainable_variables
        with tf.GradientTape() as tape:
            terms = subject.objective(
                subject.model,
                inputs,
                subject.targets,
                estimator=subject.estimator,
                seed=seed,
                step=step,
            )
        gradients = tape.gradient(terms.loss, variables, unconnected_gradients="zero")
        kl = tf.stack(list(ledger(subject.model, seed=seed, step=step).values()))
        return Outcome(
            outputs[0],
            log_weights[0],
            value,
            terms.loss,
            terms.nll,
            terms.regularization,
            terms.kl,
            kl,
            tuple(gradients),
        )

    def draw(self, seed: Any, step: Any, sample: Any = 0) -> Draw:
        """The draw that the objective makes for a weight sample."""
        antithetic = getattr(self.subject.objective, "antithetic", False)
        options = {"antithetic": True} if antithetic else {}
        return Draw(seed, self.subject.estimator, step=step, sample=sample, **options)

    def _many(self, inputs: tf.Tensor, seed: tf.Tensor, steps: tf.Tensor) -> Outcome:
        scalar = tf.TensorSpec([])
        signature = Outcome(
            *[tf.TensorSpec(self.subject.targets.shape)],
            *[scalar] * 6,
            tf.TensorSpec([len(self.subject.sites)]),
            tuple(tf.TensorSpec(v.shape) for v in self.subject.model.trainable_variables),
        )
        return tf.map_fn(
            lambda step: self.one(inputs, seed, step),
            steps,
            fn_output_signature=signature,
            parallel_iterations=1,  # baselines with a memory count the steps in order
        )

    def chunk(self, seed: int, number: int, inputs: tf.Tensor | None = None) -> Outcome:
        """The outcomes of `CHUNK` consecutive steps as NumPy arrays `[CHUNK, …]`."""
        inputs = self.subject.inputs if inputs is None else inputs
        steps = tf.range(number * CHUNK, (number + 1) * CHUNK)
        outcome = self.compiled(inputs, tf.constant(seed, tf.int64), steps)
        return tf.nest.map_structure(lambda t: t.numpy(), outcome)


def flat(gradients: tuple) -> np.ndarray:
    """Gradients `[n, …]` of all variables side by side, `[n, k]`."""
    return np.concatenate([g.reshape(len(g), -1) for g in gradients], axis=1)
