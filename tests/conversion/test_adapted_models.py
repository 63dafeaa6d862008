"""Backbones of KerasHub, and layers of which parts are adapted by LoRA or frozen."""

import keras
import numpy as np
import pytest

import bnn
from tests.conversion.comparison import different

RNG = np.random.default_rng(0)


def backbone():
    keras_hub = pytest.importorskip("keras_hub", reason="needs keras-hub (extra `hub`)")
    sizes = {"num_layers": 2, "num_heads": 2, "hidden_dim": 16, "intermediate_dim": 32}
    made = keras_hub.models.BertBackbone(vocabulary_size=30, max_sequence_length=8, **sizes)
    inputs = {
        "token_ids": RNG.integers(0, 30, (4, 8)).astype("int32"),
        "segment_ids": np.zeros((4, 8), "int32"),
        "padding_mask": np.array([[1] * 8, [1] * 5 + [0] * 3] * 2, "int32"),
    }
    return made, inputs


@pytest.mark.slow
def test_a_backbone_of_keras_hub(tmp_path):
    model, inputs = backbone()
    bayesian = bnn.convert(model, initial_scale=1e-30, verbose=False)
    weights = sum(int(np.prod(v.shape)) for v in model.trainable_variables)
    assert sum(row.weights for row in bayesian.conversion) == weights
    expected = model(inputs)
    assert different(bayesian(inputs), expected) == 0
    with bnn.Draw(0, bnn.estimators.Reparameterization()) as draw:
        assert different(bayesian(inputs), expected) == 0
    assert len(draw.sites) == len(bnn.sites(bayesian)) == len(model.trainable_variables)
    assert different(bnn.to_keras(bayesian)(inputs), expected) == 0
    bayesian.save(tmp_path / "m.keras")
    assert different(keras.models.load_model(tmp_path / "m.keras")(inputs), expected) == 0


@pytest.mark.slow
def test_variational_low_rank_adaptation_of_a_backbone_of_keras_hub(tmp_path):
    model, inputs = backbone()
    model.enable_lora(2)
    for variable in model.trainable_variables:  # those that begin at zero, too
        variable.assign(RNG.normal(size=variable.shape, scale=0.3))
    held = [v for v in model.variables if not v.trainable and "float" in v.dtype]
    expected, frozen = model(inputs), [v.numpy() for v in held]
    bayesian = bnn.convert(model, initial_scale=0.01, verbose=False)
    weights = sum(int(np.prod(v.shape)) for v in model.trainable_variables)
    assert sum(row.weights for row in bayesian.conversion) == weights
    names = list(bnn.sites(bayesian))
    assert len(names) == len(model.trainable_variables)
    assert sum("lora" in name for name in names) == 2 * 2 * 2  # blocks, query and value, factors
    assert all("lora" in name or name.endswith("bias") for name in names)
    assert different(bayesian(inputs), expected) == 0
    assert different(bnn.to_keras(bayesian)(inputs), expected) == 0
    outputs = bnn.layers.Dense(2)(bayesian.output["pooled_output"])
    fitted = bnn.BayesianModel(
        keras.Model(bayesian.inputs, outputs), bnn.likelihoods.Categorical(), num_predict_samples=2
    )
    fitted.compile(keras.optimizers.Adam(0.01), run_eagerly=True)
    before = [v.numpy() for v in fitted.trainable_variables]
    fitted.fit(inputs, np.array([0, 1, 0, 1]), epochs=2, verbose=0)
    moved = [np.any(v != b) for v, b in zip(fitted.trainable_variables, before, strict=True)]
    assert all(moved)
    for variable, value in zip(held, frozen, strict=True):
        np.testing.assert_array_equal(variable, value)
    fitted.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    assert different(loaded.network(inputs), fitted.network(inputs)) == 0
    assert list(bnn.sites(loaded)) == list(bnn.sites(fitted))


@keras.saving.register_keras_serializable(package="tests")
class Block(keras.layers.Layer):
    """Two dense layers inside, which can be adapted or frozen by themselves."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.first, self.second = keras.layers.Dense(4), keras.layers.Dense(3)

    def build(self, input_shape):
        self.first.build(input_shape)
        self.second.build((*input_shape[:-1], 4))

    def call(self, inputs):
        return self.second(self.first(inputs))


def adapted_block(block):
    block.trainable = False
    block.first.trainable = True
    block.first.enable_lora(2)
    block.first.lora_kernel_b.assign(RNG.normal(size=(2, 4)))


def half_frozen_block(block):
    block.second.trainable = False


@pytest.mark.parametrize(
    ("rewrite", "size"), [(adapted_block, 6 * 2 + 2 * 4 + 4), (half_frozen_block, 6 * 4 + 4)]
)
def test_parts_of_a_layer_that_are_adapted_or_frozen(rewrite, size, tmp_path):
    block, rows = Block(name="block"), RNG.normal(size=(3, 6)).astype("float32")
    model = keras.Sequential([keras.Input((6,)), block])
    rewrite(block)
    expected = model(rows)
    bayesian = bnn.convert(model, verbose=False)
    assert sum(row.weights for row in bayesian.conversion) == size
    assert bayesian.layers[-1].layer is not block
    assert different(bayesian(rows), expected) == 0
    assert different(bnn.to_keras(bayesian)(rows), expected) == 0
    bayesian.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    assert different(loaded(rows), expected) == 0
    assert len(bnn.sites(loaded)) == len(bnn.sites(bayesian))
    assert len(loaded.trainable_variables) == len(bayesian.trainable_variables)
    again = bnn.convert(bayesian, verbose=False)  # random already: copied
    assert different(again(rows), expected) == 0


def test_attention_whose_query_is_adapted_is_no_counterpart_any_more():
    inputs = keras.Input((5, 6))
    attention = keras.layers.MultiHeadAttention(2, 3, name="attention")
    model = keras.Model(inputs, attention(inputs, inputs))
    attention.query_dense.enable_lora(2)
    rows = RNG.normal(size=(2, 5, 6)).astype("float32")
    bayesian = bnn.convert(model, verbose=False)
    assert different(bayesian(rows), model(rows)) == 0
    (row,) = [row for row in bayesian.conversion if row.path == "attention"]
    assert row.became == "WeightSpace"
