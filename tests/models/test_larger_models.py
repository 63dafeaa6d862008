"""Residual networks, Transformers and an LSTM: sizes by hand, families everywhere, gin."""

from typing import NamedTuple

import gin
import keras
import numpy as np
import pytest
import tensorflow as tf

import bnn
from bnn import models
from bnn.noise import Noise, Purpose
from bnn.posteriors import MeanFieldNormal, Point
from bnn.priors import Normal, ScaleMixture
from bnn.runs.configuration import parse as parse_files
from tests.models.test_models import SITES, num_weights

IMAGE, TEXT = (8, 8, 3), (6,)


class Row(NamedTuple):
    """A small form of a model.

    Attributes:
      make: the factory.
      arguments: that make it small.
      shape: of one example.
      outputs: shape of one example's outputs, three of them.
      count: number of weights.
      ids: number of ids; 0 for images.
    """

    make: object
    arguments: dict
    shape: tuple
    outputs: tuple
    count: int
    ids: int = 0

    def model(self, **options):
        return self.make(self.shape, 3, **self.arguments, **options)

    def inputs(self):
        rng = np.random.default_rng(0)
        if self.ids:
            return rng.integers(1, self.ids, (4, *self.shape)).astype("int32")
        return rng.normal(size=(4, *self.shape)).astype("float32")


def _blocks(width, layers):
    attention = 4 * width * width + 4 * width
    dense = 4 * width * width + 4 * width + 4 * width * width + width
    return layers * (attention + dense + 4 * width) + 2 * width


def _stages(widths, convolutions, first):
    """3 × 3 kernels of three stages that begin with `first` channels, and 1 × 1 of shortcuts."""
    total = 0
    for width in widths:
        total += 9 * first * width + (convolutions - 1) * 9 * width * width
        total += first * width if first != width else 0
        first = width
    return total


_RESNET8 = 27 * 16 + _stages((16, 32, 64), 2, 16) + 2 * (16 * 3 + 32 * 3 + 64 * 3) + 64 * 3 + 3
_WIDE = 27 * 16 + _stages((32, 64, 128), 2, 16) + 2 * (16 + 2 * 32 + 2 * 64 + 2 * 128)
SMALL = {"width": 8, "num_layers": 2, "num_heads": 2}
ROWS = {
    "resnet": Row(models.resnet, {"depth": 8}, IMAGE, (3,), _RESNET8),
    "wide_resnet": Row(
        models.wide_resnet, {"depth": 10, "width": 2}, IMAGE, (3,), _WIDE + 128 * 3 + 3
    ),
    "vision_transformer": Row(
        models.vision_transformer,
        {"patch_size": 4, **SMALL},
        IMAGE,
        (3,),
        16 * 3 * 8 + 8 + 4 * 8 + _blocks(8, 2) + 8 * 3 + 3,
    ),
    "lstm_classifier": Row(
        models.lstm_classifier,
        {"num_tokens": 9, "width": 4, "units": 5},
        TEXT,
        (3,),
        9 * 4 + 4 * (4 * 5 + 5 * 5 + 5) + 5 * 3 + 3,
        9,
    ),
    "transformer_classifier": Row(
        models.transformer_classifier,
        {"num_tokens": 9, **SMALL},
        TEXT,
        (3,),
        9 * 8 + 6 * 8 + _blocks(8, 2) + 8 * 3 + 3,
        9,
    ),
    "causal_transformer": Row(
        models.causal_transformer, SMALL, TEXT, (6, 3), 3 * 8 + 6 * 8 + _blocks(8, 2) + 8 * 3 + 3, 3
    ),
}
EACH = pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)


def test_every_model_is_in_a_table():
    assert set(models.__all__) == {*ROWS, "mlp", "lenet5"}


@EACH
def test_shape_size_and_families(row):
    model = row.model(**SITES)
    assert model.output_shape == (None, *row.outputs)
    assert num_weights(model) == row.count
    others = {id(v) for v in model.trainable_variables}
    for name, site in bnn.sites(model).items():
        others -= {id(v) for v in (*site.posterior.variables, *site.prior.variables)}
        kernel = any(part in name for part in ("kernel", "recurrent", "embeddings"))
        assert type(site.posterior) is (MeanFieldNormal if kernel else Point), name
        assert type(site.prior) is (ScaleMixture if kernel else Normal), name
        if not kernel:
            assert site.prior.scale == (1.0 if "gamma" in name else 2.0), name
    assert not others  # every weight has a prior
    outputs = model(row.inputs())
    assert np.isfinite(outputs).all()
    assert np.ptp(outputs) > 0


