"""Problems on which a Laplace approximation is known, and its defects."""

import keras
import numpy as np

from bnn.data import ResidentBatches
from bnn.diagnostics import ConjugateRegression
from bnn.layers import Dense
from bnn.likelihoods import Categorical, Normal
from bnn.methods import Laplace
from bnn.methods.curvature import STRUCTURES, Full
from bnn.posteriors import Point

OPTIONS = {"batch_size": 7, "jit_compile": False}


def conjugate(noise_scale=2.0, trainable=False, **options):
    """The conjugate regression, its model at the exact mode, and its likelihood."""
    regression = ConjugateRegression(noise_scale=noise_scale, **options)
    model = regression.model(Point())
    model.layers[0].kernel_loc.assign(regression.exact().mean[:, None])
    likelihood = Normal(noise_scale, trainable=trainable)
    likelihood.build(1)
    return regression, model, likelihood


def fitted(regression, model, likelihood, laplace):
    return laplace.fit(model, likelihood, (regression.inputs, regression.targets), **OPTIONS)


def covariance(laplace, num_weights=3):
    """Of the weights of a linear model: J at the unit vectors is the identity."""
    inputs = np.eye(num_weights, dtype=np.float32)
    basis = np.concatenate([inputs, [inputs[0] + inputs[1]]])
    found = laplace.output_moments(basis)[1].numpy()[:, 0, 0]
    return found[:num_weights], (found[num_weights] - found[0] - found[1]) / 2


class PerExample(Full):
    """Without N: the curvature is that of one example."""

    def prepare(self, total, num_train):
        return total / num_train


class Twice(Full):
    """The prior counts twice."""

    def settle(self, curvature, precision, factor):
        super().settle(curvature, 2 * precision, factor)


def with_structure(kind, monkeypatch):
    monkeypatch.setitem(STRUCTURES, "full", kind)
    return Laplace("full")


class Network:
    """x `[9, 2]` → tanh(x W + b) V + c, `[9, 3]`, in NumPy: Jacobians by hand, float64."""

    def __init__(self):
        rng = np.random.default_rng(5)
        self.x = rng.normal(size=(9, 2)).astype(np.float32)
        self.y = rng.integers(0, 3, 9)
        self.arrays = [0.7 * rng.normal(size=s) for s in ((2, 4), (4,), (4, 3), (3,))]
        layers = [Dense(n, a, kernel_posterior=Point(), bias_posterior=Point())
                  for n, a in ((4, "tanh"), (3, None))]  # fmt: skip
        self.model = keras.Sequential([keras.Input((2,)), *layers])
        for variable, array in zip(self.model.trainable_variables, self.arrays, strict=True):
            variable.assign(array)
        self.likelihood = Categorical()
        w, b, v, c = self.arrays
        self.hidden = np.tanh(self.x @ w + b)
        self.logits = self.hidden @ v + c
        p = np.exp(self.logits)
        self.p = p / p.sum(1, keepdims=True)
        # ∂ logit_c / ∂ pre-activation of each layer, [N, C, units].
        self.first = v.T[None] * (1 - self.hidden**2)[:, None, :]
        self.second = np.broadcast_to(np.eye(3), (9, 3, 3))
        self.blocks = [(self.x, self.first), (self.hidden, self.second)]

    def jacobian(self):
        """`[N, C, P]` in the order of the variables."""
        parts = []
        for inputs, slopes in self.blocks:
            kernel = np.einsum("ni,nco->ncio", inputs, slopes).reshape(9, 3, -1)
            parts += [kernel, slopes]
        return np.concatenate(parts, axis=2)

    def curvature(self):
        """Λ `[N, C, C]`."""
        return np.stack([np.diag(p) - np.outer(p, p) for p in self.p])

    def ggn(self):
        jacobian = self.jacobian()
        return np.einsum("ncp,ncd,ndq->pq", jacobian, self.curvature(), jacobian)

    def kronecker(self):
        """The block-diagonal matrix of A ⊗ G / N and G, `[P, P]`."""
        blocks = []
        for inputs, slopes in self.blocks:
            left = inputs.T @ inputs
            right = np.einsum("nco,ncd,ndu->ou", slopes, self.curvature(), slopes)
            blocks += [np.kron(left, right) / 9, right]
        whole = np.zeros([sum(map(len, blocks))] * 2)
        place = 0
        for block in blocks:
            part = slice(place, place + len(block))
            whole[part, part], place = block, part.stop
        return whole

    def fit(self, laplace, **options):
        return laplace.fit(self.model, self.likelihood, (self.x, self.y), **{**OPTIONS, **options})

    def batches(self, batch_size):
        return ResidentBatches(self.x, self.y, batch_size=batch_size, seed=0)
