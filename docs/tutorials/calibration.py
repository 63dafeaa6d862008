# %% [markdown]
# # Calibration
#
# Of the answers that are given with 80 % confidence, 80 % should be right. Here two networks on
# digits that are hard to tell, since noise was added: the one trained by maximum likelihood, and
# its Bayesian twin.

# %%
import bnn
import keras
import numpy as np
from bnn.data import digits

keras.utils.set_random_seed(0)  # of the initial weights and the batches' order
data = digits(test_fraction=0.5)
rng = np.random.default_rng(0)
x_train = data.x_train[:] + rng.normal(0, 0.4, data.x_train.shape).astype("float32")
x_test = data.x_test[:] + rng.normal(0, 0.4, data.x_test.shape).astype("float32")
layers = [keras.Input((64,)), keras.layers.Dense(100, "relu"), keras.layers.Dense(10)]
plain = keras.Sequential(layers)
network = bnn.convert(plain, initial_scale=0.05, verbose=False)

# %%
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
plain.compile(optimizer=keras.optimizers.Adam(3e-3), loss=loss)
plain.fit(x_train, data.y_train, epochs=60, verbose=0)
bayesian = bnn.BayesianModel(network, bnn.likelihoods.Categorical())
bayesian.compile(optimizer=keras.optimizers.Adam(3e-3))
bayesian.fit(x_train, data.y_train, epochs=60, verbose=0)

# %% [markdown]
# Metrics take the log-probabilities of all weight samples, `[S, B, C]`; a plain network is one
# sample. The NLL is a proper score: no forecast has a lower mean than the true probabilities. The
# calibration error alone is none, since one that always says the classes' shares is calibrated.

# %%
likelihood = bnn.likelihoods.Categorical()
samples = {
    "maximum likelihood": plain.predict(x_test, verbose=0)[None],
    "Bayesian": bnn.predict(network, x_test, num_samples=32),
}
scores, tables = {}, {}
for name, logits in samples.items():
    log_probs = likelihood.log_probs(logits)
    scores[name] = [
        getattr(bnn.metrics, metric)(log_probs, data.y_test) for metric in ("error", "nll", "ece")
    ]
    table = tables[name] = bnn.metrics.reliability(log_probs, data.y_test, num_bins=10)
    gap = np.nansum(table.count * (table.confidence - table.accuracy)) / table.count.sum()
    error, nll, ece = scores[name]
    print(f"{name:20} error {error:.3f}, NLL {nll:.3f}, ECE {ece:.3f}, too sure by {gap:+.3f}")
    scores[name].append(gap)

# %% [markdown]
# The Bayesian network makes about as many errors, has by far the lower NLL, and yet no lower
# calibration error. The two err on opposite sides: maximum likelihood is too sure of itself, and
# the other, for which 900 noisy images say little against the prior, is too careful. Which of the
# two costs more is what the NLL weighs. More data, or a KL weight chosen on validation data, closes
# the gap.

# %%
(error, nll, _, gap), (error_ml, nll_ml, _, gap_ml) = (
    scores["Bayesian"],
    scores["maximum likelihood"],
)
standard_error = np.sqrt(error_ml * (1 - error_ml) / len(data.y_test))
assert error < error_ml + 2 * standard_error
assert nll < nll_ml - 0.1
assert gap < 0 < gap_ml

# %% [markdown]
# The diagram of the Bayesian network: points above the diagonal are more often right than it says;
# bars that cross it are compatible with calibration.

# %%
table = tables["Bayesian"]
bnn.figures.reliability_diagram(
    table.confidence, table.accuracy, table.count, "calibration.png", ece=scores["Bayesian"][2]
)
