# %% [markdown]
# # Regression with bands
#
# Points of a curve with noise, and none of them in the middle. A Bayesian network says what it
# expects, and how far it may be wrong: a little where there are points, more where there are none.

# %%
import keras
import numpy as np

import bnn

rng = np.random.default_rng(0)
x = np.concatenate([rng.uniform(-1, -0.3, 60), rng.uniform(0.3, 1, 60)])[:, None].astype("float32")
y = (np.sin(4 * x) + 0.1 * rng.normal(size=x.shape)).astype("float32")

# %% [markdown]
# Layers have the names and arguments of Keras's own, and a posterior and a prior beside them. The
# noise of the targets is learned with the weights: `trainable=True`.

# %%
prior = {"kernel_prior": bnn.priors.FanInNormal(), "bias_prior": bnn.priors.Normal(1.0)}
network = keras.Sequential(
    [
        keras.Input((1,)),
        bnn.layers.Dense(50, activation="tanh", kernel_initializer="he_normal", **prior),
        bnn.layers.Dense(50, activation="tanh", **prior),
        bnn.layers.Dense(1, **prior),
    ]
)
likelihood = bnn.likelihoods.Normal(scale=0.3, trainable=True)
model = bnn.BayesianModel(network, likelihood)
model.compile(
    optimizer=keras.optimizers.Adam(1e-2),
    estimator=bnn.estimators.LocalReparameterization(),
)
history = model.fit(x, y, batch_size=30, epochs=300, verbose=0)
print("negative ELBO, nats per example:", round(history.history["loss"][-1], 3))

# %% [markdown]
# `bnn.predictive` is the mixture of many functions drawn from the posterior. Its variance has two
# parts: aleatoric is the noise of the targets, epistemic the spread of the functions, which more
# data would remove.

# %%
grid = np.linspace(-1.6, 1.6, 200, dtype="float32")[:, None]
said = bnn.predictive(network, likelihood, grid, num_samples=200)
low, high = said.interval(0.9)
inside = np.abs(grid[:, 0]) < 1
print(said)

# %%
seen = np.full(len(grid), np.nan)
bnn.figures.predictive_band(
    np.concatenate([grid[:, 0], x[:, 0]]),
    np.concatenate([seen, y[:, 0]]),
    *(
        np.concatenate([a[:, 0], np.interp(x[:, 0], grid[:, 0], a[:, 0])])
        for a in (said.mean, low, high)
    ),
    "regression_bands.png",
    level=0.9,
    x_label="x",
    y_label="y",
)

# %% [markdown]
# Where there are points the epistemic deviation is small; far outside it grows. In the gap between
# the two groups it grows less than it should: a factorised posterior is known for that (Foong et
# al. 2020), and `docs/pages/choose.md` says what to take instead.

# %%
epistemic = np.sqrt(said.epistemic[:, 0])
near = epistemic[(np.abs(grid[:, 0]) > 0.4) & inside].mean()
far = epistemic[np.abs(grid[:, 0]) > 1.4].mean()
print(f"epistemic standard deviation: {near:.3f} among the points, {far:.3f} beyond them")
assert far > 2 * near
