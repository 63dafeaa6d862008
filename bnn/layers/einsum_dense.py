"""The Bayesian dense layer of any sum of products."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import gin
import keras

from bnn import operators
from bnn.layers.affine_layer import AffineLayer


@keras.saving.register_keras_serializable(package="bnn")
@gin.register(module="bnn.layers")
class EinsumDense(AffineLayer):
    """y = activation(einsum(equation, x, W) + b) with random W and b.

    Args:
      equation: such as `"abc,cd->abd"` or `"...x,xy->...y"`; the examples are the first axis of
        inputs and outputs.
      output_shape: of the outputs without the batch and without what an ellipsis stands for; None
        for sizes that the inputs give. An int is one size.
      activation: Keras activation, or None.
      bias_axes: labels of the outputs that the bias has, or None for no bias.
      **kwargs: of `AffineLayer` but for `use_bias`.
    """

    kernel_initializer: Any

    def __init__(
        self,
        equation: str,
        output_shape: int | Sequence[int | None],
        activation: Any = None,
        bias_axes: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activation=activation, use_bias=bias_axes is not None, **kwargs)
        self.axes = operators.EinsumAxes.of(equation)
        self.equation, self.bias_axes = equation, bias_axes
        given = (output_shape,) if isinstance(output_shape, int) else output_shape
        self.partial_output_shape = tuple(given)
        self.supports_masking = True
        if bias_axes is not None and not set(bias_axes) <= set(self.axes.outputs):
            raise ValueError(
                f"bias_axes must be labels of the outputs {self.axes.outputs!r} in {equation!r}, "
                f"got {bias_axes!r}."
            )

    def build(self, input_shape: tuple) -> None:
        """Creates the variables; fixes the sizes of the kernel's axes."""
        shapes = einsum_shapes(self.axes, tuple(input_shape), self.partial_output_shape)
        if None in shapes.weights:
            raise ValueError(
                f"every axis of the kernel of layer {self.name!r} must be known, got sizes "
                f"{shapes.weights} for {self.axes.weights!r} from inputs of shape "
                f"{tuple(input_shape)} and output_shape={self.partial_output_shape}; give them."
            )
        self.input_spec = keras.layers.InputSpec(ndim=len(input_shape))
        initializer = _with_axes(self.kernel_initializer, self.axes)
        operator = operators.Einsum(self.equation)
        self.kernel = self.add_site("kernel", operator, shapes.weights, initializer)
        self.bias = None
        if self.bias_axes is not None:
            shape = _bias_shape(self.axes, self.bias_axes, shapes.outputs)
            ones = (1,) * (len(shapes.outputs) - 1 - len(shape))
            self.bias = self.add_site("bias", operators.Offset((*ones, *shape)), shape)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """The inputs' sizes where the outputs share their axes, `output_shape` elsewhere."""
        return einsum_shapes(self.axes, tuple(input_shape), self.partial_output_shape).outputs

    def get_config(self) -> dict:
        """Keras configuration."""
        config = super().get_config()
        del config["use_bias"]
        own = {"equation": self.equation, "output_shape": self.partial_output_shape}
        return {**config, **own, "bias_axes": self.bias_axes}


class EinsumShapes(NamedTuple):
    """Shapes of kernel and outputs."""

    weights: tuple
    outputs: tuple


def einsum_shapes(
    axes: operators.EinsumAxes, input_shape: tuple, partial_output_shape: tuple
) -> EinsumShapes:
    """Shapes of the kernel and of the whole output, as in `keras.layers.EinsumDense`.

    Args:
      axes: of the equation.
      input_shape: `[B, …]`.
      partial_output_shape: of the outputs without the batch and without the ellipsis' axes.

    Raises:
      ValueError: sizes that do not fit the equation.
    """
    elided = len(input_shape) - len(axes.inputs)
    expected = len(axes.outputs) - (axes.ellipsis != "left" or elided == 0)
    if elided < 0 or (elided > 0 and not axes.ellipsis) or len(partial_output_shape) != expected:
        raise ValueError(
            f"inputs of shape {input_shape} and output_shape={partial_output_shape} do not fit the "
            f"equation's inputs {axes.joined(axes.inputs)!r} and outputs "
            f"{axes.joined(axes.outputs)!r}, whose batch output_shape leaves out."
        )
    outputs = (input_shape[0], *partial_output_shape)
    if elided and axes.ellipsis == "left":
        outputs = (*input_shape[:elided], *partial_output_shape)
    elif elided:
        outputs = (*outputs, *input_shape[len(input_shape) - elided :])
    of_inputs = {x: input_shape[axes.place(x, axes.inputs)] for x in axes.inputs}
    of_outputs = {x: outputs[axes.place(x, axes.outputs)] for x in axes.outputs}
    for label in set(of_inputs) & set(of_outputs):
        given = of_outputs[label]
        if given is not None and given != of_inputs[label]:
            raise ValueError(
                f"output_shape must have size {of_inputs[label]} or None at axis {label!r}, which "
                f"the inputs of shape {input_shape} share, got {given}."
            )
    free = set(axes.weights) - set(of_inputs) - set(of_outputs)
    if free or not set(of_outputs) <= set(of_inputs) | set(axes.weights):
        raise ValueError(
            f"every label of the equation must stand twice: {axes.inputs!r}, {axes.weights!r} -> "
            f"{axes.outputs!r}."
        )
    sizes = {**of_inputs, **of_outputs}
    weights = [sizes[x] if sizes[x] is not None else of_inputs.get(x) for x in axes.weights]
    return EinsumShapes(tuple(weights), outputs)


def _bias_shape(axes: operators.EinsumAxes, bias_axes: str, outputs: tuple) -> tuple:
    """From the first axis of the bias on, with ones between, as Keras shapes it."""
    first = min(axes.outputs.index(label) for label in bias_axes)
    kept = [
        outputs[axes.place(label, axes.outputs)] if label in bias_axes else 1
        for label in axes.outputs[first:]
    ]
    after = len(outputs) - len(axes.outputs) if axes.ellipsis == "right" else 0
    return (*kept, *[1] * after)


def _with_axes(initializer: Any, axes: operators.EinsumAxes) -> Any:
    """The initializer told which axes of the kernel are contracted, where Keras has it know."""
    if getattr(initializer, "input_axes", 0) is not None:
        return initializer
    config = {**initializer.get_config(), "seed": initializer.seed}
    config["output_axes"] = [i for i, x in enumerate(axes.weights) if x in axes.outputs]
    config["input_axes"] = [i for i, x in enumerate(axes.weights) if x not in axes.outputs]
    return type(initializer).from_config(config)
