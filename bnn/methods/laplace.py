"""The Laplace approximation: a normal around the mode, by the curvature of the log joint."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import gin
import keras
import numpy as np
import tensorflow as tf

from bnn.data import Batches
from bnn.likelihoods import Bernoulli, Categorical, Likelihood, Normal, SoftCategorical
from bnn.methods.curvature import STRUCTURES, Evidence, Structure, Weights
from bnn.methods.curvature.blocks import directional, moments, outputs_of, rows_a_block
from bnn.methods.curvature.gathering import batches_of, gather
from bnn.methods.curvature.outputs import served
from bnn.methods.laplace_options import PriorPrecision, check_options, check_rank
from bnn.methods.map import MAP, check_points
from bnn.methods.problem import Problem
from bnn.noise import Noise, Purpose
from bnn.prediction import Functions, StoredWeights
from bnn.prediction.functions import check_num_samples
from bnn.prediction.inputs import is_batched_set, row_blocks

_PREDICT_BATCH = 1000


@gin.register(module="bnn.methods")
class Laplace(MAP):
    """q(w) = N(θ, (H + diag δ)⁻¹), θ the mode, H = Σ_n J_nᵀ Λ_n J_n, δ the prior's precision.

    MacKay 1992; with the generalised Gauss–Newton matrix H in the Hessian's place (Immer, Korzepa &
    Bauer 2021; Daxberger et al. 2021): J_n are the outputs' Jacobians in the weights and Λ_n is the
    likelihood's curvature in the outputs, both at θ. H is a sum over all N examples, and δ stands
    in it once. A run trains θ as `MAP` does and computes H when it ends; `fit` computes it for any
    model that is trained already.

    Predictions are of the linearised model f(x, θ) + J(x) (w − θ), for which this q is the
    posterior (Immer et al. 2021, section 3), or of the network itself at the sampled weights.
    `functions` are always the latter. Before the curvature is there, both are the mode alone.

    Args:
      structure: of H: "full", at most 4,096 weights; "kfac", blocks of Kronecker products, for
        dense layers and convolutions of bnn.layers; "low_rank", the `rank` largest eigenvalues;
        "diagonal".
      where: names of weights that are random, such as "*/kernel", or several; "last" for those of
        the last layer; all where None. The others stay at θ.
      prior_precision: δ; that of the model's own normal priors where None, a number for all
        weights, or what maximises the marginal likelihood at θ: "one" for all weights or one for
        every "layer". It is that of q, and not of the training.
      choose_noise: multiply the noise of a likelihood `Normal(trainable=True)` by what maximises
        the marginal likelihood, together with δ.
      predictive: "linearised", by S samples of w; "samples", the network at these; or "probit",
        one function f_c / √(1 + π v_c / 8) with v_c the variance of the linearised output, for
        `Bernoulli` and classes (MacKay 1992b; for several classes an approximation).
      rank: of "low_rank"; 20, or the number of weights if that is less, where None.
    """

    point_weights = True

    def __init__(
        self,
        structure: str = "kfac",
        where: str | Sequence[str] | None = None,
        prior_precision: PriorPrecision = None,
        choose_noise: bool = False,
        predictive: str = "linearised",
        rank: int | None = None,
    ) -> None:
        given = structure, STRUCTURES, prior_precision, choose_noise, predictive
        self.prior_precision = check_options(*given)
        self.rank = check_rank(rank, structure)
        self.structure, self.where = structure, where
        self.choose_noise, self.predictive = choose_noise, predictive

    def build(self, problem: Problem) -> None:
        """Checks that the structure, the priors and the likelihood can be served.

        Raises:
          ValueError: one of them cannot; the message has the remedy.
        """
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        if replicas > 1:
            raise ValueError(
                f"method Laplace runs on one device, got {replicas} replicas; use run.strategy = "
                "None, or train with MAP and call Laplace().fit on the restored run."
            )
        super().build(problem)
        self._begin()

    def _begin(self) -> None:
        """Creates the state, on a problem that has been taken."""
        problem = self.problem
        served(problem.likelihood)
        self._check_likelihood(problem.likelihood)
        self.weights = Weights(problem.model, self.where)
        if self.prior_precision is None:
            self.weights.prior_precision()  # raises for weights without a prior
        options = {} if self.rank is None else {"rank": self.rank}
        self.curvature: Structure = STRUCTURES[self.structure](self.weights, **options)
        # Whether the curvature is there, ln p(y | θ), the evidence, the number of targets, and of
        # examples whose gradient was taken.
        self._numbers = keras.Variable(
            np.zeros(5), dtype="float64", trainable=False, autocast=False, name="laplace_numbers"
        )
        self._compiled: dict[str, Any] = {}

    def _check_likelihood(self, likelihood: Likelihood) -> None:
        classes = isinstance(likelihood, (Bernoulli, Categorical, SoftCategorical))
        if self.predictive == "probit" and not classes:
            raise ValueError(
                f'predictive "probit" is for Bernoulli and Categorical, got '
                f'{type(likelihood).__name__}; use predictive="linearised".'
            )
        learned = isinstance(likelihood, Normal) and likelihood.trainable_variables
        if self.choose_noise and not learned:
            raise ValueError(
                "choose_noise needs the likelihood Normal(trainable=True), whose noise can be set, "
                f"got {type(likelihood).__name__}; leave choose_noise off."
            )

    def finish(self, batches: Batches) -> None:
        """H in blocks of examples, then δ and the evidence; one backward pass an output column.

        Memory: H's own, and a few times a block of 64 MB: of examples, or where one example's
        Jacobian has more, of its rows, or of one row.
        """
        problem = self.problem
        gathered = gather(self.curvature, problem, batches)
        evidence = Evidence.of(
            self.curvature,
            self.curvature.prepare(gathered.total, gathered.examples),
            problem.likelihood,
            gathered.log_likelihood,
            gathered.targets,
        )
        precision, log_noise = evidence.maximise(self._start(), self._groups(), self.choose_noise)
        value, fit = evidence.value(precision, log_noise), evidence.fit(log_noise)
        self.curvature.settle(evidence.curvature, precision, tf.exp(-2 * log_noise))
        if self.choose_noise:
            (noise,) = problem.likelihood.trainable_variables
            noise.assign_add(tf.cast(log_noise + tf.zeros(noise.shape, tf.float64), noise.dtype))
        spent = problem.total_steps * batches.batch_size + gathered.passes
        self._numbers.assign([1.0, fit, value, gathered.targets, spent])

    def functions(self, num_samples: int, seed: Any) -> Functions:
        """S networks with weights w ~ q; the mode alone before `finish`."""
        if not self.finished:
            return StoredWeights(self.weights.variables, [v[None] for v in self._mode()])
        parts = self.weights.split(self._deviations(num_samples, seed))
        values = [
            mode + tf.cast(part, mode.dtype) for mode, part in zip(self._mode(), parts, strict=True)
        ]
        return StoredWeights(self.weights.variables, values)

    def predict(self, inputs: Any, num_samples: int, seed: Any) -> tf.Tensor:
        """Outputs `[S, B, C]` as `predictive` says; S is 1 before `finish` and for "probit"."""
        if self.predictive == "samples" or not self.finished:
            return super().predict(inputs, num_samples, seed)
        if self.predictive == "probit":
            mean, covariance = self.output_moments(inputs)
            variance = tf.linalg.diag_part(covariance)
            return (mean / tf.sqrt(1 + np.pi / 8 * variance))[tf.newaxis]
        parts = self.weights.split(self._deviations(num_samples, seed))
        call = self._call("directional", self._directional)
        blocks = [call(block, parts) for block in self._blocks(inputs, _PREDICT_BATCH)]
        return tf.concat(blocks, axis=1)

    def output_moments(self, inputs: Any) -> tuple[tf.Tensor, tf.Tensor]:
        """Mean and covariance of the linearised outputs, `[B, C]` and `[B, C, C]`.

        f(x, θ) and J(x) (H + diag δ)⁻¹ J(x)ᵀ, the latent ones: observation noise is not in them.

        Raises:
          RuntimeError: the curvature is not there yet.
        """
        if not self.finished:
            raise RuntimeError("Laplace has no curvature yet: call fit, or end the training.")
        first = next(self._blocks(inputs, 1))
        width = outputs_of(self.problem.model, first).shape[1] * self.weights.size
        call = self._call("moments", self._moments)
        size = min(_PREDICT_BATCH, rows_a_block(width))
        found = [call(block) for block in self._blocks(inputs, size)]
        means, covariances = zip(*found, strict=True)
        return tf.concat(means, axis=0), tf.concat(covariances, axis=0)

    def fit(
        self,
        model: keras.Model,
        likelihood: Likelihood,
        data: Any,
        *,
        batch_size: int = 256,
        seed: int = 0,
        jit_compile: bool = True,
    ) -> Laplace:
        """The curvature of a model that is trained already, in place of `build` and training.

        `Laplace("full", prior_precision="one").fit(model, likelihood, (x, y)).predict(…)`: any
        Keras model with one output `[B, C]`, a converted one, or that of `bnn.restore(folder)` with
        `run.problem.likelihood` and `run.data`. Random weights must be `Point`s.

        Args:
          model: built and trained; it is not changed.
          likelihood: p(y | outputs), built here unless it is; its noise is set where
            `choose_noise`.
          data: (inputs, targets) of the training, `bnn.data.Dataset` or `Batches`.
          batch_size: examples a pass.
          seed: of the predictions where none is given.
          jit_compile: compile with XLA.

        Raises:
          ValueError: as `build`.
        """
        if hasattr(self, "problem"):
            raise ValueError("this Laplace has a model already; make a new one for another.")
        batches = batches_of(data, batch_size, seed)
        check_points(model, type(self).__name__)
        first = tf.nest.map_structure(lambda x: x[:1], next(iter(batches.full())).inputs)
        likelihood.build(likelihood.num_targets(outputs_of(model, first).shape[1]))
        self.problem = Problem(
            model, likelihood, batches.num_train, 0, seed, jit_compile=jit_compile
        )
        self._begin()
        self.finish(batches)
        return self

    def log_marginal_likelihood(
        self, prior_precision: Any = None, noise_factor: Any = 1.0
    ) -> tf.Tensor:
        """Ln p(y) in nats, scalar float64, at the mode; see `Evidence`.

        Args:
          prior_precision: δ, one number, one by layer or one by weight, differentiable; q's own
            where None.
          noise_factor: c, of a normal likelihood's noise.
        """
        if not self.finished:
            raise RuntimeError("Laplace has no curvature yet: call fit, or end the training.")
        numbers = tf.convert_to_tensor(self._numbers.value)
        own = tf.convert_to_tensor(self.curvature.precision.value)
        evidence = Evidence.of(
            self.curvature,
            self.curvature.held(),
            self.problem.likelihood,
            numbers[1],
            numbers[3],
        )
        if prior_precision is not None:
            own = _double(prior_precision) + tf.zeros_like(own[:1])
            if own.shape[0] == len(self.weights.layers):
                own = tf.gather(own, self.weights.groups(by_layer=True))
            own = tf.broadcast_to(own, [self.weights.size])
        return evidence.value(own, tf.math.log(_double(noise_factor)))

    def describe(self) -> dict[str, Any]:
        """Structure, weights, precisions, evidence in nats and cost."""
        about: dict[str, Any] = {
            "method": type(self).__name__,
            "posterior": f"normal around the mode, {self.structure} curvature",
            "structure": self.structure,
            "predictive": self.predictive,
        }
        if not hasattr(self, "problem") or not self.finished:
            return about
        _, fit, evidence, _, examples = self._numbers.numpy().tolist()
        return (
            about
            | self.curvature.describe()
            | {
                "random_weights": self.weights.size,
                "fixed_weights": self.weights.fixed,
                "prior_precision": self._precisions(),
                "log_likelihood": fit,
                "log_marginal_likelihood": evidence,
                "gradient_evaluations": int(examples),
                "passes_over_the_data": examples / self.problem.num_train,
            }
        )

    @property
    def variables(self) -> list[keras.Variable]:
        """The curvature with δ, and the numbers of the fit."""
        return [*self.curvature.variables, self._numbers]

    @property
    def finished(self) -> bool:
        """Whether the curvature is there."""
        return bool(self._numbers.numpy()[0])

    def _mode(self) -> list[tf.Tensor]:
        return [tf.convert_to_tensor(v.value) for v in self.weights.variables]

    def _deviations(self, num_samples: int, seed: Any) -> tf.Tensor:
        """W − θ of S samples, `[S, P]`; sample s is the same whatever S is."""
        noise = Noise(seed, purpose=Purpose.PREDICTION)
        normal = noise.normal((check_num_samples(num_samples), self.weights.size))
        return self.curvature.spread(tf.cast(normal, tf.float64))

    def _start(self) -> tf.Tensor:
        """δ as given, or to begin with."""
        if self.prior_precision is None:
            return self.weights.prior_precision()
        number = 1.0 if isinstance(self.prior_precision, str) else float(self.prior_precision)
        return tf.fill([self.weights.size], tf.constant(number, tf.float64))

    def _groups(self) -> np.ndarray | None:
        """Of the weights that share a precision, where it is chosen."""
        if not isinstance(self.prior_precision, str):
            return None
        return self.weights.groups(by_layer=self.prior_precision == "layer")

    def _precisions(self) -> dict[str, float]:
        """The mean δ of every tensor."""
        parts = self.weights.split(tf.convert_to_tensor(self.curvature.precision.value))
        return {
            t.name: float(tf.reduce_mean(part))
            for t, part in zip(self.weights.tensors, parts, strict=True)
        }

    def _blocks(self, inputs: Any, size: int) -> Iterator[Any]:
        """The inputs in blocks of rows, tensors."""
        if is_batched_set(inputs):
            raise ValueError(
                f"inputs of a linearised prediction must be arrays, got a {type(inputs).__name__}; "
                'predict batch by batch, or use predictive="samples".'
            )
        for _, block in row_blocks(self.problem.model, inputs, size):
            yield block

    def _call(self, name: str, function: Callable[..., Any]) -> Any:
        """A function of the object, compiled once."""
        if name not in self._compiled:
            self._compiled[name] = tf.function(
                function, autograph=False, jit_compile=self.problem.jit_compile
            )
        return self._compiled[name]

    def _directional(self, inputs: Any, parts: list[tf.Tensor]) -> tf.Tensor:
        return directional(self.problem.model, self.weights, inputs, parts)

    def _moments(self, inputs: Any) -> tuple[tf.Tensor, tf.Tensor]:
        return moments(self.problem.model, self.weights, self.curvature, inputs)


def _double(value: Any) -> tf.Tensor:
    """As float64; a Python float is not rounded to float32 on the way."""
    return tf.cast(tf.convert_to_tensor(value, dtype_hint=tf.float64), tf.float64)
