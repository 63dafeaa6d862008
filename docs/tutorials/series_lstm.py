# %% [markdown]
# # A series with an LSTM
#
# A sensor repeats a daily wave that is not quite regular, and its noise is larger where the wave is
# high. A recurrent network reads the last 24 values and says the next one: a mean and a noise of
# its own for every hour. Its recurrent kernel is random like every other weight, and is drawn once
# a sequence, so that a sample is one function of the whole past.

# %%
import bnn
import keras
import matplotlib.pyplot as plt
import numpy as np

keras.utils.set_random_seed(0)  # of the initial weights and the batches' order
PAST, DAY = 24, 24
rng = np.random.default_rng(0)


def sensor(hours, period=DAY):
    """The wave, its amplitude wandering slowly, with noise that grows with the wave."""
    time = np.arange(hours)
    amplitude = 1 + 0.2 * np.sin(2 * np.pi * time / 400)
    wave = amplitude * np.sin(2 * np.pi * time / period)
    return wave + (0.05 + 0.1 * (wave > 0)) * rng.normal(size=hours)


def windows(series):
    """Inputs [N, 24, 1] and the value that follows each, [N, 1]."""
    views = np.lib.stride_tricks.sliding_window_view(series.astype("float32"), PAST + 1)
    return views[:, :PAST, np.newaxis], views[:, PAST:]


series = sensor(1600)
x_train, y_train = windows(series[:1200])
x_test, y_test = windows(series[1200:])

# %% [markdown]
# ## Train it
#
# An LSTM of `bnn.layers` has the arguments of Keras's own. Its kernels take estimators that draw
# one weight tensor: `compile` chooses `Reparameterization` for them and `Flipout` for the dense
# layer. `HeteroscedasticNormal` reads two outputs as mean and noise.

# %%
network = keras.Sequential(
    [
        keras.Input((PAST, 1)),
        bnn.layers.LSTM(
            16,
            kernel_posterior=bnn.posteriors.MeanFieldNormal(initial_scale=0.02),
            recurrent_posterior=bnn.posteriors.MeanFieldNormal(initial_scale=0.02),
        ),
        bnn.layers.Dense(2, kernel_posterior=bnn.posteriors.MeanFieldNormal(initial_scale=0.02)),
    ]
)
likelihood = bnn.likelihoods.HeteroscedasticNormal()
model = bnn.BayesianModel(network, likelihood)
model.compile(
    optimizer=keras.optimizers.Adam(1e-2), kl_weight=bnn.schedules.LinearWarmup(fraction=0.5)
)
history = model.fit(x_train, y_train, batch_size=100, epochs=50, verbose=0)
print(f"NLL {history.history['nll'][-1]:.3f} nats an hour, KL {history.history['kl'][-1]:.0f} nats")

# %% [markdown]
# ## One hour ahead
#
# Of the intervals that are said to hold 90 % of the values, do they? And is the noise that the
# network says the noise that made the data: more where the wave is high?

# %%
said = bnn.predictive(network, likelihood, x_test, num_samples=32)
low, high = said.interval(0.9)
covered = np.mean((low <= y_test) & (y_test <= high))
noise = np.sqrt(said.aleatoric[:, 0])
up, down = (noise[where].mean() for where in (said.mean[:, 0] > 0.3, said.mean[:, 0] < -0.3))
print(f"{100 * covered:.0f} % of the test hours lie in their 90 % interval")
print(f"noise said: {up:.3f} where the wave is high, {down:.3f} where it is low")
assert 0.82 < covered < 0.97
assert 1.5 * down < up
assert said.log_prob(y_test).mean() > -0.2  # N(mean, deviation of the series) has about -1.1

# %% [markdown]
# ## Two days ahead
#
# A path feeds each value back as the next input. Sample s is one function: the same weights at
# every hour, so that a path is consistent with itself, and the fan of paths is what the data leave
# open. Its own noise is drawn for every hour.

# %%
PATHS, HOURS = 48, 48
past = np.repeat(x_test[:1], PATHS, axis=0)
path = []
for _ in range(HOURS):
    # [S, B, 2]: sample s of the weights for path s alone. The seed is the same at every hour.
    outputs = np.asarray(bnn.predict(network, past, num_samples=PATHS, seed=1))
    own = outputs[np.arange(PATHS), np.arange(PATHS)]
    deviation = np.asarray(likelihood.predictive(own[np.newaxis]).stddev())
    value = own[:, :1] + deviation * rng.normal(size=(PATHS, 1))
    path.append(value[:, 0])
    past = np.concatenate([past[:, 1:], value[:, np.newaxis].astype("float32")], axis=1)
path = np.stack(path)  # [hours, paths]

# %%
truth = y_test[:HOURS, 0]
inside = np.mean((np.quantile(path, 0.05, 1) <= truth) & (truth <= np.quantile(path, 0.95, 1)))
print(f"{100 * inside:.0f} % of the two days lie in the fan's 90 %")
assert inside > 0.7

# %% [markdown]
# ## A series that it has not seen
#
# The sensor now swings twice as fast. Nothing tells the network; its epistemic part, the spread of
# its functions, rises, and by less than one might wish for: a recurrent state that saturates looks
# much the same whatever drives it. It is a hint, and no alarm.

# %%
x_fast, _ = windows(sensor(300, period=DAY / 2))
# More functions than above: a variance of 32 numbers is known to a quarter of it.
usual, fast = (bnn.predictive(network, likelihood, x, num_samples=256) for x in (x_test, x_fast))
known, foreign = (np.sqrt(each.epistemic.mean()) for each in (usual, fast))
print(
    f"epistemic deviation: {known:.3f} on the series that it knows, {foreign:.3f} on the fast one"
)
assert fast.epistemic.mean() > 1.3 * usual.epistemic.mean()

# %%
figure, axis = plt.subplots(figsize=(7, 2.8))
hours = np.arange(-PAST, HOURS)
axis.plot(hours[:PAST], x_test[0, :, 0], color="black", label="the past that it reads")
axis.plot(hours[PAST:], path[:, :12], color="#56b4e9", alpha=0.5, linewidth=0.7)
band = np.quantile(path, [0.05, 0.95], axis=1)
axis.fill_between(hours[PAST:], *band, color="#56b4e9", alpha=0.3, label="90 % of the paths")
axis.plot(hours[PAST:], truth, ".", color="#d55e00", label="what came")
axis.set(xlabel="hours from now", ylabel="value")
axis.legend(ncols=3, loc="upper center", bbox_to_anchor=(0.5, 1.2), frameon=False)
figure.tight_layout()
figure.savefig("series_lstm.png", dpi=120)
