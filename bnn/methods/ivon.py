"""Natural gradients of the mean-field bound, by an online estimate of the Hessian's diagonal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import gin
import keras
import tensorflow as tf

from bnn.data import Batch
from bnn.estimators import Estimator, Reparameterization
from bnn.methods.cost import Cost
from bnn.methods.curvature.weights import NORMAL
from bnn.methods.method import Method
from bnn.methods.problem import Problem
from bnn.noise import Noise
from bnn.objectives import NegativeELBO
from bnn.posteriors import Exponential, MeanFieldNormal, Softplus
from bnn.schedules import Constant, Cosine, LinearWarmup, Schedule
from bnn.sites import sites
from bnn.training import Info
from bnn.training.stepper import Reduce

# ρ and ∂σ/∂ρ as functions of σ.
_TRANSFORMS: dict[type, tuple[Any, Any]] = {
    Exponential: (tf.math.log, lambda scale: scale),
    Softplus: (
        lambda scale: scale + tf.math.log(-tf.math.expm1(-scale)),
        lambda scale: -tf.math.expm1(-scale),
    ),
}


class _Weight(NamedTuple):
    """A site with its state: g, the mean gradient, and h, the Hessian's diagonal per example."""

    site: Any
    loc: keras.Variable
    rho: keras.Variable
    gradient: keras.Variable
    hessian: keras.Variable


