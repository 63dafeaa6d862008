# %% [markdown]
# # Estimators and their variance
#
# Can a gradient pass a normal sample? By reparameterization, w = μ + σ ε, it can: the sample is a
# function of μ and σ. The score function needs no such path and pays for it by its variance. Here
# the gradient of one and the same loss, by every estimator, over many draws: all have the same
# mean, and not the same spread.

# %%
import bnn
import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf

rng = np.random.default_rng(0)
x = tf.constant(rng.normal(size=(32, 10)), tf.float32)
y = tf.constant(rng.normal(size=(32, 1)), tf.float32)
posterior = bnn.posteriors.MeanFieldNormal(initial_scale=0.2)
layer = bnn.layers.Dense(1, use_bias=False, kernel_posterior=posterior)
network = keras.Sequential([keras.Input((10,)), layer])
objective = bnn.objectives.NegativeELBO(bnn.likelihoods.Normal(scale=1.0), num_train=32)

# %% [markdown]
# The estimator is an argument of the draw, so that nothing else changes. Every draw is a step of
# its own, and every number of it is fixed by (seed, step): run this again, and it is the same.

# %%
estimators = {
    "reparameterization": bnn.estimators.Reparameterization(),
    "local reparameterization": bnn.estimators.LocalReparameterization(),
    "Flipout": bnn.estimators.Flipout(),
    "score function": bnn.estimators.ScoreFunction(),
}


def gradients(estimator, count=2000):
    """The gradient in μ of `count` draws, [count, 10]."""

    @tf.function
    def one(step):
        with tf.GradientTape() as tape:
            terms = objective(network, x, y, estimator=estimator, seed=0, step=step)
        return tape.gradient(terms.loss, layer.kernel.posterior.variables[0])[:, 0]

    return np.stack([one(tf.constant(step)) for step in range(count)])


found = {name: gradients(estimator) for name, estimator in estimators.items()}

# %% [markdown]
# All means agree within their standard errors, and the spread is what differs.

# %%
reference = found["local reparameterization"]
for name, values in found.items():
    error = np.hypot(*(v.std(axis=0, ddof=1) / np.sqrt(len(v)) for v in (values, reference)))
    z = np.abs(values.mean(axis=0) - reference.mean(axis=0)) / np.maximum(error, 1e-12)
    print(f"{name:25} variance {values.var(axis=0).sum():9.4f}   largest |z| {z.max():.1f}")
    assert z.max() < 6
variance = {name: values.var(axis=0).sum() for name, values in found.items()}
assert variance["local reparameterization"] < variance["reparameterization"]
assert variance["reparameterization"] < variance["score function"]

# %%
figure, axis = plt.subplots(figsize=(6, 2.6))
axis.plot(list(variance.values()), list(variance), "o", color="#0072b2")
axis.margins(y=0.2)
axis.grid(axis="x", alpha=0.3)
axis.set(xscale="log", xlabel="variance of the gradient in μ, summed over ten weights")
axis.invert_yaxis()
figure.tight_layout()
figure.savefig("estimators_and_variance.png", dpi=120)
