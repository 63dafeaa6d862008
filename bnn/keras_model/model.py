"""A Bayesian network with Keras's compile, fit, evaluate and predict."""

from __future__ import annotations

import logging
import math
from typing import Any

import keras
import tensorflow as tf

from bnn.estimators import Estimator
from bnn.keras_model.compiling import (
    as_schedule,
    lower_is_better,
    refuse_losses,
    require_random,
    serving_estimator,
    unbound_objective,
    unwrapped,
)
from bnn.keras_model.constant import constant_in_words
from bnn.keras_model.data import num_examples, steps_an_epoch
from bnn.keras_model.dominating import dominating_in_words
from bnn.keras_model.heads import (
    build_likelihood,
    has_positions,
    masks_of,
    predictive_mean,
    with_masks,
)
from bnn.keras_model.method_steps import MethodSteps, check_optimizer
from bnn.keras_model.outside import refuse_targets_outside
from bnn.keras_model.saving import SavedWhole
from bnn.ledger import ledger
from bnn.likelihoods import Likelihood
from bnn.noise import Noise
from bnn.objectives import NegativeELBO, Sampled, Terms
from bnn.objectives.checks import require_weights
from bnn.prediction import Functions, predict
from bnn.predictive import Predictive, predictive
from bnn.schedules import Constant, Schedule
from bnn.weight_decay import check_decay


