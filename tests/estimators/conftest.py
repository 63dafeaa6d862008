"""Posteriors that the tests of the estimators share."""

import keras
import numpy as np
import pytest

from bnn.posteriors import MeanFieldNormal


@pytest.fixture
def posterior():
    """posterior(shape, scale=0.3): a built factorised normal, every element its own μ and σ."""

    def make(shape, scale=0.3, kind=MeanFieldNormal):
        rng = np.random.default_rng(3)
        built = kind(scale)
        built.build(keras.layers.Layer(), "kernel", shape, "zeros")
        built._loc.assign(rng.normal(size=shape))
        built._unconstrained_scale.assign_add(0.5 * rng.normal(size=shape))
        return built

    return make


class Skewed(MeanFieldNormal):
    """Declares a skewed, dependent family."""

    factorized = symmetric = normal = False


class Laplacian(MeanFieldNormal):
    """Declares independent, symmetric elements that are not normal."""

    normal = False


@pytest.fixture
def skewed(posterior):
    return posterior((3, 2), kind=Skewed)


@pytest.fixture
def laplacian(posterior):
    return posterior((3, 2), kind=Laplacian)
