# %% [markdown]
# # Digits in ten lines
#
# A Keras model is made Bayesian by `bnn.convert`, and trained by Keras's own `fit`. The data are
# scikit-learn's: nothing is downloaded.

# %%
import bnn
import keras
from bnn.data import digits

data = digits()
layers = [keras.Input((64,)), keras.layers.Dense(100, "relu"), keras.layers.Dense(10)]
network = bnn.convert(keras.Sequential(layers), initial_scale=0.05)
bayesian = bnn.BayesianModel(network, bnn.likelihoods.Categorical())
bayesian.compile(optimizer=keras.optimizers.Adam(1e-2), metrics=["accuracy"])
bayesian.fit(data.x_train, data.y_train, epochs=60, verbose=0)
print(bayesian.evaluate(data.x_test, data.y_test, verbose=0, return_dict=True))

# %% [markdown]
# What it says of the test images, and where it is least sure. Entropies are in nats; the epistemic
# part is what more data would remove.

# %%
said = bnn.predictive(network, bnn.likelihoods.Categorical(), data.x_test, num_samples=32)
labels = said.mean.argmax(axis=1)
right = labels == data.y_test[:]
print(f"accuracy of the mixture: {right.mean():.3f}")
print(f"mean entropy where it is right: {said.total[right].mean():.2f} nats")
print(f"mean entropy where it is wrong: {said.total[~right].mean():.2f} nats")
assert right.mean() > 0.93
assert said.total[~right].mean() > 2 * said.total[right].mean()

# %% [markdown]
# The six images of which it is least sure:

# %%
import matplotlib.pyplot as plt

figure, axes = plt.subplots(1, 6, figsize=(8, 1.8))
for axis, row in zip(axes, said.total.argsort()[::-1][:6], strict=True):
    axis.imshow(data.x_test[row].reshape(8, 8), cmap="gray_r")
    axis.set_title(f"is {data.y_test[row]}, said {labels[row]}\n{said.total[row]:.2f} nats", size=8)
    axis.set_axis_off()
figure.tight_layout()
figure.savefig("digits_in_ten_lines.png", dpi=120)
