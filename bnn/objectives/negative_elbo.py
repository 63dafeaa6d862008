"""The negative evidence lower bound per training example."""

from __future__ import annotations

import copy
from typing import Any, NamedTuple

import gin
import keras
import tensorflow as tf

from bnn.draw import Draw
from bnn.estimators import Estimator
from bnn.kl import ledger
from bnn.likelihoods import Likelihood
from bnn.noise import Noise
from bnn.objectives.surrogate import surrogate


class Terms(NamedTuple):
    """An objective's value in its parts, all scalars.

    Attributes:
      loss: to be minimised, nats per example; its gradient is the estimator's.
      nll: −E_q[log p(y | x, w)] per example, estimated from the objective's samples, in nats.
      kl: KL(q ‖ p) of the whole model in nats, unscaled and untempered.
      kl_by_site: the same by site name.
      regularization: mean over the draws of the model's Keras regularization losses.
    """

    loss: tf.Tensor
    nll: tf.Tensor
    kl: tf.Tensor
    kl_by_site: dict[str, tf.Tensor]
    regularization: tf.Tensor


class Sampled(NamedTuple):
    """What S draws of a model gave for one batch.

    Attributes:
      draws: the draws, closed.
      log_likelihoods: log p(y_b | x_b, wₛ), `[S, B]`, nats.
      regularization: mean over the draws of the model's Keras regularization losses.
    """

    draws: list[Draw]
    log_likelihoods: tf.Tensor
    regularization: tf.Tensor


@gin.register(module="bnn.objectives")
class NegativeELBO:
    """−ELBO / N = −(1/B) Σ_b E_q[log p(y_b | x_b, w)] + λ KL(q ‖ p) / N  (SGVB).

    Kingma & Welling 2014, equation 8, with weights as latent variables: an unbiased estimate of
    the bound of the whole training set, per example, from a batch. λ = 1 is the bound; any other λ
    is a tempered posterior and must be reported as such.

    Args:
      likelihood: p(y | outputs); None for a description, which `bind` completes.
      num_train: N, number of training examples, which alone divides the KL; int or scalar tensor
        (of a member of a `bnn.training.Stack`). None for a description.
      num_samples: S, weight samples per evaluation.
      antithetic: draw the samples in antithetic pairs, see `bnn.Draw`; S must be even.
    """

    def __init__(
        self,
        likelihood: Likelihood | None = None,
        num_train: Any = None,
        num_samples: int = 1,
        antithetic: bool = False,
    ) -> None:
        if not isinstance(num_samples, int) or num_samples < 1:
            raise ValueError(
                f"num_samples must be at least 1, got {num_samples!r}; it is a number of weight "
                "samples, 1 is usual."
            )
        if antithetic and num_samples % 2:
            raise ValueError(
                f"num_samples must be even for antithetic pairs, got {num_samples}; use "
                f"{num_samples + 1}."
            )
        self.num_samples = int(num_samples)
        self.antithetic = bool(antithetic)
        self.likelihood: Any = None
        self.num_train: Any = None
        if likelihood is not None or num_train is not None:
            self._bind(likelihood, num_train)

    def bind(self, likelihood: Likelihood, num_train: Any) -> NegativeELBO:
        """A copy of this objective for a likelihood and a number of training examples."""
        bound = copy.copy(self)
        bound._bind(likelihood, num_train)
        return bound

    def _bind(self, likelihood: Any, num_train: Any) -> None:
        if not isinstance(likelihood, Likelihood):
            raise ValueError(
                f"likelihood must be a bnn likelihood object, got {likelihood!r}; pass for example "
                "bnn.likelihoods.Categorical()."
            )
        if not tf.is_tensor(num_train) and int(num_train) < 1:
            raise ValueError(
                f"num_train must be the number of training examples, at least 1, got {num_train}."
            )
        self.likelihood = likelihood
        as_tensor = tf.is_tensor(num_train)
        self.num_train = tf.cast(num_train, tf.float32) if as_tensor else int(num_train)

    def __call__(
        self,
        model: keras.Model,
        inputs: tf.Tensor,
        targets: tf.Tensor,
        *,
        estimator: Estimator,
        noise: Noise | None = None,
        seed: Any = None,
        step: Any = 0,
        replica: Any = 0,
        example_offset: Any = 0,
        kl_weight: Any = 1.0,
        training: bool = True,
    ) -> Terms:
        """Evaluates the objective; differentiable in model, prior and likelihood variables.

        Args:
          model: built Keras model.
          inputs: `[B, …]`.
          targets: `[B]` or `[B, D]`.
          estimator: how the expectation and its gradient are estimated.
          noise: of the step, replica and example offset included; in place of the next four.
          seed: int or integer tensor.
          step: training step, selects the noise.
          replica: see `bnn.Draw`.
          example_offset: see `bnn.Draw`.
          kl_weight: λ.
          training: passed to the model; baselines take note of the values only if True.
        """
        if noise is not None:
            seed, step = noise.seed, noise.step
            replica, example_offset = noise.replica, noise.example_offset
        coordinates = {"step": step, "replica": replica, "example_offset": example_offset}
        sampled = self.sample(model, inputs, targets, estimator, seed, training, coordinates)
        values = -tf.reduce_mean(sampled.log_likelihoods, axis=1)
        baseline = estimator.baseline
        expected = surrogate(
            values,
            tf.stack([draw.score for draw in sampled.draws]),
            tf.stack([draw.log_weight for draw in sampled.draws]),
            baseline,
            tf.stack([draw.score_norm for draw in sampled.draws]),
        )
        if training:
            baseline.update(values)
        kl_by_site = self.kl_by_site(model, sampled.draws, seed, step)
        kl = tf.add_n(list(kl_by_site.values())) if kl_by_site else tf.constant(0.0)
        loss = expected + kl_weight * kl / self.num_train + sampled.regularization
        return Terms(loss, tf.stop_gradient(expected), kl, kl_by_site, sampled.regularization)

    def sample(
        self,
        model: keras.Model,
        inputs: tf.Tensor,
        targets: tf.Tensor,
        estimator: Estimator,
        seed: Any,
        training: bool,
        coordinates: dict[str, Any],
    ) -> Sampled:
        """Calls the model in S draws; arguments as in `__call__`."""
        draws, log_likelihoods, penalties = [], [], []
        for sample in range(self.num_samples):
            draw = Draw(seed, estimator, sample=sample, antithetic=self.antithetic, **coordinates)
            with draw:
                outputs = model(inputs, training=training)
            draws.append(draw)
            log_likelihoods.append(self.likelihood.log_prob(outputs, targets))
            penalties.append(tf.add_n(model.losses) if model.losses else tf.constant(0.0))
        return Sampled(draws, tf.stack(log_likelihoods), tf.add_n(penalties) / self.num_samples)

    def kl_by_site(
        self, model: keras.Model, draws: list[Draw], seed: Any, step: Any
    ) -> dict[str, tf.Tensor]:
        """KL of every site in nats: the ledger."""
        del draws
        return ledger(model, seed=seed, step=step)