def test_the_papers_sizes():
    """Counted by hand; 36.5 million is the paper's number for WRN-28-10."""
    convolutions = 432 + 13824 + 4608 + 46080 + 512 + 18432 + 184320 + 2048
    expected = convolutions + 2 * (7 * 16 + 7 * 32 + 7 * 64) + 650
    assert num_weights(models.resnet((32, 32, 3), 10)) == expected == 272_474
    point = {"kernel_posterior": Point(), "bias_posterior": Point()}
    assert num_weights(models.wide_resnet((32, 32, 3), 10, **point)) == 36_479_194


def test_images_are_halved_twice():
    image = (16, 16, 3)
    wide = models.wide_resnet(image, 2, depth=10, width=1)
    for model in (models.resnet(image, 2, depth=8), wide):
        (pooled,) = [x for x in model.layers if isinstance(x, keras.layers.GlobalAveragePooling2D)]
        assert pooled.input.shape[1:3] == (4, 4)


@pytest.mark.parametrize(
    "normalization",
    [
        bnn.layers.GroupNormalization(groups=4, gamma_posterior=Point()),
        bnn.layers.FilterResponseNormalization(),
        keras.layers.BatchNormalization(momentum=0.5),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_the_normalization_is_chosen_by_an_object(normalization):
    model = models.resnet(IMAGE, 3, depth=8, normalization=normalization)
    found = [layer for layer in model.layers if type(layer) is type(normalization)]
    assert len(found) == 9
    assert len({layer.name for layer in found}) == 9
    for layer in found:
        assert layer.get_config() == {**normalization.get_config(), "name": layer.name}
    assert not normalization.built


@EACH
def test_a_draw_is_another_function_than_the_mean_and_saves(row, tmp_path):
    model = row.model(kernel_posterior=MeanFieldNormal(0.1))
    estimator = bnn.estimators.Reparameterization()
    with bnn.Draw(0, estimator):
        drawn = np.asarray(model(row.inputs()))
    assert np.abs(drawn - model(row.inputs())).max() > 1e-3
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    with bnn.Draw(0, estimator):
        np.testing.assert_allclose(loaded(row.inputs()), drawn, atol=1e-6)


@EACH
def test_back_to_keras(row, tmp_path):
    model, inputs = row.model(kernel_posterior=MeanFieldNormal(0.1)), row.inputs()
    np.testing.assert_allclose(bnn.to_keras(model)(inputs), model(inputs), atol=1e-5)
    plain = bnn.to_keras(model, sample=1, seed=5)
    assert not bnn.sites(plain)
    noise = Noise(5, purpose=Purpose.PREDICTION, sample=1)  # as `bnn.predict`
    with bnn.Draw(noise, bnn.estimators.Reparameterization()):
        drawn = model(inputs)
    np.testing.assert_allclose(plain(inputs), drawn, rtol=1e-3, atol=1e-4)
    plain.save(tmp_path / "plain.keras")
    loaded = keras.models.load_model(tmp_path / "plain.keras")
    np.testing.assert_array_equal(loaded(inputs), plain(inputs))


def test_a_position_sees_nothing_that_comes_after_it():
    row = ROWS["causal_transformer"]
    model, ids = row.model(), row.inputs()
    changed = ids.copy()
    changed[:, 3:] = 3 - changed[:, 3:]
    before, after = np.asarray(model(ids)), np.asarray(model(changed))
    np.testing.assert_allclose(before[:, :3], after[:, :3], atol=1e-6)
    assert np.abs(before[:, 3:] - after[:, 3:]).max() > 1e-4


@pytest.mark.parametrize("name", ["lstm_classifier", "transformer_classifier"])
def test_padding_changes_nothing(name):
    """Other vectors for id 0 give the same outputs: neither state nor mean sees them."""
    row = ROWS[name]
    model, ids = row.model(), row.inputs()
    ids[:, 4:] = 0
    before = np.asarray(model(ids))
    table = model.layers[1].embeddings_posterior.mean.numpy()
    table[0] = 5.0 * np.arange(table.shape[1])
    model.layers[1].embeddings.posterior.initialise(table)
    np.testing.assert_allclose(model(ids), before, atol=1e-5)
    table[1:] *= -3.0
    model.layers[1].embeddings.posterior.initialise(table)
    assert np.abs(model(ids) - before).max() > 1e-4


@pytest.mark.parametrize("name", ["lstm_classifier", "transformer_classifier"])
def test_an_example_of_padding_alone_has_finite_outputs_and_gradients(name):
    """An empty text, whose mean over no tokens would be 0/0."""
    row = ROWS[name]
    model, ids = row.model(), row.inputs()
    ids[0] = 0
    with tf.GradientTape() as tape:
        outputs = model(ids)
        loss = tf.reduce_sum(tf.square(outputs))
    assert np.isfinite(outputs).all()
    gradients = tape.gradient(loss, model.trainable_variables)
    assert all(np.isfinite(tf.convert_to_tensor(g)).all() for g in gradients if g is not None)


@pytest.mark.parametrize(
    ("name", "shape", "options", "message"),
    [
        ("resnet", (8, 8, 3), {"depth": 18}, r"depth must be 6 n \+ 2 .* got 18"),
        ("wide_resnet", (8, 8, 3), {"depth": 20}, r"depth must be 6 n \+ 4 .* got 20"),
        ("wide_resnet", (8, 8, 3), {"depth": 4}, r"depth must be 6 n \+ 4 \(10, 16, .* got 4"),
        ("resnet", (8, 8, 3), {"depth": 20.0}, r"depth must be 6 n \+ 2 \(8, 14, .* got 20\.0"),
        ("wide_resnet", (8, 8, 3), {"width": 0}, "width must be at least 1, an int, got 0"),
        ("resnet", (64,), {}, r"at least 8 x 8 pixels, got \(64,\); .*mlp"),
        ("resnet", (8, 8, 3), {"normalization": "group"}, "must be a layer that is not built yet"),
        ("vision_transformer", (8, 6, 3), {}, r"patch_size must divide .* got 4 and \(8, 6\)"),
        ("vision_transformer", (8, 8, 3), {"num_heads": 5}, "num_heads must divide the width"),
        ("vision_transformer", (8, 8, 3), {"num_layers": 0}, "num_layers must be at least 1"),
        ("lstm_classifier", (8, 2), {}, r"must be \(length,\) of token ids, got \(8, 2\)"),
        ("transformer_classifier", (8,), {"num_tokens": 1}, "num_tokens must be at least 2"),
    ],
)
def test_refusals(name, shape, options, message):
    with pytest.raises(ValueError, match=message):
        getattr(models, name)(shape, 3, **options)


@pytest.mark.parametrize("name", [*ROWS, "lenet5"])
def test_several_inputs_and_targets_are_refused_by_name(name):
    make, single = getattr(models, name), f"{name} takes one"
    with pytest.raises(ValueError, match=f"{single} input, got 'a', 'b'; use bnn.models.mlp, or a"):
        make({"a": (8,), "b": (8,)}, 3)
    with pytest.raises(ValueError, match=f"{single} target, got 'price'; use bnn.models.mlp, or a"):
        make((8,), {"price": 3})


FILES = {
    "resnet": "resnet20",
    "wide_resnet": "wide_resnet28",
    **{name: name for name in ROWS if "resnet" not in name},
}


@pytest.mark.parametrize("name", FILES)
def test_a_model_is_chosen_by_a_gin_file(name, clean_gin):
    row = ROWS[name]
    small = [f"{name}.{key} = {value!r}" for key, value in row.arguments.items()]
    files = ["gin_configs/base.gin", f"gin_configs/model/{FILES[name]}.gin"]
    parse_files(files, [*small, "MeanFieldNormal.initial_scale = 0.25"])
    model = gin.query_parameter("run.model").configurable.wrapper(row.shape, 3)
    assert num_weights(model) == row.count
    for site in bnn.sites(model).values():
        np.testing.assert_allclose(site.posterior.scale, 0.25, rtol=1e-5)