@keras.saving.register_keras_serializable(package="bnn")
class BayesianModel(SavedWhole):
    """Fits a network by the negative ELBO, or by another method's steps, in Keras's own loop.

    ```python
    bayesian = bnn.BayesianModel(network, bnn.likelihoods.Categorical())
    bayesian.compile(optimizer="adam", estimator=bnn.estimators.Flipout(), metrics=["accuracy"])
    bayesian.fit(x, y, epochs=20, validation_data=(x_valid, y_valid))
    ```

    It is a face of `bnn.objectives`: −(1/B) Σ_b w_b E_q[log p(y_b | x_b, w)] + λ KL / N, with w_b
    the sample weights, 1 where there are none, and N the number of examples that `fit` gets.
    `loss`, `nll` (nats per example) and `kl` (nats, of the whole network) are logged. Metrics are
    those of the predictive distribution: of the step's own draws in training, of
    `num_predict_samples` in `evaluate`, whose `nll` is the mixture's.

    Attributes:
      constant_warning: what the latest `fit` said of a model no better than a constant, or "".
      kl_warning: what it said of a KL that dominates and still falls, or "".

    Args:
      network: any built Keras model with random sites (`bnn.layers`, `bnn.convert`); for methods
        such as `MCDropout` any built Keras model.
      likelihood: p(y | outputs).
      seed: of all noise.
      num_predict_samples: S of `evaluate` and `predict`.
      **kwargs: of `keras.Model`.

    Raises:
      ValueError: a network that is not built.
    """

    def __init__(
        self,
        network: keras.Model,
        likelihood: Likelihood,
        *,
        seed: int = 0,
        num_predict_samples: int = 32,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not isinstance(likelihood, Likelihood):
            raise ValueError(
                f"likelihood must be a bnn likelihood object, got {likelihood!r}; pass for example "
                "bnn.likelihoods.Categorical()."
            )
        if not network.built:
            raise ValueError(
                f"network {network.name!r} has no variables yet; call it once on data, or give it "
                "a keras.Input."
            )
        self.network = network
        self.likelihood = likelihood
        self.seed, self.num_predict_samples = int(seed), int(num_predict_samples)
        build_likelihood(likelihood, network)
        self.likelihood_variables = list(likelihood.variables)
        # Of its own: the optimizer's count stands still while gradients are accumulated.
        self.step_counter = self._state("step", "int64")
        self.num_train = self._state("num_train", "float32")
        self.total_steps = self._state("total_steps", "float32")
        self._nll_tracker = keras.metrics.Mean(name="nll")
        self._kl_tracker = keras.metrics.Mean(name="kl")
        self._estimator: Estimator | None = None
        self._given_estimator: Estimator | None = None
        self._objective = NegativeELBO()
        self._kl_weight: Schedule = Constant(1.0)
        self._steps: MethodSteps | None = None
        self.constant_warning = self.kl_warning = ""
        self.built = True

    def _state(self, name: str, dtype: str) -> keras.Variable:
        return self.add_weight(
            name=name, shape=(), dtype=dtype, trainable=False, initializer="zeros", autocast=False
        )

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """The network's outputs: a draw's inside of one, else those of the mean weights."""
        return self.network(inputs, training=training)

    def compile(
        self,
        optimizer: Any = "adam",
        estimator: Estimator | None = None,
        *,
        objective: NegativeELBO | None = None,
        kl_weight: float | Schedule = 1.0,
        method: Any = None,
        **kwargs: Any,
    ) -> None:
        """Configures training.

        Args:
          optimizer: Keras optimizer or its name.
          estimator: of the gradient; where None `Flipout` where it serves, else
            `Reparameterization`.
          objective: `bnn.objectives.NegativeELBO(num_samples=2)` or another, without likelihood and
            number of examples; one sample a step where None.
          kl_weight: λ, a number or a schedule over the progress of `fit`. Any final value but 1 is
            a tempered posterior.
          method: of `bnn.methods`, one that is all steps; `VariationalInference` of the arguments
            above where None. Its metrics in training are those of one function after the step.
          **kwargs: of `keras.Model.compile`: metrics, weighted_metrics, run_eagerly, jit_compile,
            steps_per_execution.

        Raises:
          ValueError: a loss, which the likelihood is, an estimator that does not serve a site, or
            a method that does more than steps.
        """
        refuse_losses(kwargs, self.likelihood)
        method, estimator, objective, kl_weight = unwrapped(method, estimator, objective, kl_weight)
        optimizer = keras.optimizers.get(optimizer)
        steps = None if method is None else MethodSteps(method)
        if optimizer is not None:
            check_decay(optimizer, self.network, self.likelihood)
        if steps is None:
            self._estimator = serving_estimator(self.network, estimator)
        self._given_estimator = estimator
        self._objective = unbound_objective(objective)
        self._kl_weight = as_schedule(kl_weight)
        super().compile(optimizer=optimizer, **kwargs)
        if self._steps is not None:
            self._steps.release(self)
        if steps is not None:
            check_optimizer(self.optimizer, method)
        self._steps = steps
        # Keras computes nothing with it; its scikit-learn wrappers ask whether there is a loss.
        self.loss = type(self._objective if method is None else method).__name__

    def fit(
        self, x: Any = None, y: Any = None, *, num_train: int | None = None, **kwargs: Any
    ) -> Any:
        """Trains, as `keras.Model.fit`.

        A model no better than a constant afterwards is named in the log with remedies, and so is
        one whose KL dominates and still falls: `constant_warning`, `kl_warning`, "" for none.

        Args:
          x: inputs, dataset or `keras.utils.PyDataset`.
          y: targets.
          num_train: N, number of training examples; counted where None.
          **kwargs: of `keras.Model.fit`.

        Raises:
          ValueError: unknown number of examples, targets outside the support, several replicas.
        """
        if self.distribute_strategy.num_replicas_in_sync > 1:
            raise ValueError(
                "fit trains on one device: its replicas would share their noise and scale the KL. "
                "Use bnn.run with run.strategy = @Mirrored() for several."
            )
        refuse_targets_outside(self.network, self.likelihood, x, y)
        count = num_examples(x, kwargs, num_train)
        steps = steps_an_epoch(x, count, kwargs) * int(kwargs.get("epochs", 1))
        self.num_train.assign(float(count))
        self.total_steps.assign(float(max(steps, 1)))
        if self._steps is not None and self._steps.build(self, count, max(steps, 1)):
            self.train_function = None  # they are constants of the traced steps
            self.test_function = None
        lower_is_better(kwargs.get("callbacks") or [])
        history = super().fit(x, y, **kwargs)
        self._warn((x, y), history.history)
        return history

    def _warn(self, data: tuple[Any, Any], logged: dict[str, list[float]]) -> None:
        weight = float(self._kl_weight(1.0))
        options: dict[str, Any] = {"num_samples": self.num_predict_samples, "seed": self.seed}
        flat = constant_in_words(self.network, self.likelihood, data, kl_weight=weight, **options)
        self.constant_warning, self.kl_warning = flat, ""
        if not flat and self._steps is None:
            self.kl_warning = dominating_in_words(logged, float(self.num_train), weight)
        if words := flat or self.kl_warning:
            logging.getLogger("absl").warning("%s", words)

    def train_step(self, data: Any) -> dict:
        """One step on the objective; Keras calls it."""
        x, y, weights = keras.utils.unpack_x_y_sample_weight(data)
        step = tf.convert_to_tensor(self.step_counter)
        if self._steps is not None:
            said = self._steps.train((x, y, weights), Noise(self.seed, step))
            self.step_counter.assign_add(1)
            outputs = masks = None
            if self._compile_metrics is not None:
                outputs, masks = self._samples(x, 1, tf.cast(step, tf.int32)), self._masks(x)
            return self._log(*said, (x, y, outputs, weights), masks)
        with tf.GradientTape() as tape:
            terms, sampled = self._evaluated(x, y, weights, step)
            loss = self.optimizer.scale_loss(terms.loss)
        variables = self.trainable_variables
        gradients = tape.gradient(loss, variables)
        self.optimizer.apply_gradients(zip(gradients, variables, strict=True))
        self.step_counter.assign_add(1)
        outputs = keras.tree.map_structure(lambda *parts: tf.stack(parts), *sampled.outputs)
        masks = masks_of(sampled.outputs[0]) if has_positions(self.likelihood) else None
        return self._log(terms.loss, terms.nll, terms.kl, (x, y, outputs, weights), masks)

    def terms(self, x: Any, y: Any, sample_weight: Any = None, *, step: Any) -> Terms:
        """The objective's value in its parts for one batch, as a step of `fit` has it.

        Args:
          x: inputs.
          y: targets.
          sample_weight: `[B]`, ones where None.
          step: number of the step, which is what its noise depends on.

        Raises:
          ValueError: before `compile`.
        """
        return self._evaluated(x, y, sample_weight, step)[0]

    def _evaluated(self, x: Any, y: Any, weights: Any, step: Any) -> tuple[Terms, Sampled]:
        if self._estimator is None:
            raise ValueError(
                f"model {self.name!r} must be compiled first, as its estimator is chosen there; "
                "call compile()."
            )
        objective = self._objective.bind(self.likelihood, tf.convert_to_tensor(self.num_train))
        noise = objective.noise(Noise(self.seed, step), None, None)
        estimator = objective.prepare(self._estimator)
        sampled = objective.sample(self.network, x, y, estimator, noise, True, weights)
        weight = self.kl_weight_at(step)
        return objective.terms(self.network, sampled, estimator, noise, weight), sampled

    def test_step(self, data: Any) -> dict:
        """The negative ELBO, and metrics of the predictive mixture; Keras calls it."""
        x, y, weights = keras.utils.unpack_x_y_sample_weight(data)
        outputs = self._samples(x)
        masks = self._masks(x)
        log_probs = tf.map_fn(
            lambda one: self.likelihood.checked_log_prob(with_masks(one, masks), y),
            outputs,
            fn_output_signature=tf.float32,
        )
        mixture = tf.reduce_logsumexp(log_probs, 0) - math.log(log_probs.shape[0])
        shares = 1.0 if weights is None else require_weights(weights, mixture)
        nll = -tf.reduce_mean(shares * mixture)
        if self._steps is not None:
            noise = Noise(self.seed, tf.convert_to_tensor(self.step_counter))
            loss, _, kl = self._steps.bound((x, y, weights), noise)
            return self._log(loss, nll, kl, (x, y, outputs, weights), masks)
        expected = -tf.reduce_mean(shares * log_probs)
        kl = tf.add_n(list(self._ledger().values()))
        weight = self._kl_weight(1.0)
        loss = expected + tf.math.divide_no_nan(weight * kl, tf.convert_to_tensor(self.num_train))
        return self._log(loss, nll, kl, (x, y, outputs, weights), masks)

    def predict_step(self, data: Any) -> Any:
        """The predictive mean, probabilities in a classification; Keras calls it."""
        x, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        return predictive_mean(self.likelihood, self._samples(x))

    def predictive(self, x: Any, num_samples: int | None = None, **options: Any) -> Predictive:
        """What the model says of the targets of some inputs, as `bnn.predictive`.

        Args:
          x: inputs.
          num_samples: S; `num_predict_samples` where None.
          **options: of `bnn.predictive`.
        """
        count = self.num_predict_samples if num_samples is None else num_samples
        options = {"seed": self.seed, **options}
        if "functions" not in options:
            options["functions"] = self._functions(count, options["seed"])
        return predictive(self.network, self.likelihood, x, count, **options)

    def _functions(self, count: int, seed: Any) -> Functions | None:
        """The method's functions; None for draws from the posteriors."""
        if self._steps is not None:
            return self._steps.functions(count, seed)
        require_random(self.network)
        return None

    def _samples(self, inputs: Any, count: int | None = None, seed: Any = None) -> Any:
        """Outputs of `num_predict_samples` functions, `[S, B, …]` each."""
        count = self.num_predict_samples if count is None else count
        seed = self.seed if seed is None else seed
        functions = self._functions(count, seed)
        return predict(self.network, inputs, count, seed, functions=functions, jit_compile=False)

    def _masks(self, inputs: Any) -> list[Any] | None:
        """Masks of the outputs, which those of `predict` have lost; of positions alone."""
        if not has_positions(self.likelihood):
            return None
        with keras.StatelessScope():  # the state is left as it is
            return masks_of(self.network(inputs, training=False))

    def _ledger(self) -> dict[str, tf.Tensor]:
        noise = Noise(self.seed, tf.convert_to_tensor(self.step_counter))
        return ledger(self.network, noise=noise, kl=self._objective.kl)

    def kl_weight_at(self, step: Any) -> tf.Tensor:
        """λ at a step of the latest `fit`, scalar."""
        total = tf.convert_to_tensor(self.total_steps)
        return self._kl_weight(tf.math.divide_no_nan(tf.cast(step, tf.float32), total))

    def _log(self, loss: Any, nll: Any, kl: Any, data: tuple, masks: Any) -> dict:
        x, y, outputs, weights = data
        size = tf.shape(keras.tree.flatten(x)[0])[0]
        for tracker, value in ((self._loss_tracker, loss), (self._nll_tracker, nll)):
            tracker.update_state(value, sample_weight=size)
        self._kl_tracker.update_state(kl)
        if self._compile_metrics is not None:
            mean = with_masks(predictive_mean(self.likelihood, outputs), masks)
            self.compute_metrics(x, y, mean, sample_weight=weights)
        return self.get_metrics_result()
