"""Any Keras layer with random weights, by substitution."""

from __future__ import annotations

import itertools
from typing import Any

import gin
import keras
import tensorflow as tf

from bnn.compat import all_layers, substituted
from bnn.layers.adaptation import (
    adapt,
    adaptations,
    floating_policy,
    is_quantized,
    require_whole,
    settle,
    trained_variables,
)
from bnn.layers.bayesian_layer import BayesianLayer
from bnn.operators import Value
from bnn.posteriors import MeanFieldNormal, Posterior, chosen
from bnn.priors import Normal, Prior
from bnn.sites import Site


@keras.saving.register_keras_serializable(package="bnn")
@gin.register(module="bnn.layers")
class WeightSpace(BayesianLayer):
    """f(x; w) with random w, f any Keras layer or model: attention, a custom layer, a backbone.

    Every trainable floating variable of the layer becomes a site; when the layer is called, the
    draw's weights stand in the variables' place (`keras.StatelessScope`), and what the call changes
    beside them, such as moving averages or the state of seed generators, is written back. The map
    need not be linear in its weights, so only estimators that realise one weight tensor for the
    batch serve it: `Reparameterization`, `ScoreFunction`, `Mean`.

    The layer's own variables keep the values that they had and are no longer trained: the
    posterior's mean starts from them. Whoever reads them from outside of the layer's call, as
    layers with tied weights do, sees these values; wrap the whole model then.

    Attributes:
      random: the layer's variables that are random, each with its site.
      owners: the layer within, such as a dense layer of attention, by a site's name in variables.

    Args:
      layer: unbuilt or built; it is taken over, not copied.
      posterior: of every variable; `MeanFieldNormal()` where None.
      prior: of every variable; `Normal()` where None.
      **kwargs: of `keras.layers.Layer`.
    """

    def __init__(
        self,
        layer: keras.layers.Layer,
        posterior: Posterior | None = None,
        prior: Prior | None = None,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("dtype", floating_policy(layer))
        super().__init__(**kwargs)
        self.layer = layer
        self.posterior = chosen(posterior if posterior is not None else MeanFieldNormal())
        self.prior = prior if prior is not None else Normal()
        self.supports_masking = layer.supports_masking
        self.random: list[tuple[keras.Variable, Site]] = []
        self.owners: dict[str, keras.layers.Layer] = {}
        self._adapted: dict | None = None  # where the layer's own configuration does not say it

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Builds the layer where it has not been, and calls it."""
        if not self.built:
            if not self.layer.built:
                self.layer(*keras.tree.map_structure(_symbolic, args), **_tensors(kwargs))
            self.declare_sites()
        return super().__call__(*args, **kwargs)

    def get_build_config(self) -> dict | None:
        """The layer's own: Keras would keep the shapes by the names of our arguments."""
        # A layer that its constructor builds may have none; the sites are to be declared anyway.
        return self.layer.get_build_config() or {"input_shape": None} if self.built else None

    def build_from_config(self, config: dict) -> None:
        """Builds the layer, and its sites."""
        if not self.layer.built:
            self.layer.build_from_config(config)
        self.declare_sites()

    def declare_sites(self) -> None:
        """A site for each of the layer's trainable variables."""
        if self._adapted is not None:
            adapt(self.layer, self._adapted["parts"])
            variables = [self.layer.variables[i] for i in self._adapted["random"]]
            for variable in self.layer.variables:  # parts that were frozen by themselves
                variable.trainable = False
        else:
            variables = [v for v in trained_variables(self.layer) if "float" in v.dtype]
        if not variables:
            raise ValueError(
                f"layer {self.layer.name!r} has no trainable weights to be random; use it as it is."
            )
        if is_quantized(self.layer, variables):
            raise ValueError(
                f"layer {self.layer.name!r} must not be quantized, as integers have no posterior; "
                "make it random before, or adapt it by enable_lora, whose factors can be random."
            )
        require_whole(self.layer, variables)
        names = _names(self.layer, variables)
        # The innermost: layers below come later.
        owner = {id(v): inner for inner in all_layers(self.layer) for v in inner.variables}
        for name, variable in zip(names, variables, strict=True):
            posterior, prior = self.posterior.clone(), self.prior.clone()
            attribute = name.replace("/", "_")
            posterior.build(
                self,
                attribute,
                tuple(variable.shape),
                initializer="zeros",
                regularizer=variable.regularizer,
                constraint=variable.constraint,
            )
            self.owners[attribute] = owner.get(id(variable), self.layer)
            prior.build(self, attribute, tuple(variable.shape))
            with tf.init_scope():
                weights = keras.ops.convert_to_numpy(variable)
            posterior.initialise(weights)
            prior.initialise(weights)
            variable.trainable = False
            variable.regularizer = variable.constraint = None
            self.random.append((variable, self.declare(name, Value(), posterior, prior)))
        self.built = True

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """The layer's own call with the draw's weights, or with their means."""
        like = next(t for t in keras.tree.flatten((args, kwargs)) if tf.is_tensor(t))
        pairs = [(v, tf.cast(site(like), v.dtype)) for v, site in self.random]
        scope = substituted(pairs)
        before = dict(scope.state_mapping)
        with scope:
            outputs = self.layer(*args, **kwargs)
        for variable in self.layer.variables:
            value = scope.state_mapping.get(id(variable))
            if value is not None and value is not before.get(id(variable)):
                variable.assign(value)
        for loss in scope.losses:
            self.add_loss(loss)
        return outputs

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """The layer's."""
        return self.layer.compute_output_spec(*args, **kwargs)

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """The layer's."""
        return self.layer.compute_mask(inputs, previous_mask)

    def save_own_variables(self, store: Any) -> None:
        """Nothing is the layer's own but its sites' variables."""
        settle(self.layer, [variable for variable, _ in self.random])  # before Keras saves it
        super().save_own_variables(store)

    def get_config(self) -> dict:
        """Keras configuration."""
        serialize = keras.saving.serialize_keras_object
        parts = {name: serialize(getattr(self, name)) for name in ("layer", "posterior", "prior")}
        config = {**super().get_config(), **parts}
        if self.built:
            places = {id(v): i for i, v in enumerate(self.layer.variables)}
            of_random = [places[id(v)] for v, _ in self.random]
            config["adapted"] = {"parts": adaptations(self.layer), "random": of_random}
        return config

    @classmethod
    def from_config(cls, config: dict) -> WeightSpace:
        """The layer that `get_config` described."""
        config = dict(config)
        for name in ("layer", "posterior", "prior"):
            config[name] = keras.saving.deserialize_keras_object(config[name])
        adapted = config.pop("adapted", None)
        space = cls(**config)
        space._adapted = adapted
        return space


def _symbolic(value: Any) -> Any:
    """A placeholder of a tensor's shape and dtype, with which a layer can be built."""
    if tf.is_tensor(value) or hasattr(value, "dtype"):
        return keras.KerasTensor(value.shape, keras.backend.standardize_dtype(value.dtype))
    return value


def _tensors(kwargs: dict) -> dict:
    return {name: keras.tree.map_structure(_symbolic, value) for name, value in kwargs.items()}


def _names(layer: keras.layers.Layer, variables: list[keras.Variable]) -> list[str]:
    """Names of the variables within the layer, `"query/kernel"`; numbered where some are equal.

    A functional model does not name itself in the paths of its variables: these have their own
    names, all numbered, as those of its layers may change from process to process.
    """
    names: list[str] = []
    for variable in variables:
        name = variable.path.partition(f"{layer.name}/")[2] or variable.name
        free = (f"{name}_{count}" if count else name for count in itertools.count())
        names.append(next(one for one in free if one not in names))
    return names
