# %% [markdown]
# # A Keras CNN with batch normalisation and dropout, made Bayesian
#
# The network is trained by plain Keras, as it would be without bnn. Then it is converted: its
# weights become the means of the posterior, the prior is put around them and the scales begin in
# proportion to them (MOPED: Krishnan, Subedar and Tickoo 2020). Two epochs of `fit` do the rest.
# MNIST and KMNIST are read from the folder that `BNN_DATA_DIR` names.

# %%
import bnn
import keras
import numpy as np
import tensorflow as tf

SEED = 0
keras.utils.set_random_seed(SEED)
digits = bnn.data.mnist(flatten=False)
foreign = bnn.data.kmnist(flatten=False, test_only=True).x_test  # Japanese characters


def block(filters):
    return [
        keras.layers.Conv2D(filters, 3, padding="same", use_bias=False),
        keras.layers.BatchNormalization(),
        keras.layers.Activation("relu"),
        keras.layers.MaxPooling2D(),
    ]


cnn = keras.Sequential(
    [
        keras.Input((28, 28, 1)),
        *block(16),
        *block(32),
        keras.layers.Dropout(0.25),
        keras.layers.Flatten(),
        keras.layers.Dense(64, activation="relu"),
        keras.layers.Dropout(0.5),
        keras.layers.Dense(10),
    ]
)
cnn.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
cnn.fit(digits.x_train, digits.y_train, batch_size=128, epochs=3, verbose=0)

# %% [markdown]
# ## Convert and fit
#
# The table says what became of every layer. Convolutions, dense layers and the normalisations'
# scales and offsets have counterparts, so that every estimator serves them; dropout and pooling
# have no weights and stay as they are. Outputs at the mean are the CNN's own, to rounding. One
# weight sample a step serves the whole batch, which is the cheapest for convolutions.

# %%
network = bnn.convert(cnn, prior=bnn.priors.Around(1.0), initial_scale=bnn.moped(0.1))
few = digits.x_test[:100]
np.testing.assert_allclose(network(few), cnn(few), atol=1e-4)

bayesian = bnn.BayesianModel(network, bnn.likelihoods.Categorical(), seed=SEED)
bayesian.compile("adam", estimator=bnn.estimators.Reparameterization(), metrics=["accuracy"])
bayesian.fit(digits.x_train, digits.y_train, batch_size=128, epochs=2, verbose=2)

# %% [markdown]
# ## What has changed
#
# On the test digits accuracy, NLL (nats) and expected calibration error; and how well the entropy
# of the prediction tells digits from foreign characters: the area under the ROC curve, 0.5 for
# guessing, 1 where every foreign character is less certain than every digit.


# %%
def judged(log_probs, of_foreign):
    entropies = [bnn.metrics.predictive_entropy(each) for each in (log_probs, of_foreign)]
    return {
        "accuracy": bnn.metrics.accuracy(log_probs, digits.y_test),
        "nll": bnn.metrics.nll(log_probs, digits.y_test),
        "ece": bnn.metrics.ece(log_probs, digits.y_test),
        "auroc": bnn.metrics.detection(*entropies).auroc,
    }


def by_keras(x):
    logits = cnn.predict(x, batch_size=1000, verbose=0).astype("float64")
    return tf.nn.log_softmax(logits).numpy()[np.newaxis]


def by_bnn(x):
    said = bayesian.predictive(x, num_samples=8)
    return np.log(said.mean)[np.newaxis], said


digits_said, foreign_said = by_bnn(digits.x_test), by_bnn(foreign)
scores = {
    "Keras": judged(by_keras(digits.x_test), by_keras(foreign)),
    "Bayesian": judged(digits_said[0], foreign_said[0]),
}
for name, values in scores.items():
    print(f"{name:>8}: " + ", ".join(f"{key} {value:.4f}" for key, value in values.items()))

before, after = scores["Keras"], scores["Bayesian"]
assert after["accuracy"] > before["accuracy"] - 0.003
assert after["nll"] <= before["nll"]
assert after["ece"] <= before["ece"]
assert after["auroc"] > before["auroc"]

# %% [markdown]
# Where does the gain come from? The epistemic part of the entropy, the disagreement of the
# posterior's functions, is what a single network does not have.

# %%
bnn.figures.entropy_histograms(
    {"MNIST": digits_said[1].epistemic, "KMNIST": foreign_said[1].epistemic},
    "mnist_cnn_from_keras.png",
    largest=1.0,
    label="Epistemic entropy (nats)",
)
