# %% [markdown]
# # Your trained CNN, made Bayesian
#
# A convolutional network that is trained already keeps its weights: they become the means of the
# posterior, and the prior is put around them (MOPED: Krishnan, Subedar and Tickoo 2020). A few
# epochs then fit the scales.

# %%
import bnn
import keras
import numpy as np
from bnn.data import digits

keras.utils.set_random_seed(0)  # of the initial weights and the batches' order
data = digits(flatten=False)
cnn = keras.Sequential(
    [
        keras.Input((8, 8, 1)),
        keras.layers.Conv2D(16, 3, activation="relu"),
        keras.layers.MaxPooling2D(),
        keras.layers.Flatten(),
        keras.layers.Dense(32, activation="relu"),
        keras.layers.Dense(10, name="head"),
    ]
)
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
cnn.compile(optimizer=keras.optimizers.Adam(3e-3), loss=loss, metrics=["accuracy"])
cnn.fit(data.x_train, data.y_train, epochs=40, verbose=0)
plain_loss, plain_accuracy = cnn.evaluate(data.x_test, data.y_test, verbose=0)

# %% [markdown]
# The table says what became of every layer. At the posterior's mean the outputs are the CNN's own.

# %%
network = bnn.convert(cnn, prior=bnn.priors.Around(1.0), initial_scale=bnn.moped(0.1))
np.testing.assert_allclose(network(data.x_test), cnn(data.x_test), rtol=1e-4, atol=1e-4)

# %%
bayesian = bnn.BayesianModel(network, bnn.likelihoods.Categorical())
bayesian.compile(optimizer=keras.optimizers.Adam(1e-3), estimator=bnn.estimators.Flipout())
bayesian.fit(data.x_train, data.y_train, epochs=15, verbose=0)

# %% [markdown]
# Beside the CNN: accuracy, and the NLL on the test images, which punishes wrong answers that are
# sure of themselves. Then noise, which is no digit at all.

# %%
likelihood = bnn.likelihoods.Categorical()
said = bnn.predictive(network, likelihood, data.x_test, num_samples=32)
accuracy = np.mean(said.mean.argmax(axis=1) == data.y_test)
nll = -np.mean(said.log_prob(data.y_test))
print(f"CNN:      accuracy {plain_accuracy:.3f}, NLL {plain_loss:.3f} nats")
print(f"Bayesian: accuracy {accuracy:.3f}, NLL {nll:.3f} nats")
noise = np.random.default_rng(0).uniform(size=data.x_test.shape).astype("float32")
of_noise = bnn.predictive(network, likelihood, noise, num_samples=32)
print(
    f"epistemic entropy: digits {said.epistemic.mean():.3f}, noise {of_noise.epistemic.mean():.3f}"
)
assert accuracy > plain_accuracy - 0.02
assert of_noise.epistemic.mean() > 2 * said.epistemic.mean()

# %%
bnn.figures.entropy_histograms(
    {"digits": said.epistemic, "noise": of_noise.epistemic},
    "your_trained_cnn.png",
    largest=1.0,
    label="Epistemic entropy (nats)",
)
print(bnn.ledger(network))
