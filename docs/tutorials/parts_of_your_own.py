# %% [markdown]
# # Parts of your own
#
# A layer, a posterior, an estimator and a method are a class each, and none needs to know the
# others: a new estimator serves every layer, a new layer every estimator. Here one of each is
# written, checked against what is known in closed form, and then all four are used together.
# Registered by `@gin.register` each is one binding of any run: `docs/pages/gin.md`.

# %%
import functools
import tempfile

import bnn
import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from bnn import experiment, operators

keras.utils.set_random_seed(0)  # of the initial weights
rng = np.random.default_rng(0)
x = rng.uniform(-1, 1, (80, 1))
y = np.sin(4 * x) + 0.1 * rng.normal(size=x.shape)
grid = np.linspace(-2, 2, 121)[:, None]
data = bnn.data.regression_dataset("sine", (x, y), (grid, np.sin(4 * grid)))

# %% [markdown]
# ## A layer
#
# It names its random tensors, declares them in `build` with the map that each is used by, and calls
# them. It reads as its equation, and has no branch by estimator.


# %%
@keras.saving.register_keras_serializable(package="mine")
class Waves(bnn.layers.BayesianLayer):
    """y = sin(x W + b): features that do not flatten out beyond the data."""

    site_initializers = {"kernel": "random_normal", "bias": "random_uniform"}  # noqa: RUF012

    def __init__(self, units, frequency=3.0, **kwargs):
        super().__init__(**kwargs)
        self.units, self.frequency = units, frequency

    def build(self, input_shape):
        self.kernel = self.add_site("kernel", operators.Dense(), (input_shape[-1], self.units))
        self.bias = self.add_site("bias", operators.Bias(), (self.units,))

    def call(self, inputs):
        product = self.kernel(self.frequency * inputs)
        return keras.ops.sin(product + self.bias(product))

    def get_config(self):
        return {**super().get_config(), "units": self.units, "frequency": self.frequency}


# %% [markdown]
# ## A posterior
#
# q(w) = N(μ, σ²) with one σ for the whole tensor: the fewest numbers that a scale can have. It says
# how it is sampled and what its density is. Without a closed form the ledger estimates its KL; with
# `register_kl` it is exact.


# %%
@keras.saving.register_keras_serializable(package="mine")
class OneScale(bnn.posteriors.Posterior):
    """q(w) = ∏ N(wᵢ; μᵢ, σ²), σ = exp ρ."""

    factorized = symmetric = normal = True

    def __init__(self, initial_scale=0.02):
        self.initial_scale = initial_scale

    def _build(self, layer, name, **options):
        self.add_mean(layer, name, **options)
        start = keras.initializers.Constant(float(np.log(self.initial_scale)))
        self._rho = self.add_variable(layer, f"{name}_log_scale", (), initializer=start)

    @property
    def variance(self):
        return tf.fill(self.shape, tf.exp(2 * tf.convert_to_tensor(self._rho)))

    def perturbation(self, noise):
        return tf.exp(tf.convert_to_tensor(self._rho)) * noise.normal(self.shape)

    def log_prob(self, weights):
        rho = tf.convert_to_tensor(self._rho)
        z = (weights - self.mean) * tf.exp(-rho)
        return tf.reduce_sum(-0.5 * z**2 - rho - 0.5 * np.log(2 * np.pi))

    def entropy(self):
        return float(np.prod(self.shape)) * (
            tf.convert_to_tensor(self._rho) + 0.5 * np.log(2 * np.pi * np.e)
        )

    def get_config(self):
        return {"initial_scale": self.initial_scale}


@bnn.divergences.register_kl(OneScale, bnn.priors.Normal)
def one_scale_to_normal(posterior, prior):
    """½ [(σ/s)² + ((μ − m)/s)² − 1] − ln σ + ln s, by element."""
    s = prior.current_scale()
    squares = (posterior.variance + tf.square(posterior.mean - prior.loc)) / tf.square(s)
    return 0.5 * (squares - 1 - tf.math.log(posterior.variance)) + tf.math.log(s)


# %% [markdown]
# The KL of 15 standard normals to themselves is 0, and of N(0, ½²) to N(0, 1) it is
# ½ (¼ − 1) + ln 2 each:

# %%
for scale, expected in ((1.0, 0.0), (0.5, 15 * (0.5 * (0.25 - 1) + np.log(2)))):
    dense = bnn.layers.Dense(
        5, use_bias=False, kernel_posterior=OneScale(scale), kernel_initializer="zeros"
    )
    dense.build((None, 3))
    (nats,) = bnn.ledger(dense).values()
    print(f"σ = {scale}: KL {float(nats):.4f} nats, expected {expected:.4f}")
    np.testing.assert_allclose(nats, expected, atol=1e-5)

# %% [markdown]
# ## An estimator, and whether it is right
#
# It says how a site's output is drawn. This one takes the perturbation of every odd step with the
# opposite sign, so that what is odd in it cancels over pairs of steps. Beside it stands one with a
# mistake: it shrinks the perturbation, which lowers the gradient's variance and is wrong.


# %%
@keras.saving.register_keras_serializable(package="mine")
class Alternating(bnn.estimators.Estimator):
    """y = op(x, μ ± Δ), plus at even steps and minus at odd ones."""

    shrink = 1.0

    def unfit(self, posterior):
        return None if posterior.symmetric else "it needs a posterior symmetric about its mean"

    def realise(self, operator, posterior, noise, like):
        odd = tf.cast(noise.step, tf.int64) % 2
        sign = self.shrink * tf.cast(1 - 2 * odd, tf.float32)
        weights = posterior.mean + sign * posterior.perturbation(noise)
        return bnn.estimators.one_tensor(operator, weights)


