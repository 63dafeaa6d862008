"""Log-densities of realised weights under posterior and prior, site by site."""

from __future__ import annotations

import keras
import tensorflow as tf

from bnn.draw import Draw
from bnn.ledger import record
from bnn.sites import Site, sites


def log_ratios(model: keras.Model, draw: Draw, *, path_only: bool = False) -> dict[str, tf.Tensor]:
    """The ratios log q(w) − log p(w) of a draw's realised weights by site name, scalars in nats.

    Its expectation under q is the KL. A `Point` posterior counts −log p(μ), as in the ledger.

    Args:
      model: built, the one called in the draw.
      draw: realises one weight tensor per site (`Reparameterization`, `ScoreFunction`).
      path_only: let log q's gradient in q's parameters flow through w alone: the part that holds w
        fixed is the score, whose expectation is 0 (Roeder, Wu, Duvenaud 2017).
    """
    weights = draw.weights
    ratios = {}
    for name, site in sites(model).items():
        if site not in weights:
            raise ValueError(
                f"site {name!r} was not used in the draw; call the whole model in the draw."
            )
        log_prior = tf.reduce_sum(site.prior.log_prob(weights[site]))
        ratio = _log_posterior(site, weights[site], path_only) - log_prior
        ratios[name] = record(site, ratio)
    return ratios


def _log_posterior(site: Site, weights: tf.Tensor, path_only: bool) -> tf.Tensor:
    if site.posterior.deterministic:
        return tf.constant(0.0)
    log_posterior = site.posterior.log_prob(weights)
    if not path_only:
        return log_posterior
    direct = site.posterior.log_prob(tf.stop_gradient(weights))
    return log_posterior - (direct - tf.stop_gradient(direct))


def require_pathwise(draw: Draw, purpose: str) -> None:
    """Raises ValueError unless every random site's estimator is pathwise."""
    for site in draw.weights:
        estimator = draw.estimator.at(site.labels)
        if not (estimator.pathwise or site.posterior.deterministic):
            raise ValueError(
                f"{purpose} needs gradients through the weights, but the estimator at site "
                f"{site.label!r} is {type(estimator).__name__}; use Reparameterization."
            )
