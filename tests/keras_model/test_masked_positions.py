"""A likelihood at every position: what a mask hides counts nowhere, in `fit` and in `evaluate`."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import bnn
from bnn.likelihoods import Categorical, Heads, Positions


@pytest.fixture
def sequences(rng):
    """Ids `[20, 6]` whose ends are padding, and the class of each."""
    ids = rng.integers(1, 7, (20, 6)).astype("int32")
    for row, length in enumerate(rng.integers(1, 7, 20)):
        ids[row, length:] = 0
    return ids, ids % 3


def network():
    keras.utils.set_random_seed(3)
    layers = [bnn.layers.Embedding(7, 4, mask_zero=True), bnn.layers.Dense(3)]
    return keras.Sequential([keras.Input((6,), dtype="int32"), *layers])


def model_of(likelihood, built, **options):
    model = bnn.BayesianModel(built, likelihood, num_predict_samples=5)
    options = {"optimizer": keras.optimizers.Adam(0.05), "run_eagerly": True, **options}
    model.compile(**options)
    return model


@pytest.mark.parametrize("run_eagerly", [True, False])
def test_padding_counts_in_no_number(sequences, run_eagerly):
    ids, y = sequences
    wrong = np.where(ids == 0, 2 - y, y)  # other labels where there is padding
    found = []
    for labels in (y, wrong):
        model = model_of(
            Positions(Categorical()), network(), metrics=["accuracy"], run_eagerly=run_eagerly
        )
        fitted = model.fit(ids, labels, epochs=2, shuffle=False, verbose=0).history
        evaluated = model.evaluate(ids, labels, return_dict=True, verbose=0)
        found.append({**{name: values[-1] for name, values in fitted.items()}, **evaluated})
    assert found[0] == pytest.approx(found[1], rel=1e-5)
    assert set(found[0]) == {"loss", "nll", "kl", "accuracy"}


def test_the_numbers_are_those_of_the_valid_positions(sequences):
    ids, y = sequences
    likelihood = Positions(Categorical())
    model = model_of(likelihood, network(), metrics=["accuracy"])
    model.fit(ids, y, verbose=0)
    got = model.evaluate(ids, y, return_dict=True, verbose=0)
    samples = np.asarray(bnn.predict(model.network, ids, 5, seed=0), np.float64)
    probs = np.exp(samples) / np.exp(samples).sum(-1, keepdims=True)
    own = np.take_along_axis(probs, y[None, ..., None], -1)[..., 0]
    joint = np.where(ids > 0, np.log(own), 0).sum(-1)  # of an example, by sample
    assert got["nll"] == pytest.approx(-np.mean(np.log(np.exp(joint).mean(0))), rel=1e-4)
    mean = probs.mean(0)
    right = (mean.argmax(-1) == y)[ids > 0]
    assert got["accuracy"] == pytest.approx(right.mean(), abs=1e-6)
    predicted = model.predict(ids, verbose=0)
    assert predicted.shape == (20, 6, 3)
    np.testing.assert_allclose(predicted, mean, atol=1e-5)
    assert model.constant_warning == ""


def test_of_a_head_beside_another(sequences):
    ids, y = sequences
    given = keras.Input((6,), dtype="int32")
    h = bnn.layers.Embedding(7, 4, mask_zero=True)(given)
    pooled = keras.layers.GlobalAveragePooling1D()(h)
    heads = {"each": bnn.layers.Dense(3)(h), "all": bnn.layers.Dense(2)(pooled)}
    likelihood = Heads({"each": Positions(Categorical()), "all": Categorical()})
    model = model_of(likelihood, keras.Model(given, heads), metrics={"each": ["accuracy"]})
    whole = (ids.sum(1) % 2).astype("int32")
    found = []
    for labels in (y, np.where(ids == 0, 2 - y, y)):
        targets = {"each": labels, "all": whole}
        found.append(model.evaluate(ids, targets, return_dict=True, verbose=0))
    assert found[0] == pytest.approx(found[1], rel=1e-5)
    model.fit(ids, {"each": y, "all": whole}, verbose=0)


def test_a_language_model_learns_its_grammar(rng):
    """Ids that count up and begin anew: the next one is known, but for the first."""
    length, count = 8, 64
    ids = (rng.integers(0, 5, (count, 1)) + np.arange(length + 1)) % 5 + 1
    x, y = ids[:, :-1].astype("int32"), ids[:, 1:].astype("int32")
    keras.utils.set_random_seed(0)
    built = bnn.models.causal_transformer((length,), 6, width=16, num_layers=1, num_heads=2)
    model = model_of(
        Positions(Categorical()), built, metrics=["accuracy"], run_eagerly=False, kl_weight=0.1
    )
    data = tf.data.Dataset.from_tensors((x, y)).repeat()
    model.fit(data, steps_per_epoch=60, num_train=count, shuffle=False, verbose=0)
    assert model.evaluate(x, y, return_dict=True, verbose=0)["accuracy"] > 0.99
