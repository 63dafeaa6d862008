"""What is under test: one layer as a model, with inputs, targets and parameters of its own."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bnn.diagnostics.layer_copies import layer_maker
from bnn.draw import Draw
from bnn.estimators import Estimator, NoBaseline
from bnn.layers import BayesianLayer
from bnn.likelihoods import Normal
from bnn.noise import Noise
from bnn.objectives import NegativeELBO
from bnn.operators import Operator
from bnn.posteriors import Posterior
from bnn.priors import Prior
from bnn.sites import Site

# Prime, and unlike every batch size, sample count and number of weights: what divides by one of
# those instead shows.
_NUM_TRAIN = 23
# N(y; m, 1/2π) = exp(−π (y − m)²): without an additive constant in f, which a score function
# without baseline pays for in variance. Residuals are of the outputs' own standard deviation.
_NOISE_SCALE = (2 * np.pi) ** -0.5
_RESIDUAL = 0.7
_SPREAD = 0.3


@dataclasses.dataclass(frozen=True, eq=False)
class Subject:
    """An estimator on a layer whose ELBO under Gaussian noise is closed form.

    Attributes:
      estimator: under test.
      layer: a built copy of the layer, linear, without regularizers and constraints.
      model: the layer, flattened to `[B, D]`.
      inputs: `[B, …]`.
      targets: `[B, D]`.
      likelihood: N(y; outputs, 1/2π).
      objective: whose gradient is checked.
      num_samples: S, weight samples of the objective.
      make_layer: builds another copy, its posteriors at the given initial scale.
      make_objective: builds the objective for a number of samples.
    """

    estimator: Estimator
    layer: BayesianLayer
    model: keras.Model
    inputs: tf.Tensor
    targets: tf.Tensor
    likelihood: Normal
    objective: Any
    num_samples: int
    make_layer: Callable[[float | None], BayesianLayer]
    make_objective: Callable[[int], Any]

    @property
    def num_train(self) -> int:
        """N, which alone divides the KL."""
        return self.objective.num_train

    @property
    def sites(self) -> tuple[Site, ...]:
        """The layer's random tensors."""
        return self.layer.sites

    @property
    def title(self) -> str:
        """Estimator, layer and posterior."""
        layer = getattr(self.layer, "operator", self.layer)
        names = (type(x).__name__ for x in (self.estimator, layer, self.sites[0].posterior))
        return " · ".join(names)

    def site_estimator(self, site: Site) -> Estimator:
        """The estimator that serves a site."""
        return self.estimator.at(site.labels)

    def draw(
        self, seed: Any, step: Any, sample: Any = 0, estimator: Estimator | None = None
    ) -> Draw:
        """The draw that the objective makes for a weight sample."""
        antithetic = getattr(self.objective, "antithetic", False)
        sobol = getattr(self.objective, "coupling", None)
        noise = Noise(seed, step, sample=sample, antithetic=antithetic, sobol=sobol)
        return Draw(noise, self.estimator if estimator is None else estimator)

    def with_samples(self, num_samples: int) -> Subject:
        """The same subject under an objective with another number of samples."""
        objective = self.make_objective(num_samples)
        return dataclasses.replace(self, objective=objective, num_samples=num_samples)

    @contextlib.contextmanager
    def at_scale(self, scale: float) -> Iterator[None]:
        """Gives every posterior the scale `scale` for the time of the context."""
        variables = self.model.variables
        before = [v.numpy() for v in variables]
        other = self.make_layer(scale)
        other.build(self.inputs.shape)
        for variable, value in zip(variables, other.variables, strict=True):
            variable.assign(value)
        try:
            yield
        finally:
            for variable, value in zip(variables, before, strict=True):
                variable.assign(value)


def make_subject(
    estimator: Estimator,
    layer_or_operator: BayesianLayer | Operator,
    posterior: Posterior | None = None,
    *,
    prior: Prior | None = None,
    input_shape: Sequence[int] = (3, 4),
    weight_shape: Sequence[int] | None = None,
    num_samples: int | None = None,
    objective: Callable[..., Any] = NegativeELBO,
) -> Subject:
    """The subject of `bnn.diagnostics.check_estimator`; arguments as there."""
    make_layer = layer_maker(layer_or_operator, posterior, prior, weight_shape)
    rng = np.random.default_rng(20140601)
    layer = make_layer(None)
    inputs = tf.constant(rng.normal(size=input_shape), tf.float32)
    layer.build(inputs.shape)
    inputs = _of_use(layer.sites[0], inputs)
    model = keras.Sequential([keras.Input(inputs.shape[1:]), layer, keras.layers.Flatten()])
    for variable in model.trainable_variables:
        variable.assign_add(_SPREAD * rng.normal(size=variable.shape))
    outputs = model(inputs).numpy()
    for variable in estimator.baseline.variables:  # created here, not while a graph is traced
        variable.assign(tf.zeros_like(variable))
    likelihood = Normal(_NOISE_SCALE)
    likelihood.build()
    if num_samples is None:
        num_samples = 1 if isinstance(estimator.baseline, NoBaseline) else 2

    def make_objective(count: int) -> Any:
        return objective(likelihood, num_train=_NUM_TRAIN, num_samples=count)

    return Subject(
        estimator,
        layer,
        model,
        inputs,
        tf.constant(outputs + _RESIDUAL * rng.choice([-1, 1], outputs.shape), tf.float32),
        likelihood,
        make_objective(num_samples),
        num_samples,
        make_layer,
        make_objective,
    )


def _of_use(site: Site, inputs: tf.Tensor) -> tf.Tensor:
    """Ids where the operator takes some; else such that op(x², 1) is one on average."""
    if site.operator.takes_ids:
        return tf.math.floormod(tf.round(3 * inputs), site.posterior.shape[0])
    spread = site.operator(tf.square(inputs), tf.ones(site.posterior.shape))
    return inputs * float(1 / np.sqrt(np.mean(spread)))
