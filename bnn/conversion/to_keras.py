"""A Bayesian model as the plain Keras model of its mean, or of one of its functions."""

from __future__ import annotations

import inspect
from typing import Any

import keras
import numpy as np

from bnn.conversion.plain_layers import PLAIN
from bnn.conversion.subclassed import WeightSpaceModel
from bnn.layers import COUNTERPARTS, WeightSpace
from bnn.layers.adaptation import adapt, adaptations
from bnn.noise import Noise, Purpose
from bnn.sites import Site, sites


def to_keras(model: keras.Model, sample: int | None = None, seed: Any = 0) -> keras.Model:
    """The Keras model with the posterior's mean weights, or those of one function drawn from it.

    Args:
      model: Sequential or functional, of layers that `bnn.convert` makes; or a converted subclassed
        model.
      sample: number of the function, that of `bnn.predict` with the same seed; the mean where None.
      seed: of the functions.

    Raises:
      ValueError: a layer without a counterpart in Keras.
    """
    if sample is not None and sample < 0:
        raise ValueError(f"sample must be at least 0, or None for the mean, got {sample}.")
    values = {
        site: _weights(site, number, sample, seed)
        for number, site in enumerate(sites(model).values())
    }
    return _plain(model, values)


def _weights(site: Site, number: int, sample: int | None, seed: Any) -> np.ndarray:
    if sample is None:
        return site.posterior.mean.numpy()
    noise = Noise(seed, purpose=Purpose.PREDICTION, sample=sample, site=number)
    return site.posterior.sample(noise).numpy()


def _plain(model: keras.Model, values: dict[Site, np.ndarray]) -> keras.Model:
    if isinstance(model, WeightSpaceModel):
        return _unwrapped(model.space, values)
    pairs: list[tuple[keras.layers.Layer, keras.layers.Layer]] = []

    def clone(layer: keras.layers.Layer) -> keras.layers.Layer:
        if not isinstance(layer, keras.layers.Layer):  # an operation of keras.ops
            return type(layer).from_config(layer.get_config())
        if isinstance(layer, WeightSpace):
            return _unwrapped(layer, values)
        if isinstance(layer, keras.Model):
            return _plain(layer, values) if sites(layer) else layer
        if not sites(layer):
            return layer if not layer.trainable_variables else _kept(layer, pairs)
        new = _namesake(layer)
        pairs.append((layer, new))
        return new

    copy = keras.models.clone_model(model, clone_function=clone)
    for layer, new in pairs:
        if sites(layer):
            _assign(layer, new, values)
        else:
            new.set_weights(layer.get_weights())
    return copy


def _kept(layer: keras.layers.Layer, pairs: list) -> keras.layers.Layer:
    new = type(layer).from_config(layer.get_config())
    pairs.append((layer, new))
    return new


def _namesake(layer: keras.layers.Layer) -> keras.layers.Layer:
    namesakes = {**PLAIN, **{found.layer: kind for kind, found in COUNTERPARTS.items()}}
    kind = namesakes.get(type(layer))
    if kind is not None:
        config = {k: v for k, v in layer.get_config().items() if k in _arguments(kind)}
        return kind.from_config(config)
    raise ValueError(
        f"layer {layer.name!r} ({type(layer).__name__}) has no namesake in Keras to become; use "
        "bnn.predict, or put a Keras layer into bnn.layers.WeightSpace."
    )


def _arguments(kind: type) -> set[str]:
    """Names of the arguments of a Keras layer, those of its base classes included."""
    found: set[str] = set()
    for base in kind.__mro__:
        constructor = vars(base).get("__init__")
        if constructor is not None:
            found |= set(inspect.signature(constructor).parameters)
    return found - {"self", "args", "kwargs"}


def _assign(
    layer: keras.layers.Layer, new: keras.layers.Layer, values: dict[Site, np.ndarray]
) -> None:
    found = list(sites(layer).values())
    for site, variable in zip(found, new.trainable_variables, strict=True):
        variable.assign(values[site])
    held = [v for site in found for v in (*site.posterior.variables, *site.prior.variables)]
    state = [v for v in layer.variables if not any(v is other for other in held)]
    for mine, other in zip(new.non_trainable_variables, state, strict=True):
        mine.assign(other)


def _unwrapped(space: WeightSpace, values: dict[Site, np.ndarray]) -> Any:
    """The layer inside, a copy, with the values as its weights."""
    inner = space.layer
    copy = type(inner).from_config(inner.get_config())
    if not copy.built:
        copy.build_from_config(inner.get_build_config())
    adapt(copy, adaptations(inner))
    copy.set_weights(inner.get_weights())
    positions = {id(v): i for i, v in enumerate(inner.variables)}
    for variable, site in space.random:
        copy.variables[positions[id(variable)]].assign(values[site])
    return copy
