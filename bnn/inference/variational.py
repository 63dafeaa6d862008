"""Variational inference by stochastic gradients of the ELBO."""

from __future__ import annotations

from typing import Any

import gin
import keras
import tensorflow as tf

from bnn.inference.method import Method, Problem
from bnn.noise import Noise
from bnn.objectives import NegativeELBO, Terms
from bnn.prediction import predict
from bnn.schedules import Constant, Schedule

# Inputs per pass: bounds the memory of convolutional activations; the samples do not depend on it.
_PREDICT_BATCH = 1000


@gin.register(module="bnn.inference")
class VariationalInference(Method):
    """Minimises the negative ELBO over posteriors, learned priors and learned noise.

    With `Point` posteriors and the `Mean` estimator it is MAP estimation.

    Args:
      num_samples: S, weight samples per training step.
      kl_weight: λ, a number or a schedule over the progress of training. A final weight other
        than 1 fits a tempered posterior, and the results say so.
    """

    def __init__(self, num_samples: int = 1, kl_weight: float | Schedule = 1.0) -> None:
        if not isinstance(num_samples, int) or num_samples < 1:
            raise ValueError(
                f"num_samples must be at least 1, got {num_samples!r}; it is a number of weight "
                "samples, 1 is usual."
            )
        if not isinstance(kl_weight, Schedule) and kl_weight < 0:
            raise ValueError(
                f"kl_weight must be at least 0, got {kl_weight}; 1.0 is the whole KL, less a "
                "tempered posterior."
            )
        self.num_samples = num_samples
        self.kl_weight = kl_weight if isinstance(kl_weight, Schedule) else Constant(kl_weight)

    def loss(
        self,
        problem: Problem,
        inputs: tf.Tensor,
        targets: tf.Tensor,
        step: tf.Tensor,
        training: bool = True,
        *,
        replica: Any = 0,
        example_offset: Any = 0,
    ) -> Terms:
        """The terms of `bnn.objectives.NegativeELBO`."""
        objective = NegativeELBO(problem.likelihood, problem.num_train, self.num_samples)
        progress = tf.cast(step, tf.float32) / problem.total_steps
        return objective(
            problem.model,
            inputs,
            targets,
            estimator=problem.estimator,
            noise=Noise(problem.seed, step, replica=replica, example_offset=example_offset),
            kl_weight=self.kl_weight(progress),
            training=training,
        )

    def predict(self, problem: Problem, inputs: Any, num_samples: int, seed: int) -> tf.Tensor:
        """Coherent samples from q: `bnn.predict`."""
        return predict(
            problem.model,
            inputs,
            num_samples,
            seed,
            batch_size=_PREDICT_BATCH,
            jit_compile=problem.jit_compile,
        )

    def variables(self, problem: Problem) -> list[keras.Variable]:
        """The baseline's state."""
        return problem.estimator.baseline.variables

    def describe(self) -> dict[str, Any]:
        """Name, samples per step, the KL's final weight and what posterior that gives."""
        final = float(f"{float(self.kl_weight(1.0)):.7g}")  # float32's own digits
        return {
            "method": type(self).__name__,
            "train_samples": self.num_samples,
            "kl_weight": final,
            "posterior": "whole KL" if final == 1.0 else f"tempered, KL x {final:g}",
        }
