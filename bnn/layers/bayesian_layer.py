"""The base of all layers: sites, and what happens when a layer is called."""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf
from keras.src.backend.common.symbolic_scope import in_symbolic_scope

from bnn.draw import Site, current_draw
from bnn.operators import Bias, Operator
from bnn.posteriors import MeanFieldNormal, Posterior
from bnn.priors import Normal, Prior

_SITES = ("kernel", "bias")


class BayesianLayer(keras.layers.Layer):
    """A Keras layer whose output is activation(op(x, kernel) + bias) with random kernel and bias.

    Inside a `bnn.Draw` the draw's estimator decides how the sites are realised. Outside of any
    draw the layer uses the posterior mean, so that `summary`, `save`, `predict` and every other
    Keras tool work on a Bayesian model and give its deterministic plug-in prediction. Training
    outside of a draw, as by `model.fit`, would fit the means alone and leave every scale and KL
    untouched, so a call with `training=True` outside of a draw is an error.

    Subclasses implement `kernel_shape`, `make_operator` and `compute_output_shape`.

    Args:
      activation: Keras activation, or None.
      use_bias: whether there is a bias site.
      kernel_initializer: Keras initializer of the kernel's posterior mean.
      bias_initializer: Keras initializer of the bias's posterior mean.
      kernel_regularizer: Keras regularizer of the kernel's mean; appears in `model.losses`, which
        `bnn.objectives.NegativeELBO` adds to its loss. The prior is the Bayesian way.
      bias_regularizer: the same for the bias.
      activity_regularizer: Keras regularizer of the output.
      kernel_constraint: Keras constraint of the kernel's mean.
      bias_constraint: Keras constraint of the bias's mean.
      kernel_posterior: q(kernel); `bnn.posteriors.MeanFieldNormal()` where None.
      bias_posterior: q(bias); `bnn.posteriors.MeanFieldNormal()` where None.
      kernel_prior: p(kernel); `bnn.priors.Normal()`, that is N(0, 1), where None.
      bias_prior: p(bias); `bnn.priors.Normal()` where None.
      **kwargs: of `keras.layers.Layer`: name, dtype, trainable.
    """

    def __init__(
        self,
        *,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        kernel_posterior: Posterior | None = None,
        bias_posterior: Posterior | None = None,
        kernel_prior: Prior | None = None,
        bias_prior: Prior | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.activation = keras.activations.get(activation)
        self.use_bias = bool(use_bias)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.bias_regularizer = keras.regularizers.get(bias_regularizer)
        self.kernel_constraint = keras.constraints.get(kernel_constraint)
        self.bias_constraint = keras.constraints.get(bias_constraint)
        self.kernel_posterior = _own(kernel_posterior, Posterior, MeanFieldNormal)
        self.bias_posterior = _own(bias_posterior, Posterior, MeanFieldNormal)
        self.kernel_prior = _own(kernel_prior, Prior, Normal)
        self.bias_prior = _own(bias_prior, Prior, Normal)
        self._operators: dict[str, Operator] = {}

    @property
    def channel_format(self) -> str:
        """`"channels_last"` or `"channels_first"`."""
        return getattr(self, "data_format", "channels_last")

    @abc.abstractmethod
    def kernel_shape(self, input_shape: tuple) -> tuple[int, ...]:
        """Shape of the kernel for inputs of this shape."""

    @abc.abstractmethod
    def make_operator(self, input_shape: tuple) -> Operator:
        """The kernel's operator for inputs of this shape."""

    @abc.abstractmethod
    def bias_shape(self) -> tuple[int, ...]:
        """Shape of the bias."""

    def build(self, input_shape: tuple) -> None:
        """Creates the variables of posteriors and priors."""
        self._operators["kernel"] = self.make_operator(input_shape)
        shapes = {"kernel": self.kernel_shape(input_shape)}
        if self.use_bias:
            self._operators["bias"] = Bias(self.channel_format)
            shapes["bias"] = self.bias_shape()
        for name, shape in shapes.items():
            getattr(self, f"{name}_posterior").build(
                self,
                name,
                shape,
                initializer=getattr(self, f"{name}_initializer"),
                regularizer=getattr(self, f"{name}_regularizer"),
                constraint=getattr(self, f"{name}_constraint"),
            )
            getattr(self, f"{name}_prior").build(self, name, shape)
        self._sites = tuple(self._make_site(name) for name in shapes)

    def _make_site(self, name: str) -> Site:
        return Site(
            name,
            (f"{type(self).__name__.lower()}/{name}", f"{self.name}/{name}"),
            self._operators[name],
            getattr(self, f"{name}_posterior"),
            getattr(self, f"{name}_prior"),
        )

    @property
    def sites(self) -> tuple[Site, ...]:
        """The layer's random tensors: kernel and, where it is used, bias; empty before `build`."""
        return self._sites if self.built else ()

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Activation of the sum of the sites."""
        # Keras traces a model that has no build() for its variables' shapes, in a graph that never
        # runs: an error there would be swallowed, and the model saved without its variables.
        tracing = in_symbolic_scope()
        draw = None if tracing else current_draw()
        if draw is None and training is True and not tracing:
            raise RuntimeError(
                f"layer {self.name!r} was called with training=True outside of a bnn.Draw: its "
                "weights would not be sampled and no KL would be counted (model.fit does this). "
                "Train with bnn.objectives.NegativeELBO, or open a draw: "
                "with bnn.Draw(seed=0, estimator=bnn.estimators.Flipout()): model(x, training=True)"
            )
        inputs = tf.convert_to_tensor(inputs)
        if not inputs.dtype.is_floating:  # weights cast to integers would all be zero
            inputs = tf.cast(inputs, self.compute_dtype)
        outputs = None
        for site in self.sites:
            x = inputs if site.name == "kernel" else Bias.ones_like_batch(inputs)
            part = draw.apply(site, x) if draw else site.operator(x, site.posterior.mean)
            outputs = part if outputs is None else outputs + part
        return self.activation(outputs)

    def get_config(self) -> dict:
        """Keras configuration."""
        serialize = keras.saving.serialize_keras_object
        config = super().get_config()
        config["activation"] = keras.activations.serialize(self.activation)
        config["use_bias"] = self.use_bias
        config["activity_regularizer"] = keras.regularizers.serialize(self.activity_regularizer)
        for name in _SITES:
            for module, part in (
                (keras.initializers, "initializer"),
                (keras.regularizers, "regularizer"),
                (keras.constraints, "constraint"),
            ):
                config[f"{name}_{part}"] = module.serialize(getattr(self, f"{name}_{part}"))
            for part in ("posterior", "prior"):
                config[f"{name}_{part}"] = serialize(getattr(self, f"{name}_{part}"))
        return config

    @classmethod
    def from_config(cls, config: dict) -> BayesianLayer:
        """The layer that `get_config` described, with its posteriors and priors."""
        config = dict(config)
        for name in _SITES:
            for part in ("posterior", "prior"):
                config[f"{name}_{part}"] = keras.saving.deserialize_keras_object(
                    config[f"{name}_{part}"]
                )
        return cls(**config)


def _own(given: Any, kind: type[Posterior | Prior], default: Callable[[], Any]) -> Any:
    """The layer's own copy of a description, or of the default."""
    if given is None:
        return default()
    if not isinstance(given, kind):
        raise ValueError(
            f"expected a bnn {kind.__name__.lower()} object or None, got {given!r}; pass for "
            f"example bnn.{kind.__name__.lower()}s.{type(default()).__name__}()."
        )
    return given.clone()
