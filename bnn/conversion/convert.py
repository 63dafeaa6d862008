"""Any Keras model as a Bayesian one."""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from bnn.conversion.subclassed import WeightSpaceModel
from bnn.conversion.table import Conversion, Row
from bnn.estimators import fitting
from bnn.layers import COUNTERPARTS, Counterpart, WeightSpace
from bnn.layers.adaptation import (
    adapt,
    adaptations,
    copy_trained,
    is_quantized,
    is_rewritten,
    trained_variables,
)
from bnn.posteriors import MeanFieldNormal, Posterior
from bnn.priors import Normal, Prior
from bnn.sites import sites

Where = Callable[[str, keras.layers.Layer], bool] | str | Sequence[str] | None
InitialScale = float | Callable[[np.ndarray], np.ndarray] | None


def convert(
    model: keras.Model,
    *,
    posterior: Posterior | None = None,
    prior: Prior | None = None,
    where: Where = None,
    initial_scale: InitialScale = None,
    verbose: bool = True,
) -> keras.Model:
    """A Bayesian model with the architecture and the weights of a Keras model.

    ```python
    bayesian = bnn.convert(model, initial_scale=bnn.moped(0.1), prior=bnn.priors.Around(1.0))
    ```

    A layer with a counterpart in `bnn.layers` becomes that layer, which every estimator serves; any
    other layer with weights becomes `bnn.layers.WeightSpace` of itself. Layers without trainable
    weights, frozen ones and those that `where` leaves out stay deterministic and cost no KL.
    Sequential and functional models are rebuilt, nested ones recursively, shared layers stay
    shared; a subclassed model is put into a `WeightSpace` as a whole. At the posterior's mean the
    outputs are the model's own.

    Args:
      model: built; it is not changed, but for layers without a counterpart and subclassed models
        that Keras cannot copy (the table says which): these are taken over.
      posterior: of every weight tensor; `MeanFieldNormal()` where None.
      prior: of every weight tensor; N(0, 1) where None. `bnn.priors.Around(s)` is N(w, s²) around
        the model's weights w.
      where: which layers become random: a function of (path, layer), a shell-style pattern of
        paths, such as `"head*"`, or several; all of them where None.
      initial_scale: σ at the start, a number or a function of the weights, such as `bnn.moped()`;
        the posterior's own where None.
      verbose: print the table of layers, which is the result's attribute `conversion`, too.

    Raises:
      ValueError: a model that is not built, or in which no layer becomes random.
    """
    if not isinstance(model, keras.Model):
        raise ValueError(f"model must be a Keras model, got {model!r}.")
    if not model.built:
        raise ValueError(
            f"model {model.name!r} has no variables yet; call it once on data, or give it a "
            "keras.Input."
        )
    converter = _Converter(
        posterior if posterior is not None else MeanFieldNormal(),
        prior if prior is not None else Normal(),
        _predicate(where),
        initial_scale,
    )
    converted = converter.model(model, "")
    if not sites(converted):
        raise ValueError(
            f"no layer of model {model.name!r} became random (where={where!r}); the paths of its "
            f"layers are {', '.join(map(_said, converter.rows))}."
        )
    places = {path: i for i, path in enumerate(_paths(model, ""))}
    rows = sorted(converter.rows, key=lambda row: places.get(row.path, -1))
    converted.conversion = Conversion(rows)
    if verbose:
        print(converted.conversion)
    return converted


