"""Sums of products by Einstein's convention."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import keras
import tensorflow as tf

from bnn.operators.operator import Operator


@dataclasses.dataclass(frozen=True)
class Einsum(Operator):
    """y = einsum(equation, x, w), the batch first in x and y and not in w.

    Flipout's signs stand at the outputs that w has axes for, and are one an example where it has
    none; inputs keep theirs, which the outputs' signs make up for: perturbations of two examples
    are uncorrelated as they are.

    Attributes:
      equation: `"abc,cd->abd"`, with an ellipsis first or last in x and y or without one.
    """

    equation: str

    @property
    def axes(self) -> EinsumAxes:
        """The equation's parts."""
        return EinsumAxes.of(self.equation)

    def apply(self, inputs: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        """The sum of products."""
        return keras.ops.einsum(self.equation, inputs, weights)

    def variance(self, inputs: tf.Tensor, variances: tf.Tensor) -> tf.Tensor:
        """op(x², V), where what multiplies a weight is squared whole.

        Axes of x that neither w nor y has are summed before: (Σ x)² is not Σ x².
        """
        axes = self.axes
        if not axes.idle:
            return super().variance(inputs, variances)
        if inputs.dtype == tf.float16:
            inputs = tf.cast(inputs, tf.float32)
        places = [axes.place(label, axes.inputs) for label in axes.idle]
        summed = tf.reduce_sum(inputs, axis=[p % inputs.shape.rank for p in places])
        return Einsum(axes.without_idle()).variance(summed, variances)

    def output_channels(self, weight_shape: Sequence[int]) -> int:
        """Outputs that have a weight slice of their own."""
        axes = self.axes
        sizes = dict(zip(axes.weights, weight_shape, strict=True))
        return math.prod(sizes[label] for label in axes.channels)

    def per_channel(self, values: tf.Tensor, tensor: tf.Tensor) -> tf.Tensor:
        """Values `[B, C]` along the axes that outputs share with the weights."""
        axes, rank = self.axes, tensor.shape.rank
        shape = [-1] + [1] * (rank - 1)
        for label in axes.channels:
            place = axes.place(label, axes.outputs) % rank
            shape[place] = tensor.shape[place]
        return tf.reshape(tf.cast(values, tensor.dtype), shape)


@dataclasses.dataclass(frozen=True)
class EinsumAxes:
    """The labels of an equation of inputs and weights.

    Attributes:
      inputs: labels of x without the ellipsis.
      weights: labels of w.
      outputs: labels of y without the ellipsis.
      ellipsis: `"left"`, `"right"` or `""`.
    """

    inputs: str
    weights: str
    outputs: str
    ellipsis: str

    @classmethod
    def of(cls, equation: str) -> EinsumAxes:
        """The parts of an equation.

        Raises:
          ValueError: an equation of another form, or without the batch first in x and y.
        """
        sides, arrow, outputs = equation.replace(" ", "").partition("->")
        inputs, comma, weights = sides.partition(",")
        found = {_ellipsis(part) for part in (inputs, outputs)}
        inputs, outputs = inputs.replace("...", ""), outputs.replace("...", "")
        labels = (inputs, weights, outputs)
        one_each = all(part.isalpha() and len(set(part)) == len(part) for part in labels)
        if not (arrow and comma and len(found) == 1 and None not in found and one_each):
            raise ValueError(
                "equation must be of the form 'ab,bc->ac', '...b,bc->...c' or 'ab...,bc->ac...', "
                f"each label once in every part, got {equation!r}."
            )
        axes = cls(*labels, str(found.pop()))
        if axes.ellipsis != "left" and (inputs[0] != outputs[0] or inputs[0] in weights):
            raise ValueError(
                "equation must have the examples first in inputs and outputs and not in the "
                f"kernel, got {equation!r}; permute the axes before and after the layer."
            )
        return axes

    @property
    def channels(self) -> str:
        """Labels that weights and outputs share, in the outputs' order."""
        return "".join(label for label in self.outputs if label in self.weights)

    @property
    def idle(self) -> str:
        """Labels of the inputs that are summed without a weight."""
        return "".join(x for x in self.inputs if x not in self.weights + self.outputs)

    def place(self, label: str, labels: str) -> int:
        """The axis of a label, from the end where an ellipsis is on the left."""
        return labels.index(label) - (len(labels) if self.ellipsis == "left" else 0)

    def without_idle(self) -> str:
        """The equation for inputs that are summed over the idle labels already."""
        kept = "".join(label for label in self.inputs if label not in self.idle)
        return f"{self.joined(kept)},{self.weights}->{self.joined(self.outputs)}"

    def joined(self, labels: str) -> str:
        """Labels with the ellipsis where it stands."""
        left, right = ("..." if self.ellipsis == side else "" for side in ("left", "right"))
        return left + labels + right


def _ellipsis(part: str) -> str | None:
    """Where the ellipsis of a part stands; None where it is in the middle."""
    if "..." not in part:
        return ""
    return "left" if part.startswith("...") else "right" if part.endswith("...") else None
