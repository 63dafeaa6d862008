"""Every argument of the Keras namesakes is taken; what cannot be is refused in words."""

import inspect

import gin
import keras
import pytest
from descriptors import FIRSTS
from oracle import families

import bnn
from bnn.layers import (
    Conv1DTranspose,
    Conv2DTranspose,
    DepthwiseConv1D,
    DepthwiseConv2D,
    EinsumDense,
    SeparableConv1D,
)
from bnn.posteriors import MeanFieldNormal

# Low-rank adaptation and quantization rewrite the kernel; Keras has withdrawn rms_scaling.
LEFT_OUT = {
    "lora_rank",
    "lora_alpha",
    "quantization_config",
    "gptq_unpacked_column_size",
    "rms_scaling",
}


@pytest.mark.parametrize("descriptor", FIRSTS.values(), ids=FIRSTS)
def test_every_argument_of_keras_is_taken(descriptor):
    namesake = getattr(keras.layers, descriptor.layer)
    parameters = inspect.signature(namesake.__init__).parameters
    defaults = {
        name: parameter.default
        for name, parameter in parameters.items()
        if name not in {"self", "kwargs", *LEFT_OUT}
        and parameter.default is not inspect.Parameter.empty
    }
    layer = getattr(bnn.layers, descriptor.layer)(**{**defaults, **descriptor.arguments})
    config, expected = layer.get_config(), descriptor.namesake().get_config()
    assert {name for name in expected if name not in config} <= LEFT_OUT


@pytest.mark.parametrize("descriptor", FIRSTS.values(), ids=FIRSTS)
def test_first_arguments_are_in_the_order_of_keras(descriptor):
    values = list(descriptor.arguments.values())[:2]
    names = list(inspect.signature(getattr(keras.layers, descriptor.layer).__init__).parameters)[1:]
    given = {n: descriptor.arguments[n] for n in names[:2] if n in descriptor.arguments}
    if list(given) != names[: len(given)] or not values:
        pytest.skip("the configuration does not begin with the first arguments")
    rest = {n: v for n, v in descriptor.arguments.items() if n not in given}
    layer = getattr(bnn.layers, descriptor.layer)(*given.values(), **rest)
    config = layer.get_config()
    for name, value in given.items():
        found = config[name] if isinstance(value, int | str) else tuple(config[name])
        assert found in (value, (value,), (value,) * 2, (value,) * 3), name


@pytest.mark.parametrize("descriptor", FIRSTS.values(), ids=FIRSTS)
def test_families_are_checked(descriptor):
    kind = getattr(bnn.layers, descriptor.layer)
    name = next(iter(families(kind, MeanFieldNormal())))
    with pytest.raises(ValueError, match=r"bnn posterior object or None, got 'normal'"):
        descriptor.bayesian(**{name: "normal"})


SIZE = {"filters": 4, "kernel_size": 3}


@pytest.mark.parametrize(
    ("kind", "arguments", "message"),
    [
        (DepthwiseConv2D, {"kernel_size": 0}, "kernel_size must be a positive integer, got 0"),
        (
            DepthwiseConv2D,
            {"kernel_size": 2, "depth_multiplier": 0},
            "depth_multiplier must be a positive integer, got 0",
        ),
        (
            DepthwiseConv1D,
            {"kernel_size": 2, "padding": "causal"},
            r"padding must be 'valid' or 'same', got 'causal', which bnn\.layers\.Conv1D has",
        ),
        (SeparableConv1D, {**SIZE, "padding": "causal"}, "got 'causal'"),
        (SeparableConv1D, {**SIZE, "depth_multiplier": -1}, "depth_multiplier must be a positive"),
        (Conv1DTranspose, {**SIZE, "padding": "causal"}, "got 'causal'"),
        (
            Conv2DTranspose,
            {**SIZE, "strides": 2, "output_padding": 2},
            r"output_padding must be None, or 2 ints from 0 to below strides=\(2, 2\), got 2",
        ),
        (Conv2DTranspose, {**SIZE, "output_padding": (0, 0, 0)}, r"got \(0, 0, 0\)"),
        (
            EinsumDense,
            {"equation": "ab,bc", "output_shape": 2},
            r"equation must be of the form 'ab,bc->ac', .*, got 'ab,bc'",
        ),
        (
            EinsumDense,
            {"equation": "ab,bc->ca", "output_shape": 2},
            r"examples first in inputs and outputs and not in the kernel, got 'ab,bc->ca'",
        ),
        (
            EinsumDense,
            {"equation": "ab,bc->ac", "output_shape": 2, "bias_axes": "b"},
            r"bias_axes must be labels of the outputs 'ac' in 'ab,bc->ac', got 'b'",
        ),
    ],
)
def test_unusable_arguments(kind, arguments, message):
    with pytest.raises(ValueError, match=message):
        kind(**arguments)


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (
            EinsumDense("abc,cd->abd", (None, 2), name="odd"),
            (None, 4),
            r"inputs of shape \(None, 4\) and output_shape=\(None, 2\) do not fit the equation",
        ),
        (
            EinsumDense("abc,cd->abd", (5, 2)),
            (None, 4, 3),
            r"output_shape must have size 4 or None at axis 'b', .*, got 5",
        ),
        (
            EinsumDense("abc,cd->abd", (None, None), name="odd"),
            (None, 4, 3),
            r"every axis of the kernel of layer 'odd' must be known, got sizes \(3, None\)",
        ),
        (
            EinsumDense("abc,ce->abd", (None, 2)),
            (None, 4, 3),
            r"every label of the equation must stand twice",
        ),
        (
            DepthwiseConv1D(2, name="odd"),
            (None, 4, None),
            r"number of input channels of layer 'odd' must be known, got inputs of shape",
        ),
        (DepthwiseConv2D(9), (None, 4, 4, 2), r"does not fit into inputs of shape"),
    ],
)
def test_unusable_inputs(layer, shape, message):
    with pytest.raises(ValueError, match=message):
        layer.build(shape)


def test_a_kernel_that_keras_rewrites_has_no_counterpart():
    config = keras.layers.Dense(3, lora_rank=2, name="adapted").get_config()
    counterpart = bnn.layers.COUNTERPARTS[keras.layers.Dense]
    with pytest.raises(ValueError, match=r"layer 'adapted' must not be .*, got lora_rank=2.*LoRA"):
        counterpart.config(config)


def test_layers_are_gin_configurable(clean_gin):
    gin.parse_config("bnn.layers.LSTM.units = 7")
    gin.parse_config("bnn.layers.LSTM.kernel_prior = @bnn.priors.Normal()")
    layer = gin.get_configurable("bnn.layers.LSTM")()
    assert layer.units == 7
    own = {"FilterResponseNormalization", "LoRA", "PositionEmbedding"}
    for name in {d.layer for d in FIRSTS.values()} | own:
        assert gin.get_configurable(f"bnn.layers.{name}") is not None