class _Converter:
    """Converts the layers of one model, nested ones included."""

    def __init__(
        self,
        posterior: Posterior,
        prior: Prior,
        where: Callable[[str, keras.layers.Layer], bool],
        initial_scale: InitialScale,
    ) -> None:
        self._posterior, self._prior = posterior, prior
        self._where, self._initial_scale = where, initial_scale
        self.rows: list[Row] = []
        self._taken: dict[str, str] = {}  # path to why a layer was not copied

    def model(self, model: keras.Model, prefix: str) -> keras.Model:
        """The converted model; `prefix` is the path of what it is part of."""
        if not _is_graph(model):
            return self._subclassed(model, prefix or model.name)
        pairs: list[tuple[keras.layers.Layer, keras.layers.Layer]] = []

        def clone(layer: keras.layers.Layer) -> keras.layers.Layer:
            if not isinstance(layer, keras.layers.Layer):  # an operation of keras.ops
                return type(layer).from_config(layer.get_config())
            new = self._layer(layer, prefix + layer.name)
            pairs.append((layer, new))
            return new

        copy = keras.models.clone_model(model, clone_function=clone)
        for layer, new in pairs:
            if new is not layer and not isinstance(layer, keras.Model):
                self._copy_weights(layer, new)
        for layer, new in pairs:
            if new is not layer and not isinstance(layer, keras.Model) and sites(new):
                path = prefix + layer.name
                self._add_row(path, layer, new, self._taken.get(path, ""))
        return copy

    def _layer(self, layer: keras.layers.Layer, path: str) -> keras.layers.Layer:
        if not trained_variables(layer):
            frozen = bool(layer.weights) and not layer.trainable
            if frozen:
                return self._deterministic(layer, path, "frozen")
            self._keep(path, layer, "no trainable weights")
            return layer
        if sites(layer) and not isinstance(layer, keras.Model):
            return _copy(layer)
        if isinstance(layer, keras.Model) and _is_graph(layer):
            return self.model(layer, f"{path}/")
        if not self._where(path, layer):
            return self._deterministic(layer, path, "left out by where")
        if is_quantized(layer):
            return self._deterministic(layer, path, "quantized")
        found = _counterpart(layer)
        if found is None:
            return self._substituted(layer, path)
        kind: Any = found.layer
        names = getattr(kind, "site_initializers", None) or kind.family_sites
        described = keras.saving.serialize_keras_object
        families = {
            f"{site}_{part}": described(getattr(self, f"_{part}"))
            for site in names
            for part in ("posterior", "prior")
        }
        return kind.from_config({**found.config(layer.get_config()), **families})

    def _deterministic(
        self, layer: keras.layers.Layer, path: str, reason: str
    ) -> keras.layers.Layer:
        """A copy of a layer whose weights stay as they are; the layer itself as `_substituted`."""
        copy, taken = _copied(layer)
        self._keep(path, layer, f"{reason}; {taken}" if taken else reason)
        return copy

    def _substituted(self, layer: keras.layers.Layer, path: str) -> WeightSpace:
        """The layer in a `WeightSpace`: a copy, or itself where Keras cannot rebuild it."""
        inner, self._taken[path] = _copied(layer)
        return WeightSpace(inner, self._posterior, self._prior, name=layer.name)

    def _copy_weights(self, layer: keras.layers.Layer, new: keras.layers.Layer) -> None:
        if isinstance(new, WeightSpace) and not isinstance(layer, WeightSpace):
            for variable, site in new.random:
                self._initialise(site, keras.ops.convert_to_numpy(variable))
            return
        if sites(layer) or not sites(new):
            new.set_weights(layer.get_weights())
            return
        found = list(sites(new).values())
        for site, variable in zip(found, layer.trainable_variables, strict=True):
            self._initialise(site, keras.ops.convert_to_numpy(variable))
        held = [v for site in found for v in (*site.posterior.variables, *site.prior.variables)]
        state = [v for v in new.variables if not any(v is other for other in held)]
        for mine, other in zip(state, layer.non_trainable_variables, strict=True):
            mine.assign(other)

    def _initialise(self, site: Any, weights: np.ndarray) -> None:
        scale = self._initial_scale
        site.posterior.initialise(weights, scale(weights) if callable(scale) else scale)
        site.prior.initialise(weights)

    def _subclassed(self, model: keras.Model, path: str) -> keras.Model:
        inner, reason = _copied(model)
        space = WeightSpace(inner, self._posterior, self._prior)
        space.declare_sites()
        new = WeightSpaceModel(space, name=model.name)
        for variable, site in new.space.random:
            self._initialise(site, keras.ops.convert_to_numpy(variable))
        self._add_row(path, model, new.space, reason)
        return new

    def _keep(self, path: str, layer: keras.layers.Layer, reason: str) -> None:
        self.rows.append(Row(path, type(layer).__name__, "", 0, (), reason))

    def _add_row(
        self, path: str, layer: keras.layers.Layer, new: keras.layers.Layer, reason: str = ""
    ) -> None:
        found = sites(new).values()
        served = [set(fitting(site.posterior, site.operator)) for site in found]
        size = sum(math.prod(site.posterior.shape) for site in found)
        if type(new) is type(layer):
            reason = "random already"
        elif isinstance(new, WeightSpace) and not reason:
            reason = "no counterpart: weights by substitution"
        names = tuple(sorted(set.intersection(*served))) if served else ()
        self.rows.append(Row(path, type(layer).__name__, type(new).__name__, size, names, reason))


