"""The variational family q(w) of one tensor."""

from __future__ import annotations

import abc
from typing import Any

import keras
import tensorflow as tf

from bnn import distributions as tfd
from bnn.compat import add_float32_weight
from bnn.described import constructor_call
from bnn.formatting import show
from bnn.noise import Noise
from bnn.posteriors.terms import Elementwise, Term

# A posterior's own terms have parts of their own in the noise, as many as there are.
_MOST_TERMS = 16


class Posterior(abc.ABC):
    """A distribution over one weight tensor, with its Keras variables.

    A posterior given to a layer is a description: the layer makes its own copy with `clone` and
    builds that, so one description may serve many layers. A family is a mean plus `terms`, or,
    where it has none (flows, mixtures), a `sample`; estimators decide by the terms whether they can
    serve it.

    Attributes:
      deterministic: all mass on the mean; nothing is sampled, whatever the estimator.
      factorized: elements are independent.
      symmetric: q(mean + d) = q(mean − d).
      normal: the elements are jointly normal.
      has_density: q has a density over the weights, so that `log_prob` is defined.
      vanishing: with `initial_scale` → 0 nothing is left of q's spread.
      independent_samples: samples of one step are independent of one another.
    """

    deterministic = False
    factorized = False
    symmetric = False
    normal = False
    has_density = True
    vanishing = True
    independent_samples = True

    _shape: tuple[int, ...] | None = None
    _variables: tuple[keras.Variable, ...] = ()
    _loc: keras.Variable | None = None

    def build(
        self,
        layer: keras.layers.Layer,
        name: str,
        shape: tuple[int, ...],
        initializer: Any = None,
        regularizer: Any = None,
        constraint: Any = None,
    ) -> None:
        """Creates the variables as weights of `layer`, float32 whatever the compute dtype.

        Args:
          layer: owns the variables, so that they are trained, shown and saved with it.
          name: of the site, `"kernel"` or `"bias"`; prefix of the variables' names.
          shape: of the weight tensor.
          initializer: Keras initializer of the mean.
          regularizer: Keras regularizer of the mean, or None.
          constraint: Keras constraint of the mean, or None.
        """
        self._shape = tuple(shape)
        self._variables = ()
        self._build(
            layer,
            name,
            initializer=initializer,
            regularizer=regularizer,
            constraint=constraint,
        )

    def add_variable(
        self, layer: keras.layers.Layer, name: str, shape: tuple[int, ...], **options: Any
    ) -> keras.Variable:
        """A float32 variable of the family, a weight of `layer`; called by `_build`.

        Args:
          layer: owns the variable.
          name: unique in the layer: begin it with the site's name.
          shape: of the variable.
          **options: of `keras.layers.Layer.add_weight`: initializer, regularizer, constraint …
        """
        variable = add_float32_weight(layer, name, shape=shape, **options)
        self._variables += (variable,)
        return variable

    def add_mean(self, layer: keras.layers.Layer, name: str, **options: Any) -> None:
        """Creates μ, of the tensor's shape, which `mean` then gives; called first by `_build`.

        Args:
          layer: owns the variable.
          name: of the site.
          **options: as `_build` was given them.
        """
        self._loc = self.add_variable(layer, f"{name}_loc", self.shape, **options)

    def initialise(self, mean: Any, scale: Any = None) -> None:
        """Gives q this mean, and standard deviation where the family has one by element.

        Args:
          mean: array of the tensor's shape, such as the weights of a trained network.
          scale: positive number or array of the tensor's shape; as it is where None.

        Raises:
          ValueError: a scale for a family without one.
        """
        self._variables[0].assign(mean)
        if scale is not None:
            raise ValueError(
                f"{type(self).__name__} has no scale by element to initialise; leave initial_scale "
                "off, or use MeanFieldNormal."
            )

    @property
    def variables(self) -> list[keras.Variable]:
        """The family's variables, in the order in which they were made; none before `build`."""
        return list(self._variables)

    @property
    def scale_variables(self) -> list[keras.Variable]:
        """Those that say how wide q is, such as ln σ: weight decay must leave them alone.

        All but the first, which is the mean, unless a family says otherwise.
        """
        return list(self._variables[1:])

    @abc.abstractmethod
    def _build(self, layer: keras.layers.Layer, name: str, **options: Any) -> None:
        """Creates the variables, the mean's first; `self.shape` is known.

        Args:
          layer: owns the variables.
          name: of the site, prefix of the variables' names.
          **options: initializer, regularizer and constraint of the mean, for `add_mean`.
        """

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the weight tensor; ValueError before `build`."""
        if self._shape is None:
            raise ValueError(
                f"{type(self).__name__} has no variables yet: call its layer, or layer.build(...), "
                "before asking for the posterior's mean, samples or KL."
            )
        return self._shape

    @property
    def mean(self) -> tf.Tensor:
        """E_q[w], float32, of the tensor's shape: μ, unless a family has another."""
        self.shape  # noqa: B018  (raises the clear error before build)
        if self._loc is None:
            raise NotImplementedError(
                f"{type(self).__name__} must say what its mean is: call add_mean in _build, or "
                "implement mean."
            )
        return tf.convert_to_tensor(self._loc)

    @property
    def terms(self) -> tuple[Term, ...] | None:
        """What is added to the mean; None for a family that is no sum of terms.

        A family with independent elements, symmetric about the mean, is one `Elementwise` term.
        """
        if not (self.factorized and self.symmetric):
            return None
        return (Elementwise(self.perturbation, lambda: self.variance, self.normal),)

    @property
    def variance(self) -> tf.Tensor:
        """Var_q[w] element by element, float32, of the tensor's shape."""
        return self.distribution().variance()

    def covariance(self) -> tf.Tensor:
        """Cov_q[w] of the flattened weights, float32, `[D, D]`.

        Raises:
          NotImplementedError: the elements are dependent and the family does not say how.
        """
        if not self.factorized:
            raise NotImplementedError(f"{type(self).__name__} has no covariance in closed form.")
        return tf.linalg.diag(tf.reshape(self.variance, [-1]))

    def shared_covariance(self) -> tf.Tensor | None:
        """The part of `covariance` whose local form all positions of an example share, `[D, D]`.

        None where they share nothing, as of independent elements.
        """
        return None

    def distribution(self) -> tfd.Distribution:
        """The family as a TFP distribution whose event and batch shapes join to the tensor's.

        Raises:
          NotImplementedError: the family is none of TFP's; it has `sample` and `log_prob` alone.
        """
        raise NotImplementedError(f"{type(self).__name__} is no distribution of TFP's.")

    def perturbation(self, noise: Noise) -> tf.Tensor:
        """W − E_q[w] for w ~ q, by reparameterization: a differentiable function of the noise."""
        terms = self.terms if type(self).terms is not Posterior.terms else None
        if terms is None:
            return self.sample(noise) - self.mean
        if len(terms) > _MOST_TERMS:
            raise ValueError(f"a posterior has at most {_MOST_TERMS} terms, got {len(terms)}.")
        return tf.add_n([term.sample(noise.at(part=i)) for i, term in enumerate(terms)])

    def sample(self, noise: Noise) -> tf.Tensor:
        """W ~ q by reparameterization, float32, of the tensor's shape.

        A family overrides `terms`, `perturbation` or this.
        """
        own = (type(self).perturbation, type(self).terms)
        if own == (Posterior.perturbation, Posterior.terms):
            raise NotImplementedError(
                f"{type(self).__name__} must say how it is sampled: implement terms, perturbation "
                "or sample."
            )
        return self.mean + self.perturbation(noise)

    def log_prob(self, weights: tf.Tensor) -> tf.Tensor:
        """Log q(w) of the whole tensor in nats, scalar, differentiable in w and the variables.

        Raises:
          NotImplementedError: q has no density over the weights.
        """
        if not self.has_density:
            raise NotImplementedError(
                f"{type(self).__name__} has no density over the weights; use an objective and an "
                "estimator that need none: NegativeELBO with Reparameterization."
            )
        return tf.reduce_sum(self.distribution().log_prob(weights))

    def entropy(self) -> tf.Tensor:
        """−E_q[log q(w)] in nats, of any shape whose sum it is.

        Raises:
          NotImplementedError: there is no closed form; the ledger then samples it.
        """
        return self.distribution().entropy()

    def own_kl(self, prior: Any) -> list[tf.Tensor] | None:
        """What the ledger counts for a family without a density, as parts of a sum in nats.

        None for a family with one, whose KL is that of the pair.
        """
        del prior
        return None

    def __repr__(self) -> str:
        """The family with shape and mean scale, E[σ] over the elements; before `build` its call."""
        if self._shape is None:
            return constructor_call(self)
        parts = [str(list(self._shape)), *self._scale_in_words()]
        return f"{type(self).__name__}({', '.join(parts)})"

    def _scale_in_words(self) -> list[str]:
        """The mean scale, where there is one and numbers are known now."""
        if self.deterministic or not tf.executing_eagerly():
            return []
        try:
            scale = float(tf.reduce_mean(tf.sqrt(self.variance)))
        except (NotImplementedError, ValueError, tf.errors.OpError):
            return []  # a family without variances, or one that has them in graphs alone
        return [f"mean scale {show(scale, 3)}"]

    @abc.abstractmethod
    def get_config(self) -> dict:
        """Keras configuration that `from_config` turns into an equal, unbuilt description."""

    @classmethod
    def from_config(cls, config: dict) -> Posterior:
        """The description that `get_config` gave."""
        return cls(**config)

    def clone(self) -> Posterior:
        """An unbuilt copy of the description."""
        return type(self).from_config(self.get_config())