@gin.register(module="bnn.methods")
class IVON(Method):
    """Improved variational online Newton (Shen et al. 2024, algorithm 1), for `MeanFieldNormal`s.

    With ℓ = −(1/B) Σ_b E_q[log p(y_b | x_b, w)], prior N(m₀, s²), effective sample size λ = N/κ,
    δ = 1/(λ s²) and t = 1, 2, …:

        ĝ = ∂ℓ/∂μ,   ĥ = (∂ℓ/∂σ) / σ
        g ← β₁ g + (1 − β₁) ĝ
        h ← β₂ h + (1 − β₂) ĥ + ½ (1 − β₂)² (h − ĥ)² / (h + δ)
        μ ← μ − α clip_ξ[(g/(1 − β₁ᵗ) + δ (μ − m₀)) / (h + δ)]
        σ ← 1/√(λ (h + δ))

    κ is the KL's weight, which must end at 1 for the whole KL; `loss` always says the whole.
    ĥ has the mean E_q[∂²ℓ/∂w²] (Price 1958): with w = μ + σ ε it is the paper's ĝ ε / σ, and
    (∂ℓ/∂ρ)/σ² for σ = exp ρ. So it stands in the gradient of any estimator that serves the site,
    local reparameterization and Flipout included. The third term of h keeps h + δ positive. h
    begins where the posteriors' own `initial_scale` has it, 1/(N σ²) − δ.

    What else a model trains (learned noise, learned scales of priors, `Point`s, plain layers) takes
    the run's optimizer, down the gradient of the negative ELBO; without such a thing the optimizer
    has no part.

    Args:
      learning_rate: α, a number or a schedule over the progress of training; 1 is a Newton step.
        Along half a cosine from 0.03 to 0 where None.
      estimator: of ℓ's gradient; `Reparameterization()` where None.
      objective: `NegativeELBO` with its number of samples; one sample where None.
      momentum: β₁.
      hessian_decay: β₂. h remembers 1/(1 − β₂) steps, and needs several times as many to come from
        where it begins to the curvature of weights that the data say little of. The paper has
        0.99999 for ImageNet, with which posteriors stay about as narrow as they begin; the bound
        itself asks for a training of many 1/(1 − β₂). The noise of ĥ makes h too large by
        ½ (1 − β₂) Var[ĥ] / (h + δ), by the third term.
      clip_radius: ξ, the most that a preconditioned gradient counts by element.
      kl_weight: κ, positive, a number or a schedule; where None it rises from 0.01 to 1 in the
        first half of training, so that units are not given up before they have learned.
    """

    averaged = ("nll",)

    def __init__(
        self,
        learning_rate: float | Schedule | None = None,
        estimator: Estimator | None = None,
        objective: NegativeELBO | None = None,
        momentum: float = 0.9,
        hessian_decay: float = 0.995,
        clip_radius: float = 1.0,
        kl_weight: float | Schedule | None = None,
    ) -> None:
        if learning_rate is None:
            learning_rate = Cosine(0.03)
        if not isinstance(learning_rate, Schedule):
            if isinstance(learning_rate, bool) or not 0 < learning_rate < math.inf:
                raise ValueError(f"learning_rate must be a positive number, got {learning_rate!r}.")
            learning_rate = Constant(learning_rate)
        for name, value in (("momentum", momentum), ("hessian_decay", hessian_decay)):
            if not 0 <= value < 1:
                raise ValueError(f"{name} must be at least 0 and below 1, got {value!r}.")
        if not clip_radius > 0:
            raise ValueError(f"clip_radius must be positive, got {clip_radius!r}; 1.0 is usual.")
        # An importance-weighted bound has another gradient in σ, which is no Hessian.
        if objective is not None and type(objective) is not NegativeELBO:
            raise ValueError(
                f"objective must be a NegativeELBO, got {objective!r}; IVON's Hessian is that of "
                "the ELBO alone."
            )
        if kl_weight is None:
            kl_weight = LinearWarmup(1.0, fraction=0.5, start=0.01)
        if not isinstance(kl_weight, Schedule):
            kl_weight = Constant(kl_weight)
        if not all(float(kl_weight(progress)) > 0 for progress in (0.0, 1.0)):
            raise ValueError("kl_weight must be positive, also at the start; try start=0.01.")
        self.learning_rate, self.kl_weight = learning_rate, kl_weight
        self.estimator = estimator if estimator is not None else Reparameterization()
        self.objective = objective if objective is not None else NegativeELBO()
        self.momentum, self.hessian_decay = float(momentum), float(hessian_decay)
        self.clip_radius = float(clip_radius)

    def build(self, problem: Problem) -> None:
        """Creates g and h, and checks the sites.

        Raises:
          ValueError: no mean-field weights, another family or prior, an estimator that does not
            serve them, a posterior wider than its prior, several replicas.
        """
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        if replicas > 1:
            raise ValueError(
                f"method IVON runs on one device, got {replicas} replicas; use run.strategy = None."
            )
        found = {
            name: site
            for name, site in sites(problem.model).items()
            # Those of a frozen layer stay as they are.
            if not site.posterior.deterministic and site.posterior.variables[0].trainable
        }
        if not found:
            raise ValueError(
                f"method IVON needs MeanFieldNormal weights, but model {problem.model.name!r} has "
                "no random ones to be trained; use bnn.layers, or the method MAP()."
            )
        for name, site in found.items():
            _check_site(name, site)
            self.estimator.at(site.labels).check(site.posterior, site.operator)
        self._weights = [_begin(name, site, problem.num_train) for name, site in found.items()]
        own = {id(v) for weight in self._weights for v in (weight.loc, weight.rho)}
        self._others = [v for v in problem.trained if id(v) not in own]
        self.uses_optimizer = bool(self._others) or problem.optimizer is not None
        super().build(problem)
        self._cost = Cost()

    @property
    def trained(self) -> Sequence[keras.Variable]:
        """Means, unconstrained scales, and what else is trained."""
        weights = [v for weight in self._weights for v in (weight.loc, weight.rho)]
        return [*weights, *self._others]

    def loss(self, batch: Batch, noise: Noise, training: bool = True) -> Info:
        """The negative ELBO per example: nll (nats per example), kl and kl/<site> (nats)."""
        objective = self.objective.bind(self.problem.likelihood, self.problem.num_train)
        terms = objective(
            self.problem.model,
            batch.inputs,
            batch.targets,
            estimator=self.estimator,
            noise=noise,
            training=training,
            weights=getattr(batch, "weights", None),
        )
        by_site = {f"kl/{name}": kl for name, kl in terms.kl_by_site.items()}
        return Info(terms.loss, {"nll": terms.nll, "kl": terms.kl, **by_site})

    def gradients(self, batch: Batch, noise: Noise) -> tuple[Info, list[Any]]:
        """Of ℓ in means and scales, of the whole negative ELBO in what else is trained."""
        values = [variable.value for variable in self.trained]
        count = 2 * len(self._weights)
        with tf.GradientTape(persistent=bool(self._others)) as tape:
            tape.watch([value for value in values if not isinstance(value, tf.Variable)])
            info = self.loss(batch, noise)
            data = info.loss - info.metrics["kl"] / self.problem.num_train
        found = tape.gradient(data, values[:count])
        if self._others:
            found += tape.gradient(info.loss, values[count:])
        return info, found

    def step(self, batch: Batch, noise: Noise, reduce: Reduce) -> Info:
        """One step of every weight, and of the optimizer for what else is trained."""
        info, gradients = reduce(self.gradients)(batch, noise)
        self._cost.add(batch, self.objective.num_samples)
        rate = self.learning_rate(self.progress(noise))
        size = self.problem.num_train / self.kl_weight(self.progress(noise))
        count = tf.cast(noise.step, tf.float32) + 1
        of_weights = gradients[: 2 * len(self._weights)]
        for weight, slope, of_rho in zip(
            self._weights, of_weights[::2], of_weights[1::2], strict=True
        ):
            self._move(weight, slope, of_rho, rate, count, size)
        if self._others:
            assert self.problem.optimizer is not None
            self.problem.optimizer.apply(list(gradients[len(of_weights) :]), self._others)
        return info

    def _move(
        self,
        weight: _Weight,
        slope: Any,
        of_rho: Any,
        rate: tf.Tensor,
        count: tf.Tensor,
        size: tf.Tensor,
    ) -> None:
        """The docstring's equations; a layer that is not called has no gradient."""
        site, transform = weight.site, weight.site.posterior.scale_transform
        loc, rho = tf.convert_to_tensor(weight.loc.value), tf.convert_to_tensor(weight.rho.value)
        slope = tf.zeros_like(loc) if slope is None else tf.convert_to_tensor(slope)
        of_rho = tf.zeros_like(rho) if of_rho is None else tf.convert_to_tensor(of_rho)
        scale = transform(rho)
        inverse, derivative = _TRANSFORMS[type(transform)]
        estimate = of_rho / (derivative(scale) * scale)
        decay = 1 / (size * tf.square(site.prior.current_scale()))
        beta = self.hessian_decay
        before = tf.convert_to_tensor(weight.hessian.value)
        hessian = beta * before + (1 - beta) * estimate
        hessian += 0.5 * (1 - beta) ** 2 * tf.square(before - estimate) / (before + decay)
        mean = self.momentum * weight.gradient.value + (1 - self.momentum) * slope
        unbiased = mean / (1 - self.momentum**count)
        move = (unbiased + decay * (loc - site.prior.loc)) / (hessian + decay)
        weight.gradient.assign(mean)
        weight.hessian.assign(hessian)
        weight.loc.assign(loc - rate * tf.clip_by_value(move, -self.clip_radius, self.clip_radius))
        weight.rho.assign(inverse(tf.math.rsqrt(size * (hessian + decay))))

    def describe(self) -> dict[str, Any]:
        """Name, constants, and what the optimizer trains."""
        final = float(f"{float(self.kl_weight(1.0)):.7g}")  # float32's own digits
        about: dict[str, Any] = {
            "method": type(self).__name__,
            "kl_weight": final,
            "posterior": "whole KL" if final == 1.0 else f"tempered, KL x {final:g}",
            "estimator": self.estimator.describe(),
            "train_samples": self.objective.num_samples,
            "momentum": self.momentum,
            "hessian_decay": self.hessian_decay,
        }
        if not hasattr(self, "problem"):
            return about
        held = {"trained_by_optimizer": [v.path for v in self._others]}
        return about | held | self._cost.describe(self.problem.num_train)

    @property
    def variables(self) -> list[keras.Variable]:
        """The g and h of every weight, and the number of gradients so far."""
        state = [v for weight in self._weights for v in (weight.gradient, weight.hessian)]
        return [*state, self._cost.examples]


