"""What a layer's configuration does not say: adapted parts, and which of them are trained."""

from __future__ import annotations

from collections.abc import Sequence

import keras

from bnn.compat import all_layers


def trained_variables(layer: keras.layers.Layer) -> list[keras.Variable]:
    """The variables that a training of the whole model would change.

    `layer.trainable_variables` has none of a frozen layer whose parts are trained, as KerasHub's
    `enable_lora` leaves the blocks of a backbone.
    """
    return [v for v in layer.variables if v.trainable]


def adaptations(layer: keras.layers.Layer) -> list[list]:
    """The parts inside of a layer that have been adapted: index among all, rank, alpha.

    The layer itself, whose own configuration says it, is not among them.
    """
    found = []
    for index, part in enumerate(all_layers(layer)):
        if index and getattr(part, "lora_enabled", False):
            alpha = getattr(part, "lora_alpha", None)
            found.append([index, int(part.lora_rank), alpha])
    return found


def adapt(layer: keras.layers.Layer, found: list[list]) -> None:
    """Adapts a built layer as another of its configuration has been; parts that are not yet."""
    parts = all_layers(layer)
    for index, rank, alpha in found:
        if not parts[index].lora_enabled:
            options = {} if alpha is None else {"lora_alpha": alpha}
            parts[index].enable_lora(rank, **options)


def copy_trained(source: keras.layers.Layer, target: keras.layers.Layer) -> None:
    """What of the target is trained, as in the source: by layer, then by variable."""
    for mine, other in zip(all_layers(target), all_layers(source), strict=True):
        mine.trainable = other.trainable
    for mine, other in zip(target.variables, source.variables, strict=True):
        if mine.trainable != other.trainable:
            mine.trainable = other.trainable


def settle(layer: keras.layers.Layer, random: Sequence[keras.Variable]) -> None:
    """Sets the random factors of adapted parts to zero, whose values a `WeightSpace` substitutes.

    Keras saves an adapted kernel with its update added, and loads the factors as zeros. Factors
    that are not random keep their values: with the kernel that is saved they make the same layer.
    """
    known = {id(variable) for variable in random}
    for part in all_layers(layer):
        for factor in _factors(part):
            if id(factor) in known:
                factor.assign(keras.ops.zeros_like(factor))


def require_whole(layer: keras.layers.Layer, random: Sequence[keras.Variable]) -> None:
    """Raises ValueError where an adapted weight is random without both of its factors.

    A file of Keras has the sum of kernel and update alone: what is fixed of it would be lost.
    """
    known = {id(variable) for variable in random}
    for part in all_layers(layer):
        factors = _factors(part)
        fixed = [v for v in factors if id(v) not in known]
        own = [v for v in part.variables if id(v) in known and "bias" not in v.name]
        if fixed and own:
            raise ValueError(
                f"layer {part.name!r} is adapted by enable_lora, and {own[0].name} is to be random "
                f"while {fixed[0].name} is frozen; make both factors trainable, or none of them "
                "and the kernel."
            )


def _factors(part: keras.layers.Layer) -> list[keras.Variable]:
    """The two factors of an adapted layer's update; none of another layer."""
    if not getattr(part, "lora_enabled", False):
        return []
    return [v for v in part.variables if v.name.startswith("lora_")]


def is_quantized(
    layer: keras.layers.Layer, variables: Sequence[keras.Variable] | None = None
) -> bool:
    """Whether weights of the layer are integers, and no adaptation beside them can be random.

    Args:
      layer: built.
      variables: that are to be random; those that are trained where None.
    """
    quantized = isinstance(layer.dtype_policy, keras.dtype_policies.QuantizedDTypePolicy)
    wanted = trained_variables(layer) if variables is None else variables
    return quantized and not any("lora_" in v.name for v in wanted)


def floating_policy(layer: keras.layers.Layer) -> keras.DTypePolicy:
    """The layer's dtype policy, of a quantized one that of its inputs and outputs."""
    policy = layer.dtype_policy
    if not isinstance(policy, keras.dtype_policies.QuantizedDTypePolicy):
        return policy
    same = policy.compute_dtype == policy.variable_dtype
    return keras.DTypePolicy(policy.compute_dtype if same else f"mixed_{policy.compute_dtype}")


def is_rewritten(layer: keras.layers.Layer) -> bool:
    """Whether a part inside of the layer has been adapted or frozen, which no namesake knows of."""
    parts = all_layers(layer)[1:]
    frozen = any(part.weights and not part.trainable for part in parts)
    return bool(adaptations(layer)) or (frozen and bool(trained_variables(layer)))