class Shrinking(Alternating):
    """With a mistake."""

    shrink = 0.9


reports = {
    estimator.__name__: bnn.diagnostics.check_estimator(
        estimator(),
        bnn.layers.Dense(2),
        OneScale(0.5),
        checks=("structure", "moments"),
        num_draws=2**12,
    )
    for estimator in (Alternating, Shrinking)
}
for name, report in reports.items():
    print(name, "is right" if report.ok else "is wrong:")
print(reports["Shrinking"])
assert reports["Alternating"].ok, reports["Alternating"]
assert not reports["Shrinking"].ok

# %% [markdown]
# ## A method
#
# Anything that moves the weights and then has functions to predict with. Langevin dynamics,
# w ← w − ½ ε ∇U(w) + √ε ξ with U = −log p(w, y), walks through the posterior itself; some of the
# places it comes by are kept. What is kept is an `Archive`, and is saved, resumed and restored
# without a line here. Noise is a function of the step: the run replays to the bit.


# %%
class Langevin(bnn.methods.Method):
    """Stochastic-gradient Langevin dynamics (Welling and Teh 2011)."""

    uses_optimizer, point_weights, averaged = False, True, ("nll",)

    def __init__(self, step_size=1e-4, every=20, burn_in=0.5):
        self.step_size, self.every, self.burn_in = step_size, every, burn_in

    def build(self, problem):
        super().build(problem)
        first = int(self.burn_in * problem.total_steps)
        self.archive = bnn.training.Archive(list(self.trained), self.every, first)

    def loss(self, batch, noise, training=True):
        objective = bnn.objectives.NegativeELBO().bind(
            self.problem.likelihood, self.problem.num_train
        )
        terms = objective(
            self.problem.model,
            batch.inputs,
            batch.targets,
            weights=batch.weights,
            estimator=bnn.estimators.Mean(),
            noise=noise,
            training=training,
        )
        return bnn.training.Info(terms.loss, {"nll": terms.nll, "kl": terms.kl})

    def step(self, batch, noise, reduce):
        info, gradients = reduce(self.gradients)(batch, noise)
        for number, (variable, gradient) in enumerate(zip(self.trained, gradients, strict=True)):
            kick = noise.at(purpose=bnn.noise.Purpose.MOMENTUM, site=number).normal(variable.shape)
            drift = 0.5 * self.step_size * self.problem.num_train * gradient
            variable.assign_sub(drift - self.step_size**0.5 * kick)
        return info

    def functions(self, num_samples, seed):
        stored = self.archive.stacked()
        chosen = np.linspace(0, len(stored[0]) - 1, min(num_samples, len(stored[0]))).round()
        kept = [tf.gather(values, chosen.astype(int)) for values in stored]
        return bnn.prediction.StoredWeights(self.archive.variables, kept)

    def describe(self):
        return {"method": "Langevin", "step_size": self.step_size, "posterior": "its samples"}


# %% [markdown]
# ## All of them together
#
# The same model twice: by variational inference with our posterior and estimator, and by our
# sampler, which sees points in the posterior's place.


# %%
def network(input_shape, num_outputs):
    """One layer of waves, and a linear one."""
    return keras.Sequential(
        [
            keras.Input(tuple(input_shape)),
            Waves(30, kernel_posterior=OneScale(), bias_posterior=OneScale()),
            bnn.layers.Dense(num_outputs, kernel_posterior=OneScale(), bias_posterior=OneScale()),
        ]
    )


NOISE = 0.1 / float(np.squeeze(data.target_scale))  # in standardised units
folders = tempfile.mkdtemp()
train = functools.partial(
    experiment.run,
    data=data,
    model=network,
    likelihood=bnn.likelihoods.Normal(scale=NOISE),
    batch_size=40,
    report_every=500,
)
runs = {
    "OneScale by Alternating": train(
        f"{folders}/variational",
        method=bnn.methods.VariationalInference(
            estimator=Alternating(), kl_weight=bnn.schedules.LinearWarmup(fraction=0.5)
        ),
        optimizer=keras.optimizers.Adam(1e-2),
        epochs=1500,
    ),
    "Langevin": train(f"{folders}/langevin", method=Langevin(step_size=3e-5), epochs=4000),
}

# %%
inside = np.abs(grid[:, 0]) < 1
figure, axes = plt.subplots(1, 2, figsize=(8, 2.8), sharey=True, layout="constrained")
for axis, (name, run) in zip(axes, runs.items(), strict=True):
    outputs = np.asarray(run.predict(data.prepare_inputs(grid), 100))
    functions = data.to_own_units(outputs)[..., 0]
    mean, deviation = functions.mean(axis=0), functions.std(axis=0)
    error = np.sqrt(np.mean((mean - np.sin(4 * grid[:, 0]))[inside] ** 2))
    wider = deviation[~inside].mean() / deviation[inside].mean()
    print(f"{name}: RMSE among the points {error:.3f}, {wider:.1f} times as unsure beyond them")
    assert error < 0.2
    assert wider > 1.2
    axis.plot(grid[:, 0], functions[::10].T, color="#56b4e9", linewidth=0.6)
    axis.plot(grid[:, 0], mean, color="#0072b2")
    axis.plot(x[:, 0], y[:, 0], ".", color="black", markersize=3)
    axis.set(title=name, xlabel="x", ylim=(-3, 3))
figure.savefig("parts_of_your_own.png", dpi=120)
