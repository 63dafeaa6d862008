"""Variational inference whose last layer is exact, given the layers before it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import gin
import keras
import numpy as np
import tensorflow as tf

from bnn.data import Batch, Batches
from bnn.draw import Draw
from bnn.estimators import Mean, Reparameterization
from bnn.layers import Dense
from bnn.ledger import ledger
from bnn.likelihoods import Normal
from bnn.methods.counted import Counted, penalised
from bnn.methods.curvature.weights import NORMAL
from bnn.methods.last_layer import LastLayer
from bnn.methods.log_joint import check_functions
from bnn.methods.problem import Problem
from bnn.methods.with_values import WithValues
from bnn.noise import Noise, Purpose
from bnn.objectives.checks import require_tracked, require_weights
from bnn.posteriors.validation import require_count
from bnn.prediction import Draws, Functions, StoredWeights
from bnn.prediction.functions import check_num_samples
from bnn.sites import sites
from bnn.training import Info, Reduce


class Conditional(NamedTuple):
    """Of the last layer's weights, given the features, float64.

    Attributes:
      mean: m_c, `[C, P]`.
      factor: lower Cholesky factor of A_c, `[C, P, P]`.
      evidence: log p(y | θ), nats, scalar.
    """

    mean: tf.Tensor
    factor: tf.Tensor
    evidence: tf.Tensor


@gin.register(module="bnn.methods")
class ConditionalLastLayer(Counted):
    """φ ← optimizer(∇ L), L = −E_q(θ)[log p(y | θ)] / N + KL(q_φ(θ) ‖ p(θ)) / N.

    q(w) = q(θ) p(v | θ, y): θ are the weights of all layers but the last, with their posteriors,
    and v those of the last, dense and linear, the bias among them. Under a normal prior and
    `Normal` noise of scale τ_c they are exact given θ, column by column, with φ̃_n = (φ_n(θ), 1),
    prior N(m₀, S) and weights ω_n of the examples,

        A_c = S_c⁻¹ + Σ_n ω_n φ̃_n φ̃_nᵀ / τ_c²
        m_c = m₀ + A_c⁻¹ Σ_n ω_n φ̃_n (y_nc − φ̃_nᵀ m₀) / τ_c²
        log p(y | θ) = −½ Σ_c [Σ_n ω_n (y_nc − φ̃_nᵀ m₀)² / τ_c² − (m_c − m₀)ᵀ A_c (m_c − m₀)
                               + ln det A_c S_c + Σ_n ω_n ln 2π τ_c²]

    (Bishop 2006, equations 3.50 to 3.54 and 3.86). So L is the collapsed bound, v integrated out
    (King & Lawrence 2006), and the whole KL: for every q(θ) no q(v | θ) has a better one. It is the
    limit of global inducing points at the data (Ober & Aitchison 2021) for the last layer. Layers
    depend on each other, which is what factorised posteriors leave out, and why they give up on
    units (`limits.md`): here the last layer follows whatever features θ makes.

    A step takes all the data, whatever the run's batch size, and S N P² + S P³ operations. The
    last layer's own posterior has no part, its prior has. Functions are drawn when the training
    ends, with one more reading of the data, and held: predictions are by the first of them,
    whatever their seed. It predicts by the method or the run; the model alone, a file of it or
    `to_keras` has the mean of the last layer at the mean of θ.

    Args:
      num_samples: S, of θ a step.
      num_functions: that are held.
    """

    whole_data = True
    averaged = ("nll",)

    def __init__(self, num_samples: int = 4, num_functions: int = 400) -> None:
        self.num_samples = require_count("num_samples", num_samples)
        self.num_functions = require_count("num_functions", num_functions)

    def build(self, problem: Problem) -> None:
        """Puts the conditional in the last layer's place.

        Raises:
          ValueError: several replicas, another likelihood, a model that does not end with a linear
            dense layer of `bnn.layers` under a normal prior, layers with statistics or noise of
            their own.
        """
        name, replicas = type(self).__name__, tf.distribute.get_strategy().num_replicas_in_sync
        if replicas > 1:
            raise ValueError(
                f"method {name} runs on one device, got {replicas} replicas; use run.strategy = "
                "None."
            )
        if type(problem.likelihood) is not Normal:
            raise ValueError(
                f"method {name} needs the likelihood Normal(), under which the last layer is "
                f"exact, got {type(problem.likelihood).__name__}; use VBLL, or "
                "VariationalInference."
            )
        self._last = LastLayer(problem.model, name, replaced=True)
        _check_last(self._last.layer, name)
        check_functions(problem.model, name)
        last, size = self._last.layer, self._last.size
        found = sites(problem.model).items()
        self._spare = {label for label, site in found if site.layer is last}
        self._unused = {id(v) for site in last.sites for v in site.posterior.variables}
        shape = (size, self._last.num_outputs)
        self._beta = _held(np.zeros(shape), "conditional_mean")
        self._betas = _held(np.zeros((self.num_functions, *shape)), "conditional_draws")
        self._done = _held(np.zeros(()), "conditional_done")
        last.call = self._process  # type: ignore[method-assign]
        super().build(problem)

    @property
    def trained(self) -> Sequence[keras.Variable]:
        """What the problem trains but for the last layer's posterior."""
        return [v for v in self.problem.trained if id(v) not in self._unused]

    @property
    def gradients_each(self) -> int:
        """S."""
        return self.num_samples

    def _process(self, inputs: Any, *_: Any, **__: Any) -> tf.Tensor:
        """The last layer's call: φ̃ v."""
        return tf.matmul(self._last.extended(inputs), tf.convert_to_tensor(self._beta.value))

    def _prior(self) -> tuple[tf.Tensor, tf.Tensor]:
        """m₀ and the diagonal of S⁻¹, `[C, P]` each, float64."""
        parts: list[list[tf.Tensor]] = [[], []]
        for site in self._last.layer.sites:
            shape, prior = (-1, self._last.num_outputs), cast(Any, site.prior)
            scale = tf.cast(prior.current_scale(), tf.float64)
            for part, value in zip(parts, (prior.loc, 1 / tf.square(scale)), strict=True):
                wide = tf.broadcast_to(tf.cast(value, tf.float64), site.posterior.shape)
                part.append(tf.reshape(wide, shape))
        loc, precision = (tf.transpose(tf.concat(part, 0)) for part in parts)
        return loc, precision

    def conditional(self, features: tf.Tensor, batch: Batch) -> Conditional:
        """The docstring's equations, for features `[N, H]` of all the data."""
        wide = tf.cast(self._last.extended(features), tf.float64)
        targets = tf.reshape(tf.cast(batch.targets, tf.float64), [-1, self._last.num_outputs])
        scale = tf.cast(self.problem.likelihood.scale, tf.float64)  # type: ignore[attr-defined]
        counted = tf.ones_like(wide[:, 0])
        if batch.weights is not None:
            counted *= tf.cast(require_weights(batch.weights, counted), tf.float64)
        loc, precision = self._prior()
        weights = counted[:, tf.newaxis] / tf.square(scale + tf.zeros_like(targets[0]))
        away = targets - tf.matmul(wide, loc, transpose_b=True)
        gram = tf.einsum("np,nc,nq->cpq", wide, weights, wide) + tf.linalg.diag(precision)
        factor = tf.linalg.cholesky(gram)
        pull = tf.einsum("np,nc->cp", wide, weights * away)
        half = tf.linalg.triangular_solve(factor, pull[..., tf.newaxis])
        mean = loc + tf.linalg.triangular_solve(factor, half, adjoint=True)[..., 0]
        log_det = 2 * tf.reduce_sum(tf.math.log(tf.linalg.diag_part(factor)))
        log_det -= tf.reduce_sum(tf.math.log(precision))
        noise = 2 * np.pi * tf.square(scale + tf.zeros_like(targets[0]))
        constant = tf.reduce_sum(counted) * tf.reduce_sum(tf.math.log(noise))
        squares = tf.reduce_sum(weights * tf.square(away)) - tf.reduce_sum(tf.square(half))
        return Conditional(mean, factor, -0.5 * (squares + log_det + constant))

    def loss(self, batch: Batch, noise: Noise, training: bool = True) -> Info:
        """The objective and its terms: nll, of v integrated out, and penalty, kl/<site> (nats)."""
        problem = self.problem
        evidences = []
        for sample in range(self.num_samples):
            with Draw(noise.at(sample=sample), Reparameterization()) as draw:
                features = self._last.features(batch.inputs, training=training)
            require_tracked(problem.model, draw)
            evidences.append(self.conditional(features, batch).evidence)
        evidence = tf.cast(tf.add_n(evidences) / len(evidences), tf.float32)
        found = ledger(problem.model, noise=noise)
        terms = {f"kl/{name}": kl for name, kl in found.items() if name not in self._spare}
        each = evidence[tf.newaxis] / problem.num_train
        return penalised(problem, each, batch._replace(weights=None), terms)

    def update(self, gradients: Sequence[Any]) -> None:
        """One step of the optimizer, where there is anything but the last layer."""
        if gradients:
            super().update(gradients)

    def step(self, batch: Batch, noise: Noise, reduce: Reduce) -> Info:
        """A step of the optimizer, and the last layer's mean at that of θ.

        Raises:
          ValueError: not all the data.
        """
        size = tf.nest.flatten(batch.inputs)[0].shape[0]
        if size != self.problem.num_train:
            raise ValueError(
                f"method {type(self).__name__} needs all {self.problem.num_train} examples in "
                f"every step, got batches of {size}; set batch_size to that number."
            )
        info = super().step(batch, noise, reduce)
        with Draw(noise, Mean()):
            features = self._last.features(batch.inputs, training=False)
        mean = tf.transpose(self.conditional(features, batch).mean)
        self._beta.assign(tf.cast(mean, tf.float32))
        return info

    def finish(self, batches: Batches) -> None:
        """Draws of v, each given its θ."""
        parts = [(b.inputs, b.targets, b.weights) for b in batches.full()]
        batch = Batch(*(_joined(column) for column in zip(*parts, strict=True)))

        def drawn(sample: tf.Tensor) -> tf.Tensor:
            with Draws(self.num_functions, self.problem.seed).at(sample, self._seed):
                features = self._last.features(batch.inputs, training=False)
            found = self.conditional(features, batch)
            noise = Noise(self._seed, purpose=Purpose.METHOD, sample=sample)
            normal = tf.cast(noise.normal((*found.mean.shape, 1)), tf.float64)
            moved = tf.linalg.triangular_solve(found.factor, normal, adjoint=True)[..., 0]
            return tf.cast(tf.transpose(found.mean + moved), tf.float32)

        compiled = tf.function(drawn, autograph=False, jit_compile=self.problem.jit_compile)
        draws = [compiled(tf.constant(sample)) for sample in range(self.num_functions)]
        self._betas.assign(tf.stack(draws))
        self._done.assign(1.0)

    @property
    def _seed(self) -> Any:
        return Draws(1, self.problem.seed).arguments

    def functions(self, num_samples: int, seed: Any) -> Functions:
        """The first of the functions that are held; before the end that of the means alone.

        Args:
          num_samples: S, at most so many.
          seed: without effect.
        """
        del seed
        count = min(check_num_samples(num_samples), self.num_functions)
        if not bool(self._done.numpy()):
            return StoredWeights([self._beta], [self._beta.value[tf.newaxis]])
        return WithValues(Draws(count, self.problem.seed), [self._beta], [self._betas.value])

    def describe(self) -> dict[str, Any]:
        """Name, what the posterior is, and the cost."""
        about = {
            "method": type(self).__name__,
            "posterior": "whole KL; the last layer exact given the others",
            "train_samples": self.num_samples,
        }
        if not hasattr(self, "problem"):
            return about
        return {**about, **self.cost()}

    @property
    def variables(self) -> list[keras.Variable]:
        """The last layer's mean and draws, and the number of gradients."""
        return [self._beta, self._betas, self._done, *super().variables]


def _check_last(layer: Any, name: str) -> None:
    """ValueError unless it is of `bnn.layers`, under normal priors."""
    if not isinstance(layer, Dense):
        raise ValueError(
            f"method {name} needs a prior for the last layer {layer.name!r}, which is of Keras; "
            "use bnn.layers.Dense."
        )
    for site in layer.sites:
        if type(site.prior) not in NORMAL:
            raise ValueError(
                f"method {name} needs normal priors for the last layer {layer.name!r}, got "
                f"{type(site.prior).__name__}; use priors.Normal()."
            )


def _joined(parts: Sequence[Any]) -> Any:
    """Nests of batches as one of all examples; None where there are none."""
    if parts[0] is None:
        return None
    return tf.nest.map_structure(lambda *each: tf.concat(each, 0), *parts)


def _held(value: Any, name: str) -> keras.Variable:
    value = np.asarray(value, np.float32)
    return keras.Variable(value, trainable=False, autocast=False, name=name)
