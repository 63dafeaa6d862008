"""The negative evidence lower bound per training example."""

from __future__ import annotations

import copy
from typing import Any, Literal, NamedTuple, TypeVar

import gin
import keras
import numpy as np
import tensorflow as tf

from bnn.compat import all_layers
from bnn.described import Described
from bnn.divergences import KLChoice
from bnn.draw import Draw
from bnn.estimators import Estimator
from bnn.ledger import ledger
from bnn.likelihoods import Likelihood
from bnn.likelihoods.logits import require_logits
from bnn.noise import Noise, Sobol, as_noise
from bnn.objectives.checks import (
    require_examples,
    require_kl_weight,
    require_num_train,
    require_tracked,
    require_weights,
)
from bnn.objectives.surrogate import surrogate

_Self = TypeVar("_Self", bound="NegativeELBO")


class Terms(NamedTuple):
    """An objective's value in its parts, all scalars.

    Attributes:
      loss: to be minimised, nats per example; its gradient is the estimator's.
      nll: −E_q[log p(y | x, w)] per example, estimated from the objective's samples, in nats; its
        gradient is the estimator's, so that `nll + λ kl / N` may be weighted by hand.
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
      outputs: of every draw, as the model gave them.
      log_likelihoods: log p(y_b | x_b, wₛ), `[S, B]`, nats.
      regularization: mean over the draws of the model's Keras regularization losses.
    """

    draws: list[Draw]
    outputs: list[Any]
    log_likelihoods: tf.Tensor
    regularization: tf.Tensor


