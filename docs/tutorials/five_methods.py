# %% [markdown]
# # Five methods, compared
#
# The same network, the same points, five ways to infer its weights. A method is one object of a
# run: everything else below is written once. Points of sin(x) lie on both sides of a gap, and the
# question is who says that it does not know what is between.

# %%
import functools
import tempfile

import bnn
import keras
import matplotlib.pyplot as plt
import numpy as np
from bnn import experiment

rng = np.random.default_rng(0)
x = np.sort(np.concatenate([rng.uniform(-4, -1, 30), rng.uniform(1, 4, 30)]))[:, None]
y = np.sin(x) + 0.1 * rng.normal(size=x.shape)
grid = np.linspace(-4, 4, 161)[:, None]
data = bnn.data.regression_dataset("sine", (x, y), (grid, np.sin(grid)))

# %% [markdown]
# ## One run
#
# `experiment.run` trains, judges and keeps everything in a folder: a second call would show the
# results again. Methods that average or approximate afterwards see points in the place of
# distributions; each says in its class's docstring what it minimises, and what it costs.

# %%
methods = {
    "mean field": bnn.methods.VariationalInference(
        estimator=bnn.estimators.LocalReparameterization(),
        kl_weight=bnn.schedules.LinearWarmup(fraction=0.5),
    ),
    "MC dropout": bnn.methods.MCDropout(),
    "SWAG": bnn.methods.SWAG(),
    "Laplace": bnn.methods.Laplace("full"),
    "5 networks at once": bnn.methods.StackedEnsemble(),
}
folders = tempfile.mkdtemp()
NOISE = 0.1 / float(np.squeeze(data.target_scale))  # in the standardised units that models see


def train(name):
    """A run of the method with this name."""
    return experiment.run(
        f"{folders}/{name}",
        data=data,
        model=functools.partial(
            bnn.models.mlp,
            hidden=(50,),
            activation="tanh",
            kernel_posterior=bnn.posteriors.MeanFieldNormal(initial_scale=0.02),
        ),
        likelihood=bnn.likelihoods.Normal(scale=NOISE),
        method=methods[name],
        optimizer=keras.optimizers.Adam(1e-2),
        epochs=600,
        batch_size=30,
        report_every=200,
    )


runs = {name: train(name) for name in methods}

# %% [markdown]
# ## What they say
#
# Each run's functions at the same inputs, 100 of them, back in the target's units. Their spread is
# the epistemic part alone: the noise is in none of them.

# %%
inside = np.abs(grid[:, 0]) > 1
rows = {}
for name, run in runs.items():
    outputs = np.asarray(run.predict(data.prepare_inputs(grid), 100))[..., :1]
    functions = data.to_own_units(outputs)[..., 0]  # [S, 161]
    mean, deviation = functions.mean(axis=0), functions.std(axis=0)
    error = np.sqrt(np.mean((mean - np.sin(grid[:, 0]))[inside] ** 2))
    wider = deviation[~inside].mean() / deviation[inside].mean()
    rows[name] = mean, deviation, error, wider
    print(
        f"{name:20} RMSE among the points {error:.3f}, {wider:.1f} times as wide in the gap, "
        f"{run['passes_over_the_data']:,.0f} passes"
    )

# %% [markdown]
# All means are close to the curve, and Laplace alone is much less sure in the gap. The mean field,
# with its independent weights, hardly is (Foong et al. 2020); dropout's masks and SWAG's steps of
# an optimizer know nothing of where the points are. That five networks agree in the gap is what
# this short training does: they have not moved far from starts that are all smooth. Trained for
# longer they part. `experiments/methods/README.md` has that, and every method, on two activations
# and on digits: a method is chosen neither by the mean alone nor by a short run.

# %%
assert all(error < 0.2 for (*_, error, _) in rows.values())
assert rows["Laplace"][3] > 2
assert all(wider < 1.5 for name, (*_, wider) in rows.items() if name != "Laplace")

# %%
figure, axes = plt.subplots(1, 5, figsize=(10, 2.4), sharey=True, layout="constrained")
for axis, (name, (mean, deviation, *_)) in zip(axes, rows.items(), strict=True):
    band = mean - 2 * deviation, mean + 2 * deviation
    axis.fill_between(grid[:, 0], *band, color="#56b4e9", alpha=0.4, linewidth=0)
    axis.plot(grid[:, 0], mean, color="#0072b2")
    axis.plot(x[:, 0], y[:, 0], ".", color="black", markersize=3)
    axis.set(title=name, ylim=(-2, 2), xlabel="x")
axes[0].set_ylabel("mean ± 2 deviations")
figure.savefig("five_methods.png", dpi=120)
