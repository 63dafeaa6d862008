"""The base of all layers: sites, their options, and how both are saved."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import keras
import tensorflow as tf

from bnn.operators import Operator
from bnn.posteriors import MeanFieldNormal, Posterior, chosen
from bnn.priors import Normal, Prior
from bnn.sites import Site

_KERAS_PARTS = {
    "initializer": keras.initializers,
    "regularizer": keras.regularizers,
    "constraint": keras.constraints,
}
_FAMILIES: dict[str, tuple[type, Callable[[], Any]]] = {
    "posterior": (Posterior, MeanFieldNormal),
    "prior": (Prior, Normal),
}


class BayesianLayer(keras.layers.Layer):
    """A Keras layer with random tensors.

    A subclass names its sites, declares them in `build` with `add_site`, and calls them:

    ```python
    class Scaled(BayesianLayer):
        site_initializers = {"scale": "ones"}

        def build(self, input_shape):
            self.scale = self.add_site("scale", MyOperator(), (input_shape[-1],))

        def call(self, inputs):
            return self.scale(inputs)
    ```

    Inside a `bnn.Draw` the draw's estimator decides how sites are realised. Outside of any draw a
    site is at its posterior mean, so that `summary`, `save`, `predict` and every other Keras tool
    work on a Bayesian model and give its deterministic plug-in prediction. Training outside of a
    draw, as by `model.fit`, would fit the means alone and leave every scale and KL untouched, so a
    call with `training=True` outside of a draw is an error.

    Every site `s` has the options `s_initializer`, `s_regularizer` and `s_constraint` of Keras, of
    its posterior's mean; a regularizer appears in `model.losses`, which
    `bnn.objectives.NegativeELBO` adds to its loss, and the prior is the Bayesian way. Beside them
    stand `s_posterior`, `bnn.posteriors.MeanFieldNormal()` where None, and `s_prior`,
    `bnn.priors.Normal()`, that is N(0, 1), where None.

    Args:
      activity_regularizer: Keras regularizer of the output.
      **kwargs: the sites' options, and those of `keras.layers.Layer`: name, dtype, trainable.

    Attributes:
      site_initializers: the layer's sites, each with the default initializer of its mean.
    """

    site_initializers: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, *, activity_regularizer: Any = None, **kwargs: Any) -> None:
        parts = (*_KERAS_PARTS, *_FAMILIES)
        names = [f"{site}_{part}" for site in self.site_initializers for part in parts]
        given = {name: kwargs.pop(name) for name in names if name in kwargs}
        unknown = [name for name in kwargs if name.endswith(("_posterior", "_prior"))]
        if unknown:
            known = ", ".join(name for name in names if name.endswith(("_posterior", "_prior")))
            raise ValueError(
                f"layer {type(self).__name__} has no argument {unknown[0]!r}; those of its random "
                f"tensors are {known}."
            )
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        for site, initializer in self.site_initializers.items():
            given.setdefault(f"{site}_initializer", initializer)
            for part, module in _KERAS_PARTS.items():
                name = f"{site}_{part}"
                setattr(self, name, module.get(given.get(name)))
            for part, (kind, default) in _FAMILIES.items():
                name = f"{site}_{part}"
                setattr(self, name, _own(name, given.get(name), kind, default))
        self._sites: tuple[Site, ...] = ()

    def __repr__(self) -> str:
        """Name, and every random tensor's posterior and prior: those in use once it is built."""
        sites = {site.name: (site.posterior, site.prior) for site in self._sites}
        if not sites:
            sites = {
                name: (getattr(self, f"{name}_posterior"), getattr(self, f"{name}_prior"))
                for name in self.site_initializers
            }
        said = [f"{name}={posterior!r} ‖ {prior!r}" for name, (posterior, prior) in sites.items()]
        return f"<{', '.join([f'{type(self).__name__} name={self.name}', *said])}>"

    def add_site(
        self, name: str, operator: Operator, shape: tuple[int, ...], initializer: Any = None
    ) -> Site:
        """Builds posterior and prior of a random tensor; called in `build`.

        Args:
          name: one of `site_initializers`.
          operator: the map that the tensor enters.
          shape: of the tensor.
          initializer: of the mean in place of the option `<name>_initializer`, or None.

        Raises:
          ValueError: a posterior without a density, such as `Point`, with a learned prior: the loss
            has no lower bound.
        """
        posterior, prior = getattr(self, f"{name}_posterior"), getattr(self, f"{name}_prior")
        options = {part: getattr(self, f"{name}_{part}") for part in _KERAS_PARTS}
        if initializer is not None:
            options["initializer"] = initializer
        posterior.build(self, name, tuple(shape), **options)
        prior.build(self, name, tuple(shape))
        return self.declare(name, operator, posterior, prior)

    def declare(self, name: str, operator: Operator, posterior: Posterior, prior: Prior) -> Site:
        """A site of a posterior and a prior that are built already; see `add_site`."""
        if any(site.name == name for site in self._sites):
            raise ValueError(
                f"sites of layer {self.name!r} must have different names, got {name!r} twice: the "
                "ledger would count one of them alone."
            )
        pointed = posterior.deterministic or not posterior.has_density
        if pointed and not prior.bounded and any(v.trainable for v in prior.variables):
            raise ValueError(
                f"{name}_prior of layer {self.name!r} must not be learned where {name}_posterior "
                f"is {type(posterior).__name__}(): −log p(w) falls without bound as the prior "
                "closes in on w. Use MeanFieldNormal(), or a prior with trainable=False."
            )
        site = Site(self, name, operator, posterior, prior)
        self._sites = (*self._sites, site)
        return site

    @property
    def sites(self) -> tuple[Site, ...]:
        """The layer's random tensors, in the order of their declaration; empty before `build`."""
        return self._sites

    def floating(self, inputs: Any) -> tf.Tensor:
        """Inputs as a tensor of floating numbers: weights cast to integers would all be zero."""
        inputs = tf.convert_to_tensor(inputs)
        return inputs if inputs.dtype.is_floating else tf.cast(inputs, self.compute_dtype)

    def get_config(self) -> dict:
        """Keras configuration."""
        config = super().get_config()
        config["activity_regularizer"] = keras.regularizers.serialize(self.activity_regularizer)
        for site in self.site_initializers:
            for part, module in _KERAS_PARTS.items():
                config[f"{site}_{part}"] = module.serialize(getattr(self, f"{site}_{part}"))
            for part in _FAMILIES:
                described = getattr(self, f"{site}_{part}")
                config[f"{site}_{part}"] = keras.saving.serialize_keras_object(described)
        return config

    @classmethod
    def from_config(cls, config: dict) -> BayesianLayer:
        """The layer that `get_config` described, with its posteriors and priors."""
        config = dict(config)
        for site in cls.site_initializers:
            for part in _FAMILIES:
                name = f"{site}_{part}"
                config[name] = keras.saving.deserialize_keras_object(config[name])
        return cls(**config)


def _own(name: str, given: Any, kind: type, default: Callable[[], Any]) -> Any:
    """The layer's own copy of a description, or of the default."""
    if given is None:
        given = default()
    if not isinstance(given, kind):
        fits = isinstance(given, type) and issubclass(given, kind)
        example = given.__name__ if fits else type(default()).__name__
        raise ValueError(
            f"{name} must be a bnn {kind.__name__.lower()} object or None, got {given!r}; pass for "
            f"example bnn.{kind.__name__.lower()}s.{example}(), with the parentheses."
        )
    own = given.clone()  # type: ignore[attr-defined]
    return chosen(own) if isinstance(own, Posterior) else own
