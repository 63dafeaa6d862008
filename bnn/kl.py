"""The ledger: the KL of every site of a model, in nats."""

from __future__ import annotations

import dataclasses
from typing import Any

import keras
import tensorflow as tf

from bnn import distributions as tfd
from bnn.draw import Site
from bnn.layers import BayesianLayer
from bnn.noise import Noise
from bnn.posteriors import MeanFieldNormal
from bnn.priors import Normal

# The Monte-Carlo KL has streams of its own: it must not reuse the noise of the outputs.
_KL = 1


def sites(model: keras.layers.Layer) -> dict[str, Site]:
    """All sites of a model by name, shared layers once.

    A name is `"<number>_<class>/<site>"`, such as `"0_dense/kernel"`: the number counts the
    Bayesian layers in the model's order, and does not depend on Keras's automatic layer names,
    which change from process to process. Empty for a model without random tensors.

    Raises:
      ValueError: if a Bayesian layer is not built.
    """
    layers = _bayesian_layers(model, set())
    for layer in layers:
        if not layer.built:
            raise ValueError(
                f"layer {layer.name!r} of model {model.name!r} has no variables yet; call the "
                "model once, or give it a keras.Input."
            )
    return {
        f"{number}_{type(layer).__name__.lower()}/{site.name}": site
        for number, layer in enumerate(layers)
        for site in layer.sites
    }


def _bayesian_layers(layer: keras.layers.Layer, seen: set[int]) -> list[BayesianLayer]:
    """Depth first and in order: Keras's own recursion reverses the layers of a nested model."""
    if id(layer) in seen:
        return []
    seen.add(id(layer))
    found = [layer] if isinstance(layer, BayesianLayer) else []
    for child in layer._flatten_layers(include_self=False, recursive=False):
        found += _bayesian_layers(child, seen)
    return found


def ledger(
    model: keras.layers.Layer, *, seed: Any = 0, step: Any = 0, num_samples: int = 1
) -> dict[str, tf.Tensor]:
    """KL(q ‖ p) of every site: site name to nats, a scalar float32 tensor each.

    The sums are over all elements and never rescaled: an objective divides the total once, by the
    number of training examples. Closed form where TFP registers one for the pair of families;
    otherwise Monte Carlo with the exact entropy,

        KL ≈ −H[q] − (1/K) Σₖ ln p(wₖ),  wₖ ~ q by reparameterization,

    whose noise depends on (seed, step, site, k) only. A `Point` posterior counts −ln p(μ), see
    there. Nothing depends on batch size, the objective's samples or replicas.

    Args:
      model: a built Keras layer or model.
      seed: of the Monte-Carlo noise, int or integer tensor.
      step: training step, int or integer tensor.
      num_samples: K, for the sites without closed form.
    """
    if num_samples < 1:
        raise ValueError(f"num_samples must be at least 1, got {num_samples}.")
    return {
        name: site_kl(site, Noise(seed, step, site=number), num_samples)
        for number, (name, site) in enumerate(sites(model).items())
    }


def site_kl(site: Site, noise: Noise, num_samples: int = 1) -> tf.Tensor:
    """KL(q ‖ p) of one site in nats, scalar; see `ledger`."""
    return tf.add_n([tf.reduce_sum(term) for term in _terms(site, noise, num_samples)])


def elementwise_kl(site: Site, noise: Noise, num_samples: int = 1) -> tf.Tensor:
    """The share of every weight in its site's KL, nats, of the tensor's shape; see `ledger`.

    Raises:
      ValueError: for a posterior with dependent weights, whose KL has no such shares.
    """
    if not site.posterior.factorized:
        raise ValueError(
            f"posterior {type(site.posterior).__name__} must be factorized to share out its KL "
            "among the weights; use site_kl for the total."
        )
    shares = tf.add_n(_terms(site, noise, num_samples))
    return tf.broadcast_to(shares, site.posterior.shape)


def _terms(site: Site, noise: Noise, num_samples: int) -> list[tf.Tensor]:
    """Tensors whose sums add up to the KL; of one shape where the posterior is factorized."""
    if isinstance(site.posterior, MeanFieldNormal) and type(site.prior) is Normal:
        return [_normal_kl(site.posterior, site.prior)]
    prior = site.prior.distribution()
    if site.posterior.deterministic:
        return [-prior.log_prob(site.posterior.mean)]
    posterior = site.posterior.distribution()
    try:
        return [tfd.kl_divergence(posterior, prior)]
    except NotImplementedError:  # TFP's way to say that no closed form is registered
        pass
    samples = [dataclasses.replace(noise, sample=k, purpose=_KL) for k in range(num_samples)]
    log_prior = [prior.log_prob(site.posterior.sample(n)) for n in samples]
    return [-posterior.entropy(), -tf.add_n(log_prior) / num_samples]


def _normal_kl(posterior: MeanFieldNormal, prior: Normal) -> tf.Tensor:
    """½ [(σ/s)² + ((μ − m)/s)² − 1] − ln σ + ln s, element by element.

    TFP's formula with ln σ taken from the posterior, whose parameter it may be, and without the
    exponential of a logarithm: two passes less over the weights of every step.
    """
    scale = prior.current_scale()
    squares = tf.square(posterior.scale) + tf.square(posterior.mean - prior.loc)
    relative = tf.math.reciprocal(tf.square(scale)) * squares
    return 0.5 * (relative - 1.0) - posterior.log_scale + tf.math.log(scale)
