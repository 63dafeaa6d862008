"""Which of a model's weights are random, with their prior N(m, 1/δ): tensors as one flat vector."""

from __future__ import annotations

import dataclasses
import fnmatch
import glob
import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bnn.compat import all_layers
from bnn.priors import Around, ArrayNormal, FanInNormal, FunctionSpaceNormal, Normal
from bnn.sites import Site, sites

# Normal priors with independent elements, by class.
NORMAL: tuple[Any, ...] = (Around, ArrayNormal, FanInNormal, FunctionSpaceNormal, Normal)
LAST = "last"


@dataclasses.dataclass(frozen=True)
class Tensor:
    """One weight tensor.

    Attributes:
      name: of its site, `"0_dense/kernel"`, or the path of a plain variable.
      layer: what it shares a precision with, where each layer has its own.
      variable: whose value is the mode.
      site: None for a variable of a plain Keras layer.
    """

    name: str
    layer: str
    variable: keras.Variable
    site: Site | None

    @property
    def size(self) -> int:
        """Number of weights."""
        return math.prod(self.variable.shape)


class Weights:
    """The chosen tensors of a model, in its own order, as one vector of P numbers.

    Args:
      model: built; random weights only `Point`s.
      where: shell-style pattern of names, or several; `"last"` for the last layer with weights; all
        where None.

    Attributes:
      tensors: chosen.
      fixed: names of those that stay at their mode.

    Raises:
      ValueError: none is chosen; the message has the names.
    """

    def __init__(self, model: keras.Model, where: str | Sequence[str] | None = None) -> None:
        found = _tensors(model)
        if where == LAST:
            where = [f"{glob.escape(found[-1].layer)}/*"] if found else []
        patterns = ["*"] if where is None else [where] if isinstance(where, str) else list(where)
        chosen = [
            t for t in found if any(fnmatch.fnmatchcase(t.name, pattern) for pattern in patterns)
        ]
        if not chosen:
            raise ValueError(
                f"where must choose at least one weight tensor, but {patterns} fits none of "
                f"{', '.join(t.name for t in found) or 'a model without trainable weights'}."
            )
        self.tensors = chosen
        self.fixed = [t.name for t in found if t not in chosen]

    @property
    def variables(self) -> list[keras.Variable]:
        """Of the tensors."""
        return [t.variable for t in self.tensors]

    @property
    def size(self) -> int:
        """P."""
        return sum(t.size for t in self.tensors)

    @property
    def layers(self) -> list[str]:
        """The layers' names, in order."""
        return list(dict.fromkeys(t.layer for t in self.tensors))

    def flat(self, values: Sequence[Any]) -> tf.Tensor:
        """One value by tensor, each of its shape or a number, as a vector `[P]`, float64."""
        parts = [
            tf.reshape(tf.broadcast_to(tf.cast(v, tf.float64), t.variable.shape), [-1])
            for t, v in zip(self.tensors, values, strict=True)
        ]
        return tf.concat(parts, axis=0)

    def split(self, vectors: tf.Tensor) -> list[tf.Tensor]:
        """Vectors `[…, P]` as one tensor `[…, *shape]` for each of the weight tensors."""
        parts = tf.split(vectors, [t.size for t in self.tensors], axis=-1)
        return [
            tf.reshape(part, tf.concat([tf.shape(part)[:-1], t.variable.shape], axis=0))
            for part, t in zip(parts, self.tensors, strict=True)
        ]

    def mode(self) -> tf.Tensor:
        """The variables' values, `[P]`, float64."""
        return self.flat([t.variable.value for t in self.tensors])

    def prior_loc(self) -> tf.Tensor:
        """M, `[P]`, float64; zero for weights without a prior."""
        return self.flat([0.0 if t.site is None else _normal_prior(t).loc for t in self.tensors])

    def prior_precision(self) -> tf.Tensor:
        """δ = 1/s² of the model's own priors, `[P]`, float64.

        Raises:
          ValueError: a weight without a normal prior of its own.
        """
        scales = [tf.cast(_normal_prior(t).current_scale(), tf.float64) for t in self.tensors]
        return self.flat([1 / tf.square(scale) for scale in scales])

    def groups(self, by_layer: bool) -> np.ndarray:
        """The number of every weight's group, `[P]`: 0, or that of its layer."""
        places = {name: i if by_layer else 0 for i, name in enumerate(self.layers)}
        return np.repeat([places[t.layer] for t in self.tensors], [t.size for t in self.tensors])


def _tensors(model: keras.Model) -> list[Tensor]:
    """Every weight tensor that training fits: sites first among the owners of variables."""
    owned: dict[int, Tensor | None] = {}
    for name, site in sites(model).items():
        layer = name.rpartition("/")[0]
        for variable in (*site.posterior.variables, *site.prior.variables):
            owned[id(variable)] = None
        loc = site.posterior.variables[0]
        owned[id(loc)] = Tensor(name, layer, loc, site)
    layer_of = {
        id(variable): layer.name
        for layer in all_layers(model)
        for variable in layer.trainable_variables
    }  # the innermost owner: layers below come later
    found = []
    for variable in model.trainable_variables:
        if id(variable) in owned:
            tensor = owned[id(variable)]
        else:
            layer = layer_of.get(id(variable), model.name)
            tensor = Tensor(f"{layer}/{variable.name}", layer, variable, None)
        if tensor is not None:
            found.append(tensor)
    return found


def _normal_prior(tensor: Tensor) -> Any:
    if tensor.site is None:
        raise ValueError(
            f"weights {tensor.name} have no prior: they are a plain Keras layer's; give "
            'prior_precision, a positive number or "one" or "layer" to choose it by the '
            "marginal likelihood, leave them out by where, or use a layer of bnn.layers."
        )
    prior = tensor.site.prior
    if type(prior) not in NORMAL or any(v.trainable for v in prior.variables):
        raise ValueError(
            f"site {tensor.name} must have a fixed normal prior with independent elements, got "
            f"{type(prior).__name__}; use priors.Normal(), or leave it out by where."
        )
    return prior