@keras.saving.register_keras_serializable(package="bnn")
@gin.register(module="bnn.objectives")
class NegativeELBO(Described):
    """−ELBO / N = −(1/B) Σ_b E_q[log p(y_b | x_b, w)] + λ KL(q ‖ p) / N  (SGVB).

    Kingma & Welling 2014, equation 8, with weights as latent variables: an unbiased estimate of
    the bound of the whole training set, per example, from a batch. λ = 1 is the bound; any other λ
    is a tempered posterior and must be reported as such.

    In gin an objective is built without likelihood and number of examples, which a run knows, and
    bound to them by the method.

    Args:
      likelihood: p(y | outputs).
      num_train: N, number of training examples, which alone divides the KL; int or scalar tensor
        (of a member of a `bnn.training.Stack`).
      num_samples: S, weight samples per evaluation.
      antithetic: draw the samples in antithetic pairs, see `bnn.Draw`; S must be even.
      sobol: couple the samples as points of a scrambled Sobol net, "tensor" or "model", see
        `bnn.noise.Sobol`; S must be a power of 2. Independent where None.
      kl: how a KL without closed form is estimated, see `bnn.ledger`.
    """

    def __init__(
        self,
        likelihood: Likelihood | None = None,
        num_train: Any = None,
        num_samples: int = 1,
        antithetic: bool = False,
        kl: KLChoice = None,
        sobol: Literal["tensor", "model"] | None = None,
    ) -> None:
        if not isinstance(num_samples, int | np.integer) or num_samples < 1:
            raise ValueError(
                f"num_samples must be at least 1, got {num_samples!r}; it is a whole number of "
                "weight samples."
            )
        if antithetic and num_samples % 2:
            raise ValueError(
                f"num_samples must be even for antithetic pairs, got {num_samples}; use "
                f"{num_samples + 1}."
            )
        self.num_samples = int(num_samples)
        self.antithetic = bool(antithetic)
        if sobol is not None and antithetic:
            raise ValueError(
                f"samples are coupled in one way, got antithetic=True and sobol={sobol!r}; set "
                "antithetic=False or sobol=None."
            )
        self.sobol = sobol
        self._coupling = None if sobol is None else Sobol(self.num_samples, sobol)
        self.kl = kl
        self._likelihood: Likelihood | None = None
        self._num_train: Any = None
        if likelihood is not None or num_train is not None:
            self._bind(likelihood, num_train)

    def bind(self: _Self, likelihood: Likelihood, num_train: Any) -> _Self:
        """A copy of the objective for this likelihood and number of training examples."""
        bound = copy.copy(self)
        bound._bind(likelihood, num_train)
        return bound

    def _bind(self, likelihood: Likelihood | None, num_train: Any) -> None:
        if not isinstance(likelihood, Likelihood):
            raise ValueError(
                f"likelihood must be a bnn likelihood object, got {likelihood!r}; pass for example "
                "bnn.likelihoods.Categorical()."
            )
        self._num_train = require_num_train(num_train)
        self._likelihood = likelihood

    @property
    def likelihood(self) -> Likelihood:
        """p(y | outputs); ValueError before `bind`."""
        if self._likelihood is None:
            raise ValueError(
                f"{type(self).__name__} has no likelihood yet; give likelihood and num_train, or "
                "call bind(likelihood, num_train)."
            )
        return self._likelihood

    @property
    def coupling(self) -> Sobol | None:
        """How the samples are coupled as Sobol points; None where they are not."""
        return self._coupling

    @property
    def num_train(self) -> Any:
        """N, int or float32 scalar tensor; ValueError before `bind`."""
        self.likelihood  # noqa: B018  (both are bound together)
        return self._num_train

    def __call__(
        self,
        model: keras.Model,
        inputs: Any,
        targets: Any,
        *,
        estimator: Estimator,
        noise: Noise | None = None,
        seed: Any = None,
        step: Any = None,
        kl_weight: Any = 1.0,
        training: bool = True,
        weights: Any = None,
    ) -> Terms:
        """Evaluates the objective; differentiable in model, prior and likelihood variables.

        Args:
          model: built Keras model.
          inputs: `[B, …]`, or a structure of these, as the model takes it.
          targets: `[B]`, `[B, D]`, or as the likelihood takes them.
          estimator: how the expectation and its gradient are estimated.
          noise: coordinates of everything random; or else both of
          seed: int or integer tensor, and
          step: of the training, int or integer tensor. A loop in which it stands still trains one
            frozen weight sample.
          kl_weight: λ, at least 0.
          training: passed to the model; baselines take note of the values only if True.
          weights: of the examples' log-likelihoods, `[B]`; ones where None. The KL is divided by N
            whatever they are: weights of mean 1 keep the balance.

        Raises:
          ValueError: neither noise nor seed and step; a likelihood that gives other than one number
            per example; no examples; a negative `kl_weight` (NaN in a compiled step); a layer that
            was drawn and that the model does not know of.
        """
        noise = self.noise(noise, seed, step)
        estimator = self.prepare(estimator)
        sampled = self.sample(model, inputs, targets, estimator, noise, training, weights)
        return self.terms(model, sampled, estimator, noise, kl_weight, training)

    def terms(
        self,
        model: keras.Model,
        sampled: Sampled,
        estimator: Estimator,
        noise: Noise,
        kl_weight: Any = 1.0,
        training: bool = True,
    ) -> Terms:
        """The objective's value from what `sample` gave; arguments as in `__call__`."""
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
        kl_by_site = self.kl_by_site(model, sampled.draws, noise)
        kl = tf.add_n([tf.constant(0.0), *kl_by_site.values()])
        weighted = require_kl_weight(kl_weight) * kl / self.num_train
        loss = expected + weighted + sampled.regularization
        return Terms(loss, expected, kl, kl_by_site, sampled.regularization)

    def prepare(self, estimator: Estimator) -> Estimator:
        """The estimator to draw with; ValueError where the given one cannot serve the objective."""
        return estimator

    def noise(self, noise: Noise | None, seed: Any, step: Any) -> Noise:
        """The noise that was given, or that of seed and step, in the objective's own pairs."""
        if noise is None and (seed is None or step is None):
            missing = "seed" if seed is None else "step"
            raise ValueError(
                f"{type(self).__name__} needs {missing}: pass seed and step, or "
                "noise=bnn.Noise(seed, step). The step must count up in a training loop, or every "
                "step trains the same weight sample."
            )
        given = (
            as_noise(seed, step=step) if noise is None else as_noise(noise, seed=seed, step=step)
        )
        return given.at(antithetic=self.antithetic, sobol=self._coupling)

    def sample(
        self,
        model: keras.Model,
        inputs: Any,
        targets: Any,
        estimator: Estimator,
        noise: Noise,
        training: bool,
        weights: Any = None,
    ) -> Sampled:
        """Calls the model in S draws; arguments as in `__call__`.

        Every draw begins with the state that the first began with, as that of a stateful recurrent
        layer. State that the model changes when it is called, such as moving averages, keeps the
        change of the first draw: with all of them a momentum m would act as m^S.
        """
        require_logits(self.likelihood, model)
        draws, structures, log_likelihoods, penalties = [], [], [], []
        state = _call_state(model) if self.num_samples > 1 else []
        before = [tf.identity(v) for v in state]
        after_first: list[tf.Tensor] = []
        for sample in range(self.num_samples):
            if sample:
                _assign(state, before)
            draw = Draw(noise.at(sample=sample), estimator)
            with draw:
                outputs = model(inputs, training=training)
            draws.append(draw)
            structures.append(outputs)
            log_likelihood = self.likelihood.checked_log_prob(outputs, targets)
            require_examples(log_likelihood)
            log_likelihood = tf.cast(log_likelihood, tf.float32)  # as the KL; of float64 layers too
            if weights is not None:
                log_likelihood = log_likelihood * require_weights(weights, log_likelihood)
            log_likelihoods.append(log_likelihood)
            losses = [tf.cast(loss, tf.float32) for loss in model.losses]
            penalties.append(tf.add_n(losses) if losses else tf.constant(0.0))
            if sample == 0:
                after_first = [tf.identity(v) for v in state]
        _assign(state, after_first)
        require_tracked(model, draws[0])
        penalty = tf.add_n(penalties) / self.num_samples
        return Sampled(draws, structures, tf.stack(log_likelihoods), penalty)

    def kl_by_site(
        self, model: keras.Model, draws: list[Draw], noise: Noise
    ) -> dict[str, tf.Tensor]:
        """KL of every site in nats: the ledger."""
        del draws
        return ledger(model, noise=noise, kl=self.kl)

    def describe(self) -> dict[str, Any]:
        """What results must say about the objective; JSON values."""
        own: dict[str, Any] = {"objective": type(self).__name__, "train_samples": self.num_samples}
        if self.sobol is not None:
            own["sobol"] = self.sobol
        return {**own, "antithetic": True} if self.antithetic else own


def _call_state(model: keras.Model) -> list[keras.Variable]:
    """What a call changes, but for the states of seed generators, which have to move on.

    Keras does not count the states of stateful recurrent layers among a model's variables.
    """
    states = [getattr(layer, "states", None) or [] for layer in all_layers(model)]
    recurrent = [v for v in keras.tree.flatten(states) if isinstance(v, keras.Variable)]
    changed = [*model.non_trainable_variables, *recurrent]
    return [v for v in changed if v.name != "seed_generator_state"]


def _assign(variables: list[keras.Variable], values: list[tf.Tensor]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
