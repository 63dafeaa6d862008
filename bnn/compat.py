"""The private interfaces of Keras and TensorFlow that bnn uses, all of them, in one place.

Seen to work with Keras 3.10 to 3.15 and TensorFlow 2.20 and 2.21. Everything else in bnn uses
public interfaces only; a test holds the rest of the package to it.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Iterable
from typing import Any

import keras
import tensorflow as tf
from keras.src.backend.common import global_state
from keras.src.backend.common.stateless_scope import get_stateless_scope, in_stateless_scope
from keras.src.backend.common.symbolic_scope import in_symbolic_scope
from tensorflow.python import pywrap_tfe
from tensorflow.python.ops.parallel_for import pfor

__all__ = [
    "add_float32_weight",
    "adopt_reduced_gradients",
    "all_layers",
    "call_is_training",
    "child_layers",
    "decays_weight",
    "enclosing_control_flow",
    "entry_layer",
    "hold_variables",
    "in_symbolic_scope",
    "innermost_optimizer",
    "keras_mask",
    "learning_rate_of",
    "masked",
    "optimized_variables",
    "output_layers",
    "recording_is_stopped",
    "register_bitcast",
    "release_variables",
    "repeats",
    "replace_child",
    "spare_from_weight_decay",
    "substituted",
    "vectorized_depth",
]
# What no optimizer's weight decay moves, by the identity of the variable.
_SPARED: weakref.WeakValueDictionary[int, keras.Variable] = weakref.WeakValueDictionary()
_SPARED_LAST = [0]  # how often some were added
_CONTROL_FLOW = ("WhileBodyFuncGraph", "WhileCondFuncGraph", "CondBranchFuncGraph")


def add_float32_weight(layer: keras.layers.Layer, name: str, **kwargs: Any) -> keras.Variable:
    """A trainable variable that mixed precision neither stores nor reads in a lower precision.

    It becomes the layer's attribute `name` too: `tf.train.Checkpoint` finds variables by attribute.

    Args:
      layer: owns the variable.
      name: of the variable.
      **kwargs: of `keras.layers.Layer.add_weight`.
    """
    options = {"dtype": "float32", "autocast": False, "trainable": True, **kwargs}
    variable = layer.add_weight(name=name, **options)
    setattr(layer, name, variable)
    return variable


def child_layers(layer: keras.layers.Layer) -> list[keras.layers.Layer]:
    """The layers that a layer holds itself, in its own order.

    Keras's recursion reverses the layers of nested models: recurse with this function instead.
    """
    return list(layer._flatten_layers(include_self=False, recursive=False))


def all_layers(layer: keras.layers.Layer) -> list[keras.layers.Layer]:
    """The layer and everything below it, depth first and in order; shared layers more than once."""
    return [layer, *(below for child in child_layers(layer) for below in all_layers(child))]


def keras_mask(tensor: Any) -> Any | None:
    """The mask that a layer such as Masking or Embedding has attached to its outputs."""
    return getattr(tensor, "_keras_mask", None)


def masked(tensor: Any, mask: Any) -> Any:
    """The tensor, with a mask as layers attach it; as it is where the mask is None."""
    if mask is not None:
        tensor._keras_mask = mask
    return tensor


def replace_child(layer: keras.layers.Layer, attribute: str, child: keras.layers.Layer) -> None:
    """Puts another layer in the place of one that Keras made, which is forgotten.

    Args:
      layer: holds the child; not locked yet, as in its `__init__` and `build`.
      attribute: of the layer.
      child: the new one.
    """
    layer._tracker.untrack(getattr(layer, attribute))
    setattr(layer, attribute, child)


def hold_variables(layer: keras.layers.Layer, variables: Iterable[keras.Variable]) -> None:
    """Makes variables the layer's own, so that it saves them, although it is built already."""
    locked = layer._tracker.locked
    layer._tracker.unlock()
    for variable in variables:
        layer._track_variable(variable)
    if locked:
        layer._tracker.lock()


def release_variables(layer: keras.layers.Layer, variables: Iterable[keras.Variable]) -> None:
    """Has the layer forget variables that `hold_variables` gave it."""
    for variable in variables:
        layer._untrack_variable(variable)


def entry_layer() -> keras.layers.Layer | None:
    """The outermost layer or model of the call that is being made; None outside of any."""
    context = global_state.get_global_attribute("current_call_ctx")
    return None if context is None else context.entry_layer


def call_is_training() -> bool:
    """Whether the call that is being made was asked for `training=True`."""
    context = global_state.get_global_attribute("current_call_ctx")
    return context is not None and getattr(context, "training", None) is True


def substituted(pairs: Iterable[tuple[keras.Variable, tf.Tensor]]) -> keras.StatelessScope:
    """A stateless scope with these values, which also knows those of the scope around it.

    Keras's own hides the scope around it: a variable that is substituted outside, as on a replica,
    would be read from its storage inside.
    """
    scope = keras.StatelessScope(state_mapping=list(pairs), collect_losses=True)
    if in_stateless_scope():
        for key, value in get_stateless_scope().state_mapping.items():
            scope.state_mapping.setdefault(key, value)
    return scope


