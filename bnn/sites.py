"""Sites: the random tensors of a model, each called as the function of its layer's inputs."""

from __future__ import annotations

from collections.abc import Callable

import keras
import tensorflow as tf

from bnn.compat import (
    call_is_training,
    child_layers,
    in_symbolic_scope,
    spare_from_weight_decay,
)
from bnn.draw import Draw, current_draw
from bnn.operators import Operator
from bnn.posteriors import Posterior
from bnn.priors import Prior


class Site:
    """One random tensor of a layer: operator, posterior and prior.

    A layer declares its sites in `build` and calls them: `self.kernel(x) + self.bias(x)`. Inside a
    `bnn.Draw` a call gives the draw's realisation, outside of any the posterior mean.

    Args:
      layer: owns the variables.
      name: in the layer, `"kernel"`.
      operator: the map that the tensor enters.
      posterior: q(w), built.
      prior: p(w), built.
    """

    def __init__(
        self,
        layer: keras.layers.Layer,
        name: str,
        operator: Operator,
        posterior: Posterior,
        prior: Prior,
    ) -> None:
        self.layer, self.name = layer, name
        self.operator, self.posterior, self.prior = operator, posterior, prior
        # They are no weights: decay to 0 would be one to σ = 1, without any gradient.
        spare_from_weight_decay([*posterior.scale_variables, *prior.variables])

    @property
    def label(self) -> str:
        """`"<layer name>/<site>"`, for messages: Keras's automatic names differ by process."""
        return f"{self.layer.name}/{self.name}"

    @property
    def labels(self) -> tuple[str, str]:
        """`"<class>/<site>"` and `"@<layer name>/<site>"`, see `bnn.estimators.BySite`."""
        return f"{type(self.layer).__name__.lower()}/{self.name}", f"@{self.label}"

    def __repr__(self) -> str:
        """Label, families and shape."""
        families = f"{type(self.posterior).__name__} ‖ {type(self.prior).__name__}"
        return f"Site({self.label!r}, {list(self.posterior.shape)}, {families})"

    def __call__(self, inputs: tf.Tensor) -> tf.Tensor:
        """op(inputs, w) for the current draw's w, or for its mean outside of any draw."""
        draw = self._draw()
        if draw is None:
            return self.operator(inputs, self.posterior.mean)
        return draw.apply(self, inputs)

    def realise(self, like: tf.Tensor) -> Callable[[tf.Tensor], tf.Tensor]:
        """op(·, w) with everything random fixed here, once: for use in a scan that follows.

        Args:
          like: the layer's inputs, or a tensor of their batch size and dtype.

        Raises:
          ValueError: an estimator that samples outputs instead of weights.
        """
        draw = self._draw()
        if draw is None:
            mean = self.posterior.mean
            return lambda inputs: self.operator(inputs, mean)
        realisation = draw.realise(self, like)
        if not realisation.reusable:
            raise ValueError(
                f"site {self.label!r} serves every step of a scan, but "
                f"{type(draw.estimator.at(self.labels)).__name__} samples outputs, not weights; "
                "use Reparameterization or Flipout for this layer, alone or by BySite."
            )
        return realisation.apply

    @staticmethod
    def in_order(model: keras.layers.Layer) -> list[Site]:
        """All sites of a model in its own order, which numbers their noise."""
        return list(sites(model).values())

    def _draw(self) -> Draw | None:
        # Keras traces a model that has no build() for its variables' shapes, in a graph that never
        # runs: an error there would be swallowed, and the model saved without its variables.
        if in_symbolic_scope():
            return None
        draw = current_draw()
        if draw is None and call_is_training():
            raise RuntimeError(
                f"layer {self.layer.name!r} was called with training=True outside of a bnn.Draw: "
                "its weights would not be sampled and no KL would be counted (model.fit does "
                "this). To train with compile and fit: bnn.BayesianModel(model, likelihood). In a "
                "loop of your own: bnn.objectives.NegativeELBO, or open a draw: "
                "with bnn.Draw(seed=0, estimator=bnn.estimators.Flipout()): model(x, training=True)"
            )
        return draw


def sites(model: keras.layers.Layer) -> dict[str, Site]:
    """All sites of a model by name, shared layers once; empty for a model without random tensors.

    A name is `"<number>_<class>/<site>"`, such as `"0_dense/kernel"`: the number counts the
    Bayesian layers in the model's order, and does not depend on Keras's automatic layer names,
    which change from process to process.

    Raises:
      ValueError: a Bayesian layer is not built.
    """
    layers = _owners(model, set())
    for layer in layers:
        if not layer.built:
            raise ValueError(
                f"layer {layer.name!r} of model {model.name!r} has no variables yet; call the "
                "model once, or give it a keras.Input."
            )
    return {
        f"{number}_{type(layer).__name__.lower()}/{site.name}": site
        for number, layer in enumerate(layers)
        for site in layer.sites
    }


def _owners(layer: keras.layers.Layer, seen: set[int]) -> list[keras.layers.Layer]:
    """The layers with sites, depth first and in order."""
    if id(layer) in seen:
        return []
    seen.add(id(layer))
    found = [layer] if isinstance(getattr(layer, "sites", None), tuple) else []
    for child in child_layers(layer):
        found += _owners(child, seen)
    return found
