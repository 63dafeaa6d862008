"""Weight samples and their noise gone wrong."""

import dataclasses
import itertools

import numpy as np
import tensorflow as tf
from planted import Defect, estimator_defect

from bnn import estimators as e
from bnn import layers
from bnn.estimators import Realisation
from bnn.noise import coordinates, transforms


def sampled(weights):
    """Weights that are sampled at every call, and said to be those of one realisation."""

    def realise(operator, posterior, noise, like):
        return Realisation(lambda inputs: operator(inputs, weights(posterior, noise)))

    return realise


CALLS = itertools.count()


def redrawn(posterior, noise):
    return posterior.sample(dataclasses.replace(noise, seed=next(CALLS)))


def at_step_zero(posterior, noise):
    return posterior.sample(dataclasses.replace(noise, step=0))


def at_sample_zero(posterior, noise):
    return posterior.sample(dataclasses.replace(noise, sample=0))


def at_site_zero(posterior, noise):
    return posterior.sample(dataclasses.replace(noise, site=0))


def from_numpy(posterior, noise):
    epsilon = np.random.default_rng(0).normal(size=posterior.shape).astype(np.float32)
    return posterior.mean + posterior.scale * epsilon


def auto_algorithm(posterior, noise):
    key = tf.stack([tf.cast(noise.seed, tf.int32), noise.step + 100 * noise.sample])
    epsilon = tf.random.stateless_normal(posterior.shape, key, alg="auto_select")
    return posterior.mean + posterior.scale * epsilon


def uniform_noise(posterior, noise):
    return posterior.mean + posterior.scale * np.sqrt(12.0) * (noise.uniform(posterior.shape) - 0.5)


def one_number(posterior, noise):
    return posterior.mean + posterior.scale * noise.normal([1] * len(posterior.shape))


def slowly_varying(posterior, noise):
    """Every other step repeats the one before."""
    return posterior.sample(dataclasses.replace(noise, step=noise.step // 2))


SAMPLES = [
    estimator_defect(name, caught_by, check, e.Reparameterization, sampled(weights), **arguments)
    for name, caught_by, check, weights, arguments in [
        ("redraw at every call", "a draw repeats its weights", "draws", redrawn, {}),
        ("noise ignores the step", "noise depends on the coordinates", "draws", at_step_zero, {}),
        (
            "noise ignores the sample",
            "noise depends on the coordinates",
            "draws",
            at_sample_zero,
            {},
        ),
        ("noise from NumPy", "noise depends on the coordinates", "draws", from_numpy, {}),
        ("steps share noise", "steps uncorrelated", "moments", slowly_varying, {}),
        (
            "kernel and bias share noise",
            "output variance",
            "moments",
            at_site_zero,
            {"layer": layers.Dense(2)},
        ),
        (
            "another generator under XLA",
            "same numbers eagerly and in XLA",
            "modes",
            auto_algorithm,
            {},
        ),
        ("noise is uniform", "output law", "moments", uniform_noise, {}),
        ("one random number for all weights", "output variance", "moments", one_number, {}),
        (
            "sample without gradient",
            "gradient kernel_unconstrained_scale",
            "gradients",
            lambda posterior, noise: tf.stop_gradient(posterior.sample(noise)),
            {},
        ),
        (
            "scale without gradient",
            "gradient kernel_unconstrained_scale",
            "gradients",
            lambda p, noise: p.mean + tf.stop_gradient(p.perturbation(noise)),
            {},
        ),
    ]
]


def float_range(words):
    """A float in place of every sign: each word times 32 odd numbers, uniform again."""
    odd = 2 * np.random.default_rng(0).integers(0, 2**31, 32) + 1
    return 4 * transforms.uniform(words[..., tf.newaxis] * odd.astype(np.uint32)) - 1


NOISE = [
    Defect(
        "generator's signs uniform on [-1, 3)",
        "output variance",
        "moments",
        e.Flipout,
        patch=(coordinates, "signs", float_range),
    ),
    Defect(
        "generator's normal numbers of half the variance",
        "output variance",
        "moments",
        e.Reparameterization,
        patch=(
            coordinates,
            "standard_normal",
            lambda bits: 0.7071 * transforms.standard_normal(bits),
        ),
    ),
]
