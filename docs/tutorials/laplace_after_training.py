# %% [markdown]
# # Laplace after training
#
# A classifier is trained, by Keras, long ago. Nobody wants to train it again. A Laplace
# approximation puts a normal around its weights: its precision is the curvature of the log joint
# there, H = Σ Jᵀ Λ J + δ, with J the outputs' Jacobians in the weights, Λ the likelihood's
# curvature and δ the prior's precision (MacKay 1992; Daxberger et al. 2021).

# %%
import bnn
import keras
import matplotlib.pyplot as plt
import numpy as np
from scipy.special import expit
from sklearn.datasets import make_moons

keras.utils.set_random_seed(0)
x, y = make_moons(300, noise=0.2, random_state=0)
x_test, y_test = make_moons(1000, noise=0.2, random_state=1)
x, x_test = x.astype("float32"), x_test.astype("float32")
y, y_test = (each.astype("float32")[:, None] for each in (y, y_test))

plain = keras.Sequential(
    [
        keras.Input((2,)),
        keras.layers.Dense(24, "relu"),
        keras.layers.Dense(24, "relu"),
        keras.layers.Dense(1),
    ]
)
loss = keras.losses.BinaryCrossentropy(from_logits=True)
plain.compile(optimizer=keras.optimizers.Adam(1e-2), loss=loss)
plain.fit(x, y, epochs=150, batch_size=50, verbose=0)

# %% [markdown]
# ## The curvature, and how wide the prior is
#
# `fit` reads the training data once. The prior's precision is what remains to be chosen, and no
# validation data are needed: `"one"` takes the one that maximises the marginal likelihood, "layer"
# one for each layer. `"full"` keeps all covariances (up to 4,096 weights), `where="last"` makes the
# last layer alone random, which is enough for many uses and serves backbones of any size.

# %%
likelihood = bnn.likelihoods.Bernoulli()
everywhere = bnn.methods.Laplace("full", prior_precision="layer", predictive="probit")
everywhere.fit(plain, likelihood, (x, y))
last = bnn.methods.Laplace("full", where="last", prior_precision="one", predictive="probit")
last.fit(plain, likelihood, (x, y))
evidence = {
    name: laplace.describe()["log_marginal_likelihood"]
    for name, laplace in (("all weights", everywhere), ("last layer", last))
}
for name, nats in evidence.items():
    print(f"{name}: log marginal likelihood {nats:.1f} nats")

# %% [markdown]
# ## What it says
#
# The mode is untouched: what is right stays right. Probabilities move towards ½ where the
# linearised output f(x) is unsure. With `"probit"` that is one closed formula,
# σ(f / √(1 + π v / 8)), and no samples are drawn; `"linearised"` draws them.


# %%
def probability(method, inputs):
    """p(y = 1 | x), [B]."""
    return expit(np.asarray(method.predict(inputs, num_samples=1, seed=0))[0, :, 0])


def by_keras(inputs):
    return expit(plain.predict(inputs, verbose=0)[:, 0])


def nll(p):
    p = np.clip(p, 1e-7, 1 - 1e-7)
    return -np.mean(np.log(np.where(y_test[:, 0] == 1, p, 1 - p)))


predictions = {
    "Keras": by_keras,
    "last layer": lambda inputs: probability(last, inputs),
    "all weights": lambda inputs: probability(everywhere, inputs),
}
angle = np.linspace(0, 2 * np.pi, 200, endpoint=False)
far = (np.array([0.5, 0.25]) + 8 * np.stack([np.cos(angle), np.sin(angle)], axis=1)).astype("f4")
scores = {}
for name, predict in predictions.items():
    p, away = predict(x_test), predict(far)
    accuracy = np.mean((p > 0.5) == (y_test[:, 0] == 1))
    sure = np.mean(np.maximum(away, 1 - away))
    scores[name] = accuracy, nll(p), sure
    print(f"{name:12} accuracy {accuracy:.3f}, NLL {nll(p):.3f}, confidence far away {sure:.3f}")

# %% [markdown]
# Eight units from any point a network of ReLUs is surer than anywhere among them: its outputs grow
# without end. The approximation's variance grows as well, with the square of the distance, and
# holds the confidence at a bound.
#
# Which of the two to take? With all weights random the approximation is too careful among the
# points as well, where the NLL tells. The weights were trained without a prior, and are no mode of
# a posterior that has one. The marginal likelihood says so without any test data: it is higher for
# the last layer alone.

# %%
for name in ("last layer", "all weights"):
    assert abs(scores[name][0] - scores["Keras"][0]) < 0.01
    assert scores[name][2] < scores["Keras"][2] - 0.02
assert scores["Keras"][2] > 0.99 > scores["all weights"][2]
assert scores["last layer"][1] < scores["Keras"][1]
assert evidence["last layer"] > evidence["all weights"]
assert scores["last layer"][1] < scores["all weights"][1]

# %% [markdown]
# The same as pictures: the confidence, max(p, 1 − p), of each.

# %%
axis_x, axis_y = np.meshgrid(np.linspace(-6, 7, 120), np.linspace(-6, 6, 120))
grid = np.stack([axis_x.ravel(), axis_y.ravel()], axis=1).astype("float32")
figure, axes = plt.subplots(1, 3, figsize=(8, 2.8), sharey=True, layout="constrained")
for axis, (name, predict) in zip(axes, predictions.items(), strict=True):
    p = predict(grid).reshape(axis_x.shape)
    levels = np.linspace(0.5, 1, 11)
    shown = axis.contourf(axis_x, axis_y, np.maximum(p, 1 - p), levels=levels, cmap="cividis")
    axis.contour(axis_x, axis_y, p, levels=[0.5], colors="white", linewidths=1)
    for label, colour in ((0, "#d55e00"), (1, "#56b4e9")):
        at = y[:, 0] == label
        axis.plot(x[at, 0], x[at, 1], ".", color=colour, markersize=2)
    axis.set_title(name)
figure.colorbar(shown, ax=axes, label="confidence")
figure.savefig("laplace_after_training.png", dpi=120)
