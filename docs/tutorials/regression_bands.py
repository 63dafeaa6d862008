# %% [markdown]
# # Regression with bands
#
# Points of a curve with noise, and none of them in the middle. A network fitted by least squares
# says one number everywhere. A Laplace approximation of the same network, made after its training,
# says how far that number may be off: little where there are points, more where there are none.

# %%
import bnn
import keras
import numpy as np

keras.utils.set_random_seed(0)  # of the initial weights and the batches' order
rng = np.random.default_rng(0)
x = np.concatenate([rng.uniform(-1, -0.3, 60), rng.uniform(0.3, 1, 60)])[:, None].astype("float32")
y = (np.sin(4 * x) + 0.1 * rng.normal(size=x.shape)).astype("float32")

# %% [markdown]
# Any Keras model, trained in Keras's own way; nothing of bnn is in it.

# %%
plain = keras.Sequential([keras.Input((1,)), keras.layers.Dense(50, "tanh"), keras.layers.Dense(1)])
plain.compile(optimizer=keras.optimizers.Adam(1e-2), loss="mse")
plain.fit(x, y, batch_size=30, epochs=300, verbose=0)

# %% [markdown]
# The approximation is a normal around the trained weights. The more the likelihood curves along a
# direction, the narrower the normal is there; a prior holds it where the data say nothing. How
# narrow the prior is and how large the noise, both maximise the marginal likelihood: no part of
# the data is set aside for them.

# %%
likelihood = bnn.likelihoods.Normal(scale=0.3, trainable=True)
laplace = bnn.methods.Laplace("full", prior_precision="one", choose_noise=True)
laplace.fit(plain, likelihood, (x, y))
said = laplace.describe()
noise = float(np.squeeze(likelihood.scale))
print(f"log marginal likelihood {said['log_marginal_likelihood']:.1f} nats, noise {noise:.3f}")

# %% [markdown]
# The variance of a prediction has two parts: the noise of the targets, which stays, and the spread
# of the functions that the data leave possible, which more data would remove.

# %%
grid = np.linspace(-1.6, 1.6, 200, dtype="float32")[:, None]
mean, covariance = laplace.output_moments(grid)
mean, epistemic = np.asarray(mean)[:, 0], np.sqrt(np.asarray(covariance)[:, 0, 0])
half = 1.645 * np.sqrt(epistemic**2 + noise**2)  # of the 90 % band

# %%
bnn.figures.predictive_band(
    grid,
    None,
    mean,
    mean - half,
    mean + half,
    "regression_bands.png",
    level=0.9,
    x_label="x",
    y_label="y",
    points=(x, y),
)

# %% [markdown]
# The spread among the points, in the gap between the two groups, and beyond them. A factorised
# posterior would be nearly as sure in the gap as among the points (Foong et al. 2020);
# `docs/pages/choose.md` says which posteriors and methods are not.

# %%
at = np.abs(grid[:, 0])
among, gap, beyond = (
    epistemic[where].mean() for where in ((at > 0.4) & (at < 0.9), at < 0.1, at > 1.4)
)
print(f"epistemic standard deviation {among:.3f} among points, {gap:.3f} in the gap, {beyond:.3f}")
assert 0.08 < noise < 0.13  # 0.1 made the data
assert min(gap, beyond) > 2 * among
