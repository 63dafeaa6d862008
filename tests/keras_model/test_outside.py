"""What `fit` and `export` refuse, which would be done without a word."""

import keras
import numpy as np
import pytest

import bnn
from bnn.keras_model import outside


def test_labels_out_of_range_are_refused_before_a_step(make, data):
    """Compiled, they have no gradient: the others were trained on, with a loss of NaN."""
    model = make()
    before = [np.array(v) for v in model.network.trainable_variables]
    x, y = data
    with pytest.raises(ValueError, match=r"must lie in \[0, 3\), got 3 in row \d+ .*from 0, size"):
        model.fit(x, y + 1, verbose=0)
    for was, now in zip(before, model.network.trainable_variables, strict=True):
        np.testing.assert_array_equal(was, now)


def test_rows_of_later_blocks_say_where_they_are_counted_from(make, data, monkeypatch):
    monkeypatch.setattr(outside, "_NUMBERS", 60)  # 20 rows of 3 outputs
    x, y = data
    y = np.where(np.arange(50) == 45, 9, y)
    with pytest.raises(ValueError, match=r"got 9 in row 5 .* Rows are counted from 40\."):
        outside.refuse_targets_outside(make().network, bnn.likelihoods.Categorical(), x, y)


def test_every_head_is_looked_at():
    inputs = keras.Input((2,))
    outputs = {n: bnn.layers.Dense(k, name=n)(inputs) for n, k in (("kind", 2), ("visits", 1))}
    heads = {"kind": bnn.likelihoods.Categorical(), "visits": bnn.likelihoods.Poisson()}
    network, likelihood = keras.Model(inputs, outputs), bnn.likelihoods.Heads(heads)
    x, kind = np.ones((4, 2), "float32"), np.array([0, 1, 0, 1])
    good = {"kind": kind, "visits": np.array([0.0, 2.0, 1.0, 3.0])}
    outside.refuse_targets_outside(network, likelihood, x, good)
    bad = {**good, "visits": np.array([0.0, -2.0, 1.0, 3.0])}
    with pytest.raises(ValueError, match=r"Poisson: targets must be .*, got -2 in row 1"):
        outside.refuse_targets_outside(network, likelihood, x, bad)


def test_the_export_of_keras_is_refused(make, tmp_path):
    with pytest.raises(ValueError, match=r"one function, that of the mean weights.* bnn\.export\("):
        make().export(tmp_path / "exported")
