"""Kronecker factors of weights that positions share: NumPy, and where they are exact."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from bnn.layers import Conv1D, Conv2D, Conv2DTranspose, Dense, DepthwiseConv2D
from bnn.likelihoods import Categorical
from bnn.methods import Laplace
from bnn.methods.curvature import STRUCTURES, Kronecker, Weights
from bnn.methods.curvature.taps import windows
from bnn.posteriors import Point

SLOW = pytest.mark.slow
DELTA = 0.5
POINTS = {"kernel_posterior": Point(), "bias_posterior": Point()}


class EveryPosition(Kronecker):
    """G without the mean over positions."""

    def gather(self, model, likelihood, inputs, share):
        found = super().gather(model, likelihood, inputs, share)
        return [(left, 6 * right) for left, right in found[:1]] + found[1:]


class Small:
    """x `[5, 4, 3, 2]` → tanh(conv 2×2) `[3, 2, 3]` → V, `[5, 3]`, in NumPy with loops."""

    def __init__(self, examples=5):
        rng = np.random.default_rng(2)
        self.x = rng.normal(size=(examples, 4, 3, 2)).astype(np.float32)
        self.y = rng.integers(0, 3, examples)
        shapes = ((2, 2, 2, 3), (3,), (18, 3), (3,))
        self.arrays = [0.6 * rng.normal(size=shape).astype(np.float32) for shape in shapes]
        self.model = keras.Sequential(
            [
                keras.Input((4, 3, 2)),
                Conv2D(3, 2, activation="tanh", **POINTS),
                keras.layers.Flatten(),
                Dense(3, **POINTS),
            ]
        )
        for variable, array in zip(self.model.trainable_variables, self.arrays, strict=True):
            variable.assign(array)
        self._forward()

    def _forward(self):
        kernel, bias, last, offset = (a.astype(float) for a in self.arrays)
        places = [(i, j) for i in range(3) for j in range(2)]
        # Windows [N, T, 8], outputs [N, T, 3].
        self.windows = np.stack(
            [self.x[:, i : i + 2, j : j + 2].reshape(len(self.x), -1) for i, j in places], axis=1
        ).astype(float)
        hidden = np.tanh(self.windows @ kernel.reshape(8, 3) + bias)
        flat = hidden.reshape(len(self.x), -1)
        self.logits = flat @ last + offset
        p = np.exp(self.logits)
        p /= p.sum(1, keepdims=True)
        self.curvature = np.stack([np.diag(q) - np.outer(q, q) for q in p])
        # ∂ logit_c / ∂ what comes before tanh, [N, T, 3, C].
        self.slopes = (1 - hidden**2)[..., None] * last.reshape(6, 3, 3)
        number = len(self.x)
        kernel_part = np.einsum("nti,ntoc->ncio", self.windows, self.slopes)
        self.jacobian = np.concatenate(
            [
                kernel_part.reshape(number, 3, -1),
                self.slopes.sum(1).transpose(0, 2, 1),
                np.einsum("ni,co->ncio", flat, np.eye(3)).reshape(number, 3, -1),
                np.broadcast_to(np.eye(3), (number, 3, 3)),
            ],
            axis=2,
        )
        self.flat = flat

    def kronecker(self):
        """The block-diagonal curvature, `[P, P]`."""
        number = len(self.x)
        left = np.einsum("nti,ntj->ij", self.windows, self.windows)
        right = np.einsum("ntoc,ncd,ntud->ou", self.slopes, self.curvature, self.slopes) / 6
        summed = self.slopes.sum(1)
        blocks = [
            np.kron(left, right) / number,
            np.einsum("noc,ncd,nud->ou", summed, self.curvature, summed),
            np.kron(self.flat.T @ self.flat, self.curvature.sum(0)) / number,
            self.curvature.sum(0),
        ]
        whole = np.zeros([sum(map(len, blocks))] * 2)
        place = 0
        for block in blocks:
            part = slice(place, place + len(block))
            whole[part, part], place = block, part.stop
        return whole

    def spread(self):
        """Covariances of the outputs, `[N, C, C]`."""
        precision = self.kronecker() + DELTA * np.eye(self.jacobian.shape[2])
        inverse = np.linalg.inv(precision)
        return np.einsum("ncp,pq,ndq->ncd", self.jacobian, inverse, self.jacobian)


def fit(model, x, y, structure="kfac", **options):
    laplace = Laplace(structure, prior_precision=DELTA, **options)
    return laplace.fit(model, Categorical(), (x, y), batch_size=3, jit_compile=False)


def test_factors_are_those_of_numpy():
    small = Small()
    found = fit(small.model, small.x, small.y).output_moments(small.x)[1]
    np.testing.assert_allclose(found, small.spread(), rtol=3e-4, atol=1e-5)


def test_positions_that_are_not_averaged_are_seen(monkeypatch):
    monkeypatch.setitem(STRUCTURES, "kfac", EveryPosition)
    small = Small()
    found = fit(small.model, small.x, small.y).output_moments(small.x)[1]
    assert np.abs(found / small.spread() - 1).max() > 0.1


def exact(shape, *layers):
    """KFAC and the full curvature of the first kernel, of one example."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(1, *shape)).astype(np.float32)
    model = keras.Sequential([keras.Input(shape), *layers, keras.layers.Flatten(), last()])
    options = {"where": "0_*/kernel"}
    y = np.array([1])
    found = [fit(model, x, y, structure, **options) for structure in ("kfac", "full")]
    return [(laplace, laplace.output_moments(x)[1].numpy()) for laplace in found]


