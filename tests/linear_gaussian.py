"""One dense layer under normal noise, with its evidence and posterior in closed form.

The ELBO of any q and its gradient are those of `bnn.diagnostics.LinearGaussian`.

y = X w + N(0, τ²), w ~ N(0, s²). The columns of X are orthogonal, so that the exact posterior is
factorised: precision xᵀx / τ² + 1 / s² and mean xᵀy / τ² / precision for every column x.
"""

import functools

import keras
import numpy as np
import scipy.linalg
import scipy.stats
import tensorflow as tf

import bnn
from bnn.diagnostics import LinearGaussian, Subject

NUM_TRAIN = 8
NOISE, PRIOR = 0.8, 1.5


class Regression:
    """The model, its data and its closed forms.

    Args:
      num_features: columns of X, at most 7; one more, of ones, belongs to the bias.
      use_bias: whether there is that column.
      trainable_prior: learn the prior's scale.
      trainable_noise: learn τ.
    """

    def __init__(self, num_features=2, *, use_bias=True, trainable_prior=False, trainable_noise=0):
        rng = np.random.default_rng(7)
        design = scipy.linalg.hadamard(NUM_TRAIN)[:, 1 : 1 + num_features]
        design = design * np.linspace(1.0, 0.4, num_features)
        self.inputs = tf.constant(design, tf.float32)
        self.design = np.hstack([design, np.ones((NUM_TRAIN, 1))]) if use_bias else design
        self.targets = self.design @ rng.normal(size=self.design.shape[1])
        self.targets = (self.targets + NOISE * rng.normal(size=NUM_TRAIN)).astype(np.float32)
        prior = bnn.priors.Normal(0.0, PRIOR, trainable=trainable_prior)
        posterior = bnn.posteriors.MeanFieldNormal(scale_transform=bnn.posteriors.Softplus())
        self.layer = bnn.layers.Dense(
            1,
            use_bias=use_bias,
            kernel_posterior=posterior,
            bias_posterior=posterior,
            kernel_prior=prior,
            bias_prior=prior,
        )
        self.model = keras.Sequential([keras.Input((num_features,)), self.layer])
        self.likelihood = bnn.likelihoods.Normal(NOISE, trainable=bool(trainable_noise))
        self.likelihood.build(1)
        self.variables = [*self.model.trainable_variables, *self.likelihood.trainable_variables]

    def names(self):
        """A name for every entry of a flattened gradient: loc, scale, prior or noise."""
        kinds = {"unconstrained_scale": "scale", "prior_log_scale": "prior", "noise": "noise"}
        names = []
        for variable in self.variables:
            kind = next((k for part, k in kinds.items() if part in variable.name), "loc")
            names += [kind] * int(np.prod(variable.shape))
        return np.array(names)

    def exact_posterior(self):
        """Mean and standard deviation of every weight, bias last."""
        precision = np.sum(self.design**2, axis=0) / NOISE**2 + 1 / PRIOR**2
        return self.design.T @ self.targets / NOISE**2 / precision, precision**-0.5

    def log_evidence(self):
        covariance = NOISE**2 * np.eye(NUM_TRAIN) + PRIOR**2 * self.design @ self.design.T
        return scipy.stats.multivariate_normal(cov=covariance).logpdf(self.targets)

    def set_posterior(self, loc, scale):
        """Assigns means and standard deviations, bias last."""
        unconstrained = np.log(np.expm1(scale))
        start = 0
        for site in self.layer.sites:
            count = int(np.prod(site.posterior.shape))
            part = slice(start, start + count)
            site.posterior._loc.assign(np.reshape(loc[part], site.posterior.shape))
            site.posterior._unconstrained_scale.assign(
                np.reshape(unconstrained[part], site.posterior.shape)
            )
            start += count

    def set_off_posterior(self, shift=0.5, widening=1.3):
        """A posterior that is wrong by `shift` standard deviations and too wide."""
        loc, scale = self.exact_posterior()
        self.set_posterior(loc + shift * scale, widening * scale)

    @functools.cached_property
    def oracle(self):
        """The closed forms of mean, variance and ELBO, at the parameters when asked."""
        self.likelihood.build()
        objective = bnn.objectives.NegativeELBO(self.likelihood, NUM_TRAIN)
        subject = Subject(
            estimator=bnn.estimators.Reparameterization(),
            layer=self.layer,
            model=self.model,
            inputs=self.inputs,
            targets=tf.constant(self.targets[:, np.newaxis]),
            likelihood=self.likelihood,
            objective=objective,
            num_samples=1,
            make_layer=lambda scale: self.layer,
            make_objective=lambda count: objective,
        )
        return LinearGaussian(subject)

    def loss(self):
        """−ELBO / N in closed form, float64, differentiable in the variables."""
        return self.oracle.loss()

    def exact_gradient(self):
        """Of `loss`, flattened."""
        with tf.GradientTape() as tape:
            loss = self.loss()
        return flatten(tape.gradient(loss, self.variables)).numpy()

    def objective(self, kind, estimator, num_samples=1, **options):
        """A function of the step that gives the loss of an objective."""
        objective = kind(self.likelihood, NUM_TRAIN, num_samples, **options)

        def loss(step):
            return objective(
                self.model, self.inputs, self.targets, estimator=estimator, seed=11, step=step
            ).loss

        return loss

    def simulate(self, losses, num_steps):
        """Losses `[n]` and flattened gradients `[n, k]` of n steps, by name, in one XLA call."""
        return self.simulator(losses)(num_steps)

    def simulator(self, losses):
        """`simulate` for several parameters and numbers of steps with one compilation."""
        count = len(self.names())

        def one(step):
            rows = {}
            for name, function in losses.items():
                with tf.GradientTape() as tape:
                    loss = function(step)
                gradients = tape.gradient(loss, self.variables, unconnected_gradients="zero")
                rows[name] = (loss, flatten(gradients))
            return rows

        @tf.function(jit_compile=True, autograph=False)
        def compiled(steps):
            spec = (tf.TensorSpec([]), tf.TensorSpec([count]))
            return tf.map_fn(one, steps, fn_output_signature=dict.fromkeys(losses, spec))

        def run(num_steps):
            rows = compiled(tf.range(num_steps))
            return {name: tuple(np.float64(part) for part in row) for name, row in rows.items()}

        return run

    def values(self, losses, num_steps):
        """Losses `[n]` alone, by name."""

        @tf.function(jit_compile=True, autograph=False)
        def run(steps):
            return tf.map_fn(
                lambda step: {name: loss(step) for name, loss in losses.items()},
                steps,
                fn_output_signature=dict.fromkeys(losses, tf.float32),
            )

        return {name: np.float64(loss) for name, loss in run(tf.range(num_steps)).items()}


def flatten(gradients):
    return tf.concat([tf.reshape(g, [-1]) for g in gradients], 0)
