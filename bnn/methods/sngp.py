"""Spectral-normalised neural Gaussian processes."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import gin
import keras
import numpy as np
import tensorflow as tf

from bnn.compat import all_layers, substituted
from bnn.data import Batch, Batches
from bnn.draw import Draw
from bnn.estimators import Mean
from bnn.layers import Dense
from bnn.ledger import ledger
from bnn.methods.counted import Counted, penalised
from bnn.methods.curvature.outputs import output_factor, served
from bnn.methods.last_layer import LastLayer
from bnn.methods.map import MAP
from bnn.methods.problem import Problem
from bnn.noise import Noise, Purpose
from bnn.objectives.checks import require_tracked
from bnn.posteriors.validation import require_count
from bnn.prediction import Functions
from bnn.prediction.functions import as_seed, check_num_samples
from bnn.sites import sites
from bnn.training import Info, Reduce

_MOST_NUMBERS = 2**31  # of the precisions, 8 GB


@gin.register(module="bnn.methods")
class SNGP(Counted, MAP):
    """f(x) = Φ(h(x)) β, Φ(h) = √(2/D) cos(h Ω / ℓ + b), β_c ~ N(β̂_c, (1 + Σ_n Λ_nc Φ_n Φ_nᵀ)⁻¹).

    Spectral-normalised neural Gaussian process (Liu et al. 2020, equations 8 and 9, algorithm 1). h
    are the features that enter the model's last dense layer, whose own weights have no part: in its
    place stands a Gaussian process with a squared exponential kernel of length ℓ, by D random
    features, Ω ~ N(0, 1) and b ~ U(0, 2π) fixed. β ~ N(0, 1) is trained with the network as `MAP`
    is, and its covariance is that of Laplace's approximation, Λ_nc the likelihood's curvature in
    output c, without those between outputs, summed in one pass when the training ends. Before, the
    functions are those of β̂ alone.

    So that distances of inputs are kept, W of every dense layer before the last acts as

        W min(1, c / σ(W)),

    σ the largest singular value, by one step of the power iteration a training step. Other layers
    are as they are; the lower bound on the slope, by residual connections, is up to the model.

    Runs build the model with `Point` posteriors, whatever it asks for. Memory: C D² numbers. It
    predicts by the method or the run, which bound the kernels and draw β. The model alone, called
    by itself, has kernels without a bound, and a file of it or `to_keras` has no process.

    Args:
      num_features: D.
      length_scale: ℓ.
      norm_bound: c.
    """

    point_weights = True

    def __init__(
        self, num_features: int = 256, length_scale: float = 2.0, norm_bound: float = 0.95
    ) -> None:
        self.num_features = require_count("num_features", num_features)
        for name, value in (("length_scale", length_scale), ("norm_bound", norm_bound)):
            if not 0 < value < math.inf:
                raise ValueError(
                    f"{name} must be positive, got {value!r}; a length of 2.0 and a bound of 0.95 "
                    "are usual."
                )
        self.length_scale, self.norm_bound = float(length_scale), float(norm_bound)

    def build(self, problem: Problem) -> None:
        """Puts the process in the last layer's place.

        Raises:
          ValueError: a model that does not end with a linear dense layer, a likelihood whose
            curvature is not known, several replicas.
        """
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        if replicas > 1:
            raise ValueError(
                f"method SNGP runs on one device, got {replicas} replicas; use run.strategy = None."
            )
        served(problem.likelihood, type(self).__name__)
        self._last = LastLayer(problem.model, type(self).__name__, replaced=True)
        last, size = self._last.layer, self.num_features
        most = math.isqrt(_MOST_NUMBERS // last.units)
        if size > most:
            raise ValueError(
                f"num_features must be at most {most} for {last.units} outputs, whose precisions "
                f"take D² numbers each, got {size}; 256 is a good start."
            )
        kinds = (keras.layers.Dense, Dense)
        hidden = [x for x in all_layers(problem.model) if isinstance(x, kinds) and x is not last]
        self._kernels = [_kernel(layer) for layer in hidden]
        noise = Noise(problem.seed, purpose=Purpose.INITIALIZATION)
        inputs = int(last.input.shape[-1])
        self._omega = _held(noise.normal((inputs, size)), "sngp_omega")
        self._phase = _held(2 * np.pi * noise.uniform((size,), stream=1), "sngp_phase")
        starts = [noise.normal((int(k.shape[1]),), stream=2) for k in self._kernels]
        self._directions = [_held(_unit(v), f"sngp_direction_{i}") for i, v in enumerate(starts)]
        begin = np.zeros((size, last.units), np.float32)
        self._beta = keras.Variable(begin, autocast=False, name="sngp_beta")
        eyes = np.tile(np.eye(size, dtype=np.float32), (last.units, 1, 1))
        self._factors = _held(eyes, "sngp_factors")  # Cholesky's, of the precision
        self._done = _held(np.zeros(()), "sngp_done")
        own = last.trainable_variables
        for variable in own:
            variable.assign(tf.zeros(variable.shape))
        self._unused = {id(v) for v in own}
        found = sites(problem.model).items()
        self._spare = [name for name, site in found if site.layer is last]
        last.call = self._process  # type: ignore[method-assign]
        super().build(problem)

    @property
    def trained(self) -> Sequence[keras.Variable]:
        """What the problem trains but for the last layer, and β̂."""
        return [*(v for v in self.problem.trained if id(v) not in self._unused), self._beta]

    def _process(self, inputs: Any, *_: Any, **__: Any) -> tf.Tensor:
        """The last layer's call: Φ β."""
        return tf.matmul(self.random_features(inputs), tf.convert_to_tensor(self._beta.value))

    def random_features(self, features: Any) -> tf.Tensor:
        """Φ, `[B, D]`."""
        angles = tf.matmul(tf.cast(features, tf.float32), self._omega.value) / self.length_scale
        return math.sqrt(2 / self.num_features) * tf.cos(angles + self._phase.value)

    def _bounded(self) -> list[tuple[keras.Variable, tf.Tensor]]:
        """The hidden kernels with the values that they act with."""
        pairs = []
        for kernel, direction in zip(self._kernels, self._directions, strict=True):
            value = tf.convert_to_tensor(kernel.value)
            forward = tf.linalg.matvec(value, tf.stop_gradient(direction.value))
            # A root of 0, as of a kernel that begins at 0, has no gradient.
            norm = tf.sqrt(tf.maximum(tf.reduce_sum(tf.square(forward)), 1e-24))
            pairs.append((kernel, value * tf.minimum(1.0, self.norm_bound / norm)))
        return pairs

    def loss(self, batch: Batch, noise: Noise, training: bool = True) -> Info:
        """The negative log joint per example: nll (nats per example), penalty, its parts (nats)."""
        problem = self.problem
        # Layers are trained inside of a draw alone.
        with substituted(self._bounded()), Draw(noise, Mean()) as draw:
            outputs = problem.model(batch.inputs, training=training)
        require_tracked(problem.model, draw)
        fits = problem.likelihood.checked_log_prob(outputs, batch.targets)
        found = ledger(problem.model, noise=noise)
        terms = {f"kl/{name}": kl for name, kl in found.items() if name not in self._spare}
        squares = tf.square(self._beta.value) + math.log(2 * math.pi)
        terms["kl/sngp_beta"] = 0.5 * tf.reduce_sum(squares)
        return penalised(problem, fits, batch, terms)

    def step(self, batch: Batch, noise: Noise, reduce: Reduce) -> Info:
        """A step of the optimizer, and one of the power iterations."""
        info = super().step(batch, noise, reduce)
        for kernel, direction in zip(self._kernels, self._directions, strict=True):
            value = tf.convert_to_tensor(kernel.value)
            forward = tf.linalg.matvec(value, tf.convert_to_tensor(direction.value))
            direction.assign(_unit(tf.linalg.matvec(value, forward, transpose_a=True)))
        return info

    def finish(self, batches: Batches) -> None:
        """The precision of every output's β, by one pass over the training part."""
        pairs = self._bounded()
        total = tf.eye(self.num_features, batch_shape=[self._last.num_outputs])

        def share(batch: Batch) -> tf.Tensor:
            with substituted(pairs):
                features = self.random_features(self._last.features(batch.inputs, training=False))
            outputs = tf.matmul(features, tf.convert_to_tensor(self._beta.value))
            factor = output_factor(self.problem.likelihood, outputs)
            curvature = tf.reduce_sum(tf.square(factor), -1)
            weights = getattr(batch, "weights", None)
            if weights is not None:
                curvature *= tf.cast(weights, tf.float32)[:, tf.newaxis]
            return tf.einsum("bc,bd,be->cde", curvature, features, features)

        for batch in batches.full():
            total += share(batch)
        self._factors.assign(tf.linalg.cholesky(total))
        self._done.assign(1.0)

    def functions(self, num_samples: int, seed: Any) -> Functions:
        """Draws of β; of β̂ alone before `finish`.

        Args:
          num_samples: S.
          seed: int or scalar integer tensor.
        """
        finished = bool(self._done.numpy())
        count = check_num_samples(num_samples) if finished else 1
        pairs = self._bounded()
        kernels = [kernel for kernel, _ in pairs]
        values = [tf.convert_to_tensor(value) for _, value in pairs]
        spread = tf.convert_to_tensor(self._factors) if finished else None
        return ProcessDraws(self._beta, kernels, values, spread, count, seed)

    def describe(self) -> dict[str, Any]:
        """Name, features, bounded layers, and the cost."""
        about = {
            "method": type(self).__name__,
            "posterior": "process on the features",
            "num_features": self.num_features,
        }
        if not hasattr(self, "problem"):
            return about
        return {**about, "bounded_layers": len(self._kernels), **self.cost()}

    @property
    def variables(self) -> list[keras.Variable]:
        """The process, the power iterations, and the number of gradients."""
        process = [self._omega, self._phase, self._beta, self._factors, self._done]
        return [*process, *self._directions, *super().variables]