def last():
    return Dense(3, **POINTS)


def test_one_window_of_one_example_is_exact():
    """H = a aᵀ ⊗ Σ_k g gᵀ where there is one position and one example."""
    (kfac, ours), (full, known) = exact((2, 3, 2), Conv2D(4, (2, 3), activation="tanh", **POINTS))
    np.testing.assert_allclose(ours, known, rtol=1e-4, atol=1e-6)
    values = [float(laplace.log_marginal_likelihood()) for laplace in (kfac, full)]
    assert values[0] == pytest.approx(values[1], abs=1e-4)


@SLOW
def test_two_positions_of_one_example_are_not():
    """What the approximation leaves out is there to be seen: the test above can fail."""
    (_, ours), (_, known) = exact((3, 3, 2), Conv2D(4, (2, 3), activation="tanh", **POINTS))
    assert np.abs(ours - known).max() > 0.01 * np.abs(known).max()


def pair(shape, first, second, reshape):
    """Curvatures of a layer and of its like, with the same weights."""
    rng = np.random.default_rng(4)
    x = rng.normal(size=(6, *shape)).astype(np.float32)
    y = rng.integers(0, 3, 6)
    models = []
    for layer, view in ((first, shape), (second, reshape)):
        layers = [keras.layers.Reshape(view), layer, keras.layers.Flatten(), last()]
        models.append(keras.Sequential([keras.Input(shape), *layers]))
    for mine, other in zip(
        models[1].trainable_variables, models[0].trainable_variables, strict=True
    ):
        mine.assign(tf.reshape(other, mine.shape))
    return [fit(model, x, y).output_moments(x)[1].numpy() for model in models]


def test_a_window_of_one_position_is_a_dense_layer():
    dense = Dense(4, "tanh", **POINTS)
    ours, known = pair((3,), dense, Conv2D(4, 1, activation="tanh", **POINTS), (1, 1, 3))
    np.testing.assert_allclose(ours, known, rtol=1e-5, atol=1e-6)


@SLOW
def test_a_dense_layer_that_positions_share_is_a_convolution_of_one():
    dense = Dense(4, "tanh", **POINTS)
    ours, known = pair((5, 3), dense, Conv1D(4, 1, activation="tanh", **POINTS), (5, 3))
    np.testing.assert_allclose(ours, known, rtol=1e-5, atol=1e-6)


WINDOWS = {
    "valid": (Conv2D, (2, 5, 4, 3), {"kernel_size": (2, 3)}),
    "same, strides": (Conv2D, (2, 5, 4, 3), {"kernel_size": 3, "padding": "same", "strides": 2}),
    "dilation": (Conv2D, (2, 7, 6, 2), {"kernel_size": (2, 3), "dilation_rate": 2}),
    "causal": (Conv1D, (2, 6, 3), {"kernel_size": 3, "padding": "causal", "dilation_rate": 2}),
}


@pytest.mark.parametrize(("kind", "shape", "options"), WINDOWS.values(), ids=WINDOWS)
def test_windows_are_what_a_convolution_multiplies(kind, shape, options):
    """y_t = a_tᵀ w for random w, which leaves no other windows."""
    layer = kind(4, use_bias=False, kernel_posterior=Point(), **options)
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    y = layer(x).numpy().reshape(2, -1, 4)
    [tensor] = Weights(keras.Sequential([keras.Input(shape[1:]), layer])).tensors
    rows = windows(layer.kernel.operator, tensor, tf.constant(x)).numpy()
    kernel = layer.kernel_loc.numpy().reshape(-1, 4)
    np.testing.assert_allclose(rows @ kernel, y, rtol=1e-4, atol=1e-5)


REFUSED = {
    "groups": (Conv2D(4, 2, groups=2, **POINTS), "is of a convolution in 2 groups"),
    "transpose": (Conv2DTranspose(4, 2, **POINTS), "is of a map of the kind ConvolutionTranspose"),
    "depthwise": (
        DepthwiseConv2D(2, depthwise_posterior=Point(), bias_posterior=Point()),
        "is of a map of the kind DepthwiseConvolution",
    ),
}


@pytest.mark.parametrize(("layer", "message"), REFUSED.values(), ids=REFUSED)
def test_maps_without_factors_are_refused(layer, message):
    x, y = np.ones((2, 3, 3, 2), np.float32), np.zeros(2, int)
    model = keras.Sequential([keras.Input((3, 3, 2)), layer, keras.layers.Flatten(), last()])
    with pytest.raises(ValueError, match=f'{message}; .*structure="low_rank", "diagonal" or'):
        fit(model, x, y)


def test_factors_that_do_not_fit_are_refused_by_number(monkeypatch):
    monkeypatch.setattr("bnn.methods.curvature.kronecker.MOST", 400)
    small = Small()
    with pytest.raises(ValueError, match=r"the largest of 1_dense/kernel with sides \(18, 3\)"):
        fit(small.model, small.x, small.y)