def _begin(name: str, site: Any, num_train: int) -> _Weight:
    """The state of a site at the start.

    Raises:
      ValueError: σ is above the prior's s, where h would be negative.
    """
    decay = 1 / (num_train * tf.square(site.prior.current_scale()))
    hessian = 1 / (num_train * site.posterior.variance) - decay
    if not bool(tf.reduce_all(hessian >= 0)):
        raise ValueError(
            f"site {name} must begin with a posterior that is narrower than its prior, got scales "
            f"of {float(tf.reduce_max(site.posterior.scale)):g} and "
            f"{float(tf.reduce_min(site.prior.current_scale())):g}; lower initial_scale."
        )
    loc, rho = site.posterior.variables
    state = [
        keras.Variable(value, trainable=False, dtype="float32", autocast=False, name=part)
        for part, value in (("ivon_gradient", tf.zeros(site.posterior.shape)), ("ivon_h", hessian))
    ]
    return _Weight(site, loc, rho, *state)


def _check_site(name: str, site: Any) -> None:
    if type(site.posterior) is not MeanFieldNormal:
        raise ValueError(
            f"method IVON serves MeanFieldNormal posteriors, but site {name} has "
            f"{type(site.posterior).__name__}; use the method VariationalInference."
        )
    if type(site.posterior.scale_transform) not in _TRANSFORMS:
        raise ValueError(
            f"method IVON knows the scale transforms Exponential and Softplus, but site {name} has "
            f"{type(site.posterior.scale_transform).__name__}; use Exponential()."
        )
    if type(site.prior) not in NORMAL:
        raise ValueError(
            f"method IVON needs normal priors with independent elements, but site {name} has "
            f"{type(site.prior).__name__}; use priors.Normal(), or the method VariationalInference."
        )
    if site.posterior.variables[0].constraint is not None:
        raise ValueError(
            f"method IVON moves means freely, but that of site {name} has a Keras constraint; "
            "leave it off."
        )
