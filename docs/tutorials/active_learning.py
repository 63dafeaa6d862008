# %% [markdown]
# # Active learning
#
# Inputs are plenty, labels cost. A network that knows what it does not know can say which labels
# are worth asking for. The pool here is as pools are: of the digits 0 to 4 there are many, of 5 to
# 9 few, and nobody knows which is which before it is asked.

# %%
import bnn
import keras
import matplotlib.pyplot as plt
import numpy as np
from bnn.data import digits
from bnn.predictive import bald, disagreement, thompson, top_k

data = digits(test_fraction=0.5)
labels = data.y_train[:]
kept = [np.flatnonzero(labels == c)[: 80 if c < 5 else 8] for c in range(10)]
pool, answers = data.x_train[np.concatenate(kept)], labels[np.concatenate(kept)]
print(f"a pool of {len(pool)}, {(answers > 4).sum()} of them a 5, 6, 7, 8 or 9")

# %% [markdown]
# ## A network that is trained anew after every answer
#
# One hidden layer, with dropout as the posterior of its weights. Every training begins at the same
# weights and takes as many steps, whatever the number of labels: these are repeated to fill the
# batches, and `num_train` says how many there are, which is what the KL is divided by.

# %%
keras.utils.set_random_seed(0)
network = bnn.models.mlp((64,), 10, hidden=(50,), kernel_posterior=bnn.posteriors.MCDropout(0.25))
bayesian = bnn.BayesianModel(network, bnn.likelihoods.Categorical())
optimizer = keras.optimizers.Adam(1e-2)
bayesian.compile(optimizer=optimizer, estimator=bnn.estimators.LocalReparameterization())
optimizer.build(bayesian.trainable_variables)
variables = [*bayesian.variables, *optimizer.variables]
start = [variable.numpy() for variable in variables]


def train(asked):
    """From the start, on the labels that were asked for."""
    for variable, value in zip(variables, start, strict=True):
        variable.assign(value)
    rows = np.resize(asked, 300 * 20)
    bayesian.fit(
        pool[rows], answers[rows], batch_size=20, epochs=1, num_train=len(asked), verbose=0
    )


# %% [markdown]
# ## What to ask for
#
# BALD is the mutual information of label and weights, `epistemic` of a prediction: large where
# functions of the posterior are sure of different answers. The k largest may be near neighbours.
# Thompson's rule asks as many functions as labels, each for the input where it departs most from
# the mean of all, so that the batch is as varied as the functions.


# %%
def by_bald(asked, rng):
    """The largest mutual information."""
    scores = bald(bayesian.predictive(pool))
    scores[asked] = -1  # no label is asked for twice
    return top_k(scores, 20)


def by_thompson(asked, rng):
    """One input a function."""
    log_probs = bayesian.likelihood.log_probs(bnn.predict(network, pool, num_samples=32))
    scores = disagreement(log_probs)
    scores[:, asked] = -1
    return thompson(scores, 20)


def at_random(asked, rng):
    """Any."""
    return rng.choice(np.setdiff1d(np.arange(len(pool)), asked), 20, replace=False)


# %% [markdown]
# ## Three beginnings, four rounds
#
# All three begin with the same twenty random labels, and ask for twenty more, four times.

# %%
strategies = {"random": at_random, "BALD": by_bald, "Thompson": by_thompson}
accuracy = {name: np.zeros((3, 5)) for name in strategies}
rare = {name: np.zeros((3, 5)) for name in strategies}
for name, ask in strategies.items():
    for beginning in range(3):
        rng = np.random.default_rng(beginning)
        asked = rng.choice(len(pool), 20, replace=False)
        for turn in range(5):
            train(asked)
            said = bayesian.predictive(data.x_test)
            right = said.mean.argmax(axis=1) == data.y_test[:]
            accuracy[name][beginning, turn] = right.mean()
            rare[name][beginning, turn] = (answers[asked] > 4).sum()
            if turn < 4:
                asked = np.concatenate([asked, ask(asked, rng)])
    print(
        f"{name:9} accuracy {accuracy[name].mean(axis=0).round(3)}, "
        f"of the rare digits {rare[name].mean(axis=0).round(1)}"
    )

# %% [markdown]
# The test part has as many of each digit. Asked by chance, a hundred labels hold the pool's share
# of the rare ones; asked by what functions disagree about, one and a half to twice as many, and the
# accuracy follows. What is to be won in a pool with as many of each class, `experiments/active`
# measures over seeds, on digits and MNIST.

# %%
for name in ("BALD", "Thompson"):
    assert rare[name][:, -1].mean() > 1.2 * rare["random"][:, -1].mean(), name
    assert accuracy[name][:, -1].mean() > accuracy["random"][:, -1].mean() + 0.04, name

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3))
count = 20 * np.arange(1, 6)
for name in strategies:
    left.plot(count, 100 * accuracy[name].mean(axis=0), marker="o", label=name)
    right.plot(count, rare[name].mean(axis=0), marker="o")
left.set(xlabel="labels", ylabel="test accuracy, %", xticks=count)
right.set(xlabel="labels", ylabel="of them rare digits", xticks=count)
left.legend()
figure.tight_layout()
figure.savefig("active_learning.png", dpi=120)