def recording_is_stopped() -> bool:
    """Whether gradients are not recorded here, as in a function that is computed again for them.

    `tf.recompute_grad`, on which `keras.RematScope` stands, and `tf.custom_gradient` stop the
    recording; a tape's own `stop_recording` does not count.
    """
    return bool(pywrap_tfe.TFE_Py_TapeSetIsStopped())


def enclosing_control_flow(graph: Any) -> Any | None:
    """The graph around a loop's body or a branch; None for any other graph, such as a function's.

    Args:
      graph: the one in which operations are being made.
    """
    if type(graph).__name__ not in _CONTROL_FLOW:
        return None
    return graph.outer_graph


def vectorized_depth() -> int:
    """How many `tf.vectorized_map`s this code is being traced in."""
    return tf.get_current_name_scope().split("/").count("loop_body")


def decays_weight(optimizer: keras.optimizers.Optimizer, variable: keras.Variable) -> bool:
    """Whether an optimizer's decoupled weight decay, where it has any, moves this variable."""
    return bool(optimizer._use_weight_decay(variable))


def spare_from_weight_decay(variables: Iterable[keras.Variable]) -> None:
    """Has the decoupled weight decay of Keras's optimizers leave these variables as they are.

    Whoever makes the optimizer, and whenever: Keras asks an optimizer for each variable whether it
    decays, and from the first call of this function on the answer is no for these, and for all
    others what it was.

    Args:
      variables: that are no weights, such as ln σ, which decay would pull to σ = 1.
    """
    _SPARED.update((id(variable), variable) for variable in variables)
    _SPARED_LAST[0] += 1
    _ask_before_decay()


@functools.cache
def _ask_before_decay() -> None:
    asked = keras.optimizers.Optimizer._use_weight_decay

    @functools.wraps(asked)
    def use_weight_decay(self: keras.optimizers.Optimizer, variable: Any) -> bool:
        if not asked(self, variable):
            return False
        answers, key = self._exclude_from_weight_decay_cache, self._var_key(variable)
        # An answer is one until another variable is spared, which may be this one.
        place = ("spared", key, _SPARED_LAST[0])
        if place not in answers:
            made = (one for one in list(_SPARED.values()) if one._value is not None)
            answers[place] = any(self._var_key(one) == key for one in made)
        return not answers[place]

    keras.optimizers.Optimizer._use_weight_decay = use_weight_decay


def innermost_optimizer(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    """The optimizer that a LossScaleOptimizer wraps, which alone decays weights."""
    while isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        optimizer = optimizer.inner_optimizer
    return optimizer


def repeats(dataset: tf.data.Dataset) -> bool:
    """Whether a dataset gives its examples more than once, by `repeat`, anywhere in its making."""
    count: Any = getattr(dataset, "_count", None)
    if type(dataset).__name__ == "_RepeatDataset" and not (tf.is_tensor(count) and int(count) == 1):
        return True
    return any(repeats(source) for source in dataset._inputs())


def optimized_variables(optimizer: keras.optimizers.Optimizer) -> list[keras.Variable] | None:
    """The variables that an optimizer was built to change; None where it has not been built."""
    inner = innermost_optimizer(optimizer)
    return list(inner._trainable_variables) if inner.built else None


def learning_rate_of(optimizer: keras.optimizers.Optimizer) -> Any:
    """An optimizer's learning rate as it holds it: a schedule, another callable or a variable."""
    return optimizer._learning_rate


def adopt_reduced_gradients(optimizer: keras.optimizers.Optimizer) -> None:
    """Has an optimizer take gradients that are reduced over the replicas already."""
    optimizer._all_reduce_sum_gradients = lambda grads_and_vars: list(grads_and_vars)


def register_bitcast() -> None:
    """Has `tf.vectorized_map` take tf.bitcast between types of one size, for noise's bits."""
    if "Bitcast" not in pfor._pfor_converter_registry:
        pfor.RegisterPFor("Bitcast")(_convert_bitcast)


def _convert_bitcast(converted: pfor._PforInput) -> pfor.WrappedTensor:
    dtype = converted.get_attr("type")
    return pfor.wrap(tf.bitcast(converted.stacked_input(0), dtype), True)


def output_layers(model: Any) -> Any:
    """The operations that make a model's outputs, in their structure; None where it is not known.

    Of nested models and of layers around one other the innermost. Subclassed models do not say.
    """
    outputs = getattr(model, "outputs", None)
    if not outputs:
        return None
    layers = [_made_by(output) for output in outputs]
    structure = getattr(model, "output", None)
    if structure is None or len(layers) == 1:
        return layers[0] if len(layers) == 1 else layers
    return keras.tree.pack_sequence_as(structure, layers)


def _made_by(output: Any) -> Any:
    history = output._keras_history
    layer = history.operation
    inner = getattr(layer, "outputs", None)
    if isinstance(layer, keras.Model) and inner:
        return _made_by(inner[history.tensor_index])
    while isinstance(getattr(layer, "layer", None), keras.layers.Layer):
        layer = layer.layer
    return layer