def _said(row: Row) -> str:
    """A layer's path, and why it stayed deterministic, where that is about the layer."""
    return f"{row.path} (quantized)" if row.reason.startswith("quantized") else row.path


def _paths(model: keras.Model, prefix: str) -> list[str]:
    """The paths of a model's layers in its own order."""
    found = []
    for layer in model.layers:
        found.append(prefix + layer.name)
        if isinstance(layer, keras.Model) and _is_graph(layer):
            found += _paths(layer, f"{prefix}{layer.name}/")
    return found


def _counterpart(layer: keras.layers.Layer) -> Counterpart | None:
    """The layer's counterpart; None where it has none, or it or a part was quantized or adapted."""
    found = COUNTERPARTS.get(type(layer))
    if found is None or is_rewritten(layer):
        return None
    try:
        found.config(layer.get_config())
    except ValueError:
        return None
    return found


def _predicate(where: Where) -> Callable[[str, keras.layers.Layer], bool]:
    if where is None:
        return lambda path, layer: True
    if callable(where):
        return where
    patterns = [where] if isinstance(where, str) else list(where)
    return lambda path, layer: any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)


def _is_graph(model: keras.Model) -> bool:
    """Whether Keras can rebuild the model from its layers: Sequential or functional.

    A class that derives from functional models and calls its layers as they do, such as KerasHub's
    backbones, is one; what it has beside its layers is left behind.
    """
    kind = type(model)
    if kind in (keras.Model, keras.Sequential):
        return True
    functional = next((base for base in kind.__mro__ if base.__name__ == "Functional"), None)
    if functional is None or not issubclass(functional, keras.Model):
        return False
    own = {name for base in kind.__mro__[: kind.__mro__.index(functional)] for name in vars(base)}
    return not own & {"call", "__call__"}


def _copied(layer: keras.layers.Layer) -> tuple[keras.layers.Layer, str]:
    """A copy and ""; or the layer itself, and why."""
    try:
        return _copy(layer), ""
    except (NotImplementedError, TypeError, ValueError):
        return layer, "taken over, not copied: Keras cannot rebuild it"


def _copy(layer: keras.layers.Layer) -> keras.layers.Layer:
    """A built copy of a layer with its weights."""
    new = type(layer).from_config(layer.get_config())
    if layer.built:
        if not new.built and (config := layer.get_build_config()):
            new.build_from_config(config)
        # A subclassed model has its weights by then, although Keras does not call it built.
        has_weights = bool(new.weights) or not layer.weights
        if not new.built and not has_weights:
            raise ValueError(f"layer {layer.name!r} cannot be built from its configuration.")
        adapt(new, adaptations(layer))
        new.set_weights(layer.get_weights())
        copy_trained(layer, new)
        new.built = True
        return new
    new.trainable = layer.trainable
    return new
