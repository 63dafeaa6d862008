# %% [markdown]
# # A table with missing values and two targets
#
# A CSV file of flats: areas are missing here and there, the town is a text, and two columns are to
# be predicted: the price, a number, and whether the flat was sold within a month, a class. Needs
# the extra `tables`.

# %%
import csv

import bnn
import keras
import numpy as np

keras.utils.set_random_seed(0)  # of the initial weights and the batches' order
rng = np.random.default_rng(0)
count = 600
area = rng.uniform(30, 150, count)
town = rng.choice(["north", "south", "west"], count)
factor = np.select([town == "north", town == "south"], [1.0, 1.5], 1.2)
price = 2000 * area * factor + rng.normal(0, 10_000, count)
sold = np.where(rng.uniform(size=count) < 1 / (1 + np.exp(price / 40_000 - 5)), "fast", "slow")
with open("flats.csv", "w", newline="") as file:
    table = csv.writer(file)
    table.writerow(["area", "town", "price", "sold"])
    for row in range(count):
        shown = "" if rng.uniform() < 0.1 else round(area[row], 1)
        table.writerow([shown, town[row], round(price[row]), sold[row]])

# %% [markdown]
# `missing="impute"` puts the training rows' mean into a gap and adds a feature that says so. The
# kinds of the targets are read from the columns.

# %%
data = bnn.data.csv("flats.csv", targets=["price", "sold"], missing="impute", test_fraction=0.25)
print(data)
print(data.feature_names)

# %% [markdown]
# One network with two heads. How far a price may be from its mean depends on the flat, and most of
# all on whether its area is known: the network says mean and noise for each.

# %%
inputs = keras.Input(data.input_shape)
hidden = bnn.layers.Dense(32, activation="relu")(inputs)
outputs = {
    "price": bnn.layers.Dense(2, name="price")(hidden),  # mean and noise
    "sold": bnn.layers.Dense(2, name="sold")(hidden),
}
network = keras.Model(inputs, outputs)
heads = bnn.likelihoods.Heads(
    {
        "price": bnn.likelihoods.HeteroscedasticNormal(),
        "sold": bnn.likelihoods.Categorical(),
    }
)
model = bnn.BayesianModel(network, heads)
# The KL comes in by and by, and ends whole: from the first step on, it holds the weights near zero.
warmup = bnn.schedules.LinearWarmup(fraction=0.5)
model.compile(optimizer=keras.optimizers.Adam(1e-2), kl_weight=warmup)
model.fit(data.x_train, data.y_train, epochs=200, verbose=0)

# %% [markdown]
# Predictions by target, the price in its own unit. Without an area the price is less sure.


# %%
def predict(rows):
    samples = bnn.predict(network, data.prepare_inputs(rows), num_samples=64)
    units = data.scaling.targets["price"]
    return heads.predictive(samples, price={"loc": units.loc, "scale": units.scale})


said = predict([{"area": 60, "town": "south"}, {"area": None, "town": "south"}])
for row, name in enumerate(("60 m²", "area unknown")):
    mean, deviation = said["price"].mean()[row, 0], said["price"].stddev()[row, 0]
    print(f"{name}: {mean:,.0f} ± {deviation:,.0f}; sold: {said['sold'].probs[row]}")

# %%
known, unknown = said["price"].stddev()[:, 0]
assert unknown > 1.5 * known

# %% [markdown]
# The test rows, with intervals for 90 % of them by a normal of the predictive's mean and deviation.
# Intervals are worth something if they hold what they say, and are narrower than those that know
# no input.

# %%
units = data.scaling.targets["price"]
samples = bnn.predict(network, data.x_test, num_samples=64)
price = heads.predictive(samples, price={"loc": units.loc, "scale": units.scale})["price"]
mean, half = np.asarray(price.mean())[:, 0], 1.645 * np.asarray(price.stddev())[:, 0]
sold_for = np.asarray(data.y_test["price"])[:, 0] * units.scale + units.loc
covered = np.mean(np.abs(sold_for - mean) < half)
wide = 1.645 * sold_for.std()
print(f"{100 * covered:.0f} % of {len(mean)} test rows are in their interval")
print(f"mean half width {half.mean():,.0f}; of a normal for all prices {wide:,.0f}")
assert covered > 0.8
assert half.mean() < 0.6 * wide
bnn.figures.predictive_intervals(
    sold_for, mean, mean - half, mean + half, "table_with_gaps.png", level=0.9, label="Price, €"
)