class ProcessDraws(Functions):
    """Bounded kernels, and β_c = β̂_c + L_c⁻ᵀ z, L_c the Cholesky factor of its precision.

    Args:
      beta: the variable, `[D, C]`.
      kernels: variables of the hidden layers.
      values: that they act with.
      factors: `[C, D, D]`; β̂ alone where None.
      num_samples: S.
      seed: int or scalar integer tensor.
    """

    def __init__(
        self,
        beta: keras.Variable,
        kernels: Sequence[keras.Variable],
        values: Sequence[tf.Tensor],
        factors: tf.Tensor | None,
        num_samples: int,
        seed: Any,
    ) -> None:
        self.beta, self.kernels = beta, list(kernels)
        self.random = factors is not None
        self.num_samples = num_samples
        self.arguments = {"seed": as_seed(seed), "values": list(values)}
        self.arguments |= {"beta": tf.convert_to_tensor(beta.value)}
        if factors is not None:
            self.arguments["factors"] = factors

    def at(self, sample: tf.Tensor, arguments: Any) -> AbstractContextManager:
        """The process with one draw's β."""
        beta = arguments["beta"]
        if self.random:
            noise = Noise(arguments["seed"], purpose=Purpose.PREDICTION, sample=sample)
            normal = noise.normal((*reversed(self.beta.shape), 1))
            moved = tf.linalg.triangular_solve(arguments["factors"], normal, adjoint=True)
            beta += tf.transpose(moved[..., 0])
        pairs = zip(self.kernels, arguments["values"], strict=True)
        return substituted([*pairs, (self.beta, beta)])

    @property
    def key(self) -> Hashable:
        """The variables, and whether β is drawn."""
        return (ProcessDraws, self.random, *(id(v) for v in (self.beta, *self.kernels)))


def _kernel(layer: Any) -> keras.Variable:
    """The variable of a dense layer's kernel."""
    return layer.kernel.posterior.variables[0] if isinstance(layer, Dense) else layer.kernel


def _unit(vector: tf.Tensor) -> tf.Tensor:
    return vector / tf.maximum(tf.norm(vector), 1e-12)


def _held(value: Any, name: str) -> keras.Variable:
    # The process is float32 under any dtype policy: its angles have many turns.
    value = np.asarray(value, np.float32)
    return keras.Variable(value, trainable=False, autocast=False, name=name)
