"""A normalising flow over the flattened weights."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import gin
import keras
import tensorflow as tf

from bnn.noise import Noise, Purpose
from bnn.posteriors.posterior import Posterior
from bnn.posteriors.validation import require_count, require_scale

_MOMENT_SAMPLES = 4096


class _Coupling(NamedTuple):
    """Variables of one coupling layer: U, V, S."""

    hidden: keras.Variable
    shift: keras.Variable
    log_scale: keras.Variable


@keras.saving.register_keras_serializable(package="bnn.posteriors")
@gin.register(module="bnn.posteriors")
class CouplingFlow(Posterior):
    """vec w = μ + σ ∘ g_L(… g_1(z)), z ~ N(0, I), g of affine couplings.

    The weights' z is split into the elements of even and of odd number, which take turns as a and b
    in (RealNVP: Dinh, Sohl-Dickstein & Bengio 2017, equations 7 and 8)

        b ← b ∘ exp(S h²) + V h,   h = tanh(U a)
        ln q(w) = ln N(z; 0, I) − Σ_layers Σ S h² − Σ ln σ

    The shift V h is odd and the log-scale S h² even in a, so that g(−z) = −g(z): q is symmetric
    about μ, and E_q[w] = μ exactly, which a flow in general does not give. V and S begin at zero,
    where q is the mean field. About 3 L H D / 2 + 2 D parameters for D weights. Entropy and KL are
    sampled; the variance is that of 4,096 fixed samples, good to 3 %. The estimators in weight
    space serve it.

    Args:
      num_couplings: L, at least 1; 2 at least for every element to depend on others.
      hidden_units: H, at least 1.
      initial_scale: σ of every element at the start, positive.
    """

    symmetric = True

    def __init__(
        self, num_couplings: int = 4, hidden_units: int = 16, initial_scale: float = 0.02
    ) -> None:
        self.num_couplings = require_count("num_couplings", num_couplings)
        self.hidden_units = require_count("hidden_units", hidden_units)
        self.initial_scale = require_scale(initial_scale)

    def _build(self, layer: keras.layers.Layer, name: str, **options: Any) -> None:
        self.add_mean(layer, name, **options)
        self._log_scale = self.add_variable(
            layer,
            f"{name}_log_scale",
            shape=self.shape,
            initializer=keras.initializers.Constant(math.log(self.initial_scale)),
        )
        count = self.num_couplings if self.size > 1 else 0
        self._couplings = [self._add_coupling(layer, f"{name}_flow{i}", i) for i in range(count)]

    def _add_coupling(self, layer: keras.layers.Layer, name: str, number: int) -> _Coupling:
        first, second = (self.size + 1) // 2, self.size // 2
        given, changed = (first, second) if number % 2 == 0 else (second, first)
        hidden = self.hidden_units
        shapes = {"hidden": (given, hidden), "shift": (hidden, changed)}
        shapes["log_scale"] = shapes["shift"]
        start = {"hidden": keras.initializers.RandomNormal(stddev=given**-0.5)}
        variables = {
            part: self.add_variable(
                layer, f"{name}_{part}", shape=shape, initializer=start.get(part, "zeros")
            )
            for part, shape in shapes.items()
        }
        return _Coupling(**variables)

    @property
    def size(self) -> int:
        """D."""
        return math.prod(self.shape)

    @property
    def scale(self) -> tf.Tensor:
        """σ, float32, of the tensor's shape; the standard deviation where the flow is trivial."""
        self.shape  # noqa: B018
        return tf.exp(tf.convert_to_tensor(self._log_scale))

    @property
    def variance(self) -> tf.Tensor:
        """Of 4,096 fixed samples, differentiable."""
        z = Noise(0, purpose=Purpose.PROBE).normal([_MOMENT_SAMPLES, self.size])
        pushed, _ = self._push(z)
        return tf.square(self.scale) * tf.reshape(
            tf.reduce_mean(tf.square(pushed), axis=0), self.shape
        )

    def perturbation(self, noise: Noise) -> tf.Tensor:
        """σ ∘ g(z)."""
        pushed, _ = self._push(noise.normal([1, self.size]))
        return self.scale * tf.reshape(pushed, self.shape)

    def log_prob(self, weights: tf.Tensor) -> tf.Tensor:
        """By the inverse: the couplings in the reverse order, b ← (b − V h) ∘ exp(−S h²)."""
        z, log_det = self._pull(tf.reshape((weights - self.mean) / self.scale, [1, -1]))
        base = -0.5 * tf.reduce_sum(tf.square(z)) - 0.5 * self.size * math.log(2 * math.pi)
        return base - log_det[0] - tf.reduce_sum(tf.convert_to_tensor(self._log_scale))

    def _push(self, z: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """g(z) `[N, D]` of z `[N, D]`, and ln |det dg/dz| `[N]`."""
        halves, log_det = [z[:, 0::2], z[:, 1::2]], tf.zeros(tf.shape(z)[:1])
        for number, coupling in enumerate(self._couplings):
            shift, log_scale = _conditioned(coupling, halves[number % 2])
            changed = 1 - number % 2
            halves[changed] = halves[changed] * tf.exp(log_scale) + shift
            log_det += tf.reduce_sum(log_scale, axis=1)
        return _interleave(*halves), log_det

    def _pull(self, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """g⁻¹(x) `[N, D]` of x `[N, D]`, and ln |det dg/dz| at it, `[N]`."""
        halves, log_det = [x[:, 0::2], x[:, 1::2]], tf.zeros(tf.shape(x)[:1])
        for number, coupling in reversed(list(enumerate(self._couplings))):
            shift, log_scale = _conditioned(coupling, halves[number % 2])
            changed = 1 - number % 2
            halves[changed] = (halves[changed] - shift) * tf.exp(-log_scale)
            log_det += tf.reduce_sum(log_scale, axis=1)
        return _interleave(*halves), log_det

    def entropy(self) -> tf.Tensor:
        """None in closed form.

        Raises:
          NotImplementedError: always.
        """
        raise NotImplementedError("the entropy of a flow has no closed form.")

    def get_config(self) -> dict:
        """Keras configuration."""
        return {
            "num_couplings": self.num_couplings,
            "hidden_units": self.hidden_units,
            "initial_scale": self.initial_scale,
        }


def _conditioned(coupling: _Coupling, given: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """V h and S h²."""
    hidden, shift, log_scale = (tf.convert_to_tensor(v) for v in coupling)
    h = tf.tanh(tf.matmul(given, hidden))
    return tf.matmul(h, shift), tf.matmul(tf.square(h), log_scale)


def _interleave(even: tf.Tensor, odd: tf.Tensor) -> tf.Tensor:
    """Elements of even and odd number in their places."""
    count = odd.shape[1]
    if count == 0:
        return even
    pairs = tf.reshape(tf.stack([even[:, :count], odd], axis=2), [-1, 2 * count])
    return pairs if even.shape[1] == count else tf.concat([pairs, even[:, -1:]], axis=1)
