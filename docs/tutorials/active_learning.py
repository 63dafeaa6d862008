# %% [markdown]
# # Active learning: which label to buy next
#
# Images of digits are free, labels cost. A model that knows what it does not know can ask for the
# labels that would teach it most: those on which its own functions disagree. That is the epistemic
# part of its uncertainty, the mutual information of label and weights (BALD: Houlsby et al. 2011).
# Beside it stands the same model with labels bought at random.

# %%
import keras
import matplotlib.pyplot as plt
import numpy as np

import bnn
from bnn.data import digits
from bnn.predictive import bald, top_k

START, BUY, ROUNDS, REPEATS = 20, 20, 6, 2
data = digits(test_fraction=0.5)
x, y = data.x_train[:], data.y_train[:]
likelihood = bnn.likelihoods.Categorical()

# %% [markdown]
# ## One model, trained again each time
#
# Every round begins with the same weights and takes the same number of steps, so that the labels
# are all that differs. `num_train` follows from what is passed to `fit`: with 20 labels the prior
# counts for much, with 140 for less.

# %%
keras.utils.set_random_seed(0)
layers = [keras.Input((64,)), keras.layers.Dense(64, "relu"), keras.layers.Dense(10)]
network = bnn.convert(
    keras.Sequential(layers),
    prior=bnn.priors.FanInNormal(),
    initial_scale=0.02,
    verbose=False,
)
begin = network.get_weights()
BATCH, STEPS = 20, 400  # BATCH divides every number of labels


def trained(labelled, seed):
    """The model after the same number of steps on these rows."""
    network.set_weights(begin)
    model = bnn.BayesianModel(network, likelihood, seed=seed)
    model.compile(
        optimizer=keras.optimizers.Adam(1e-2),
        estimator=bnn.estimators.LocalReparameterization(),
        kl_weight=bnn.schedules.LinearWarmup(fraction=0.5),
        steps_per_execution=20,
    )
    # Rows repeated to a whole number of epochs of STEPS steps in all; the KL counts them once.
    rows = np.resize(labelled, BATCH * STEPS)
    model.fit(x[rows], y[rows], batch_size=BATCH, epochs=1, num_train=len(labelled), verbose=0)
    return network


def say(inputs):
    return bnn.predictive(network, likelihood, inputs, num_samples=16)


# %% [markdown]
# ## The loop
#
# Train, ask, buy. BALD looks at the whole pool of unlabelled images; chance does not. The pool's
# labels are looked up only for rows that have been bought.


# %%
def learn(by_model, seed):
    """Test accuracies after each round."""
    rng = np.random.default_rng(seed)
    labelled = rng.permutation(len(x))[:START]
    accuracies = []
    for _ in range(ROUNDS):
        trained(labelled, seed)
        accuracies.append(np.mean(say(data.x_test[:]).mean.argmax(axis=1) == data.y_test[:]))
        pool = np.setdiff1d(np.arange(len(x)), labelled)
        bought = top_k(bald(say(x[pool])), BUY) if by_model else rng.permutation(len(pool))[:BUY]
        labelled = np.concatenate([labelled, pool[bought]])
    return accuracies


found = {
    name: np.array([learn(by_model, seed) for seed in range(REPEATS)])
    for name, by_model in (("BALD", True), ("chance", False))
}
counts = START + BUY * np.arange(ROUNDS)
for name, accuracies in found.items():
    shown = ", ".join(f"{n}: {a:.3f}" for n, a in zip(counts, accuracies.mean(axis=0), strict=True))
    print(f"{name:7} accuracy by labels  {shown}")

# %% [markdown]
# Both begin alike. After some rounds the labels that were asked for are worth more than as many by
# chance: what a random row shows, the model mostly knows already.

# %%
last = {name: accuracies[:, -2:].mean() for name, accuracies in found.items()}
assert np.array_equal(found["BALD"][:, 0], found["chance"][:, 0])
assert last["BALD"] > last["chance"] + 0.01
assert last["BALD"] > found["BALD"][:, 0].mean() + 0.1

# %%
figure, axis = plt.subplots(figsize=(5, 3), layout="constrained")
for (name, accuracies), colour in zip(found.items(), ("#0072b2", "#d55e00"), strict=True):
    axis.plot(counts, accuracies.mean(axis=0), "o-", color=colour, label=name)
    axis.plot(counts, accuracies.T, color=colour, alpha=0.35, linewidth=0.8)
axis.set(xlabel="labels bought", ylabel="test accuracy")
axis.legend(frameon=False)
figure.savefig("active_learning.png", dpi=120)
