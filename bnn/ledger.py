"""The ledger: the KL of every site of a model, in nats."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

from bnn.divergences import KLChoice, KLEstimate, MonteCarlo, estimate_at, kl_terms
from bnn.formatting import html_table, show
from bnn.noise import Noise, as_noise
from bnn.sites import Site, sites

_RECORDS = threading.local()


class Ledger(dict[str, tf.Tensor]):
    """Site name to KL in nats, a dict in all respects, which says its numbers where they are known.

    In a compiled function, where they are not, it is shown as any other dict.
    """

    def _numbers(self) -> dict[str, float] | None:
        if not all(hasattr(kl, "numpy") for kl in self.values()):
            return None
        return {name: float(kl) for name, kl in self.items()}

    def __repr__(self) -> str:
        """A line for the sum and one for every site."""
        numbers = self._numbers()
        if numbers is None:
            return super().__repr__()
        lines = [f"  {name}: {show(kl)}" for name, kl in numbers.items()]
        return "\n".join([f"Ledger, {show(sum(numbers.values()))} nats in all:", *lines])

    def _repr_html_(self) -> str | None:
        """The table for notebooks; None, which has them take the text, in a compiled function."""
        numbers = self._numbers()
        if numbers is None:
            return None
        total = sum(numbers.values())
        rows = [
            (name, show(kl), f"{kl / total:.1%}" if total > 0 else "–")
            for name, kl in numbers.items()
        ]
        caption = f"KL(q ‖ p), {show(total)} nats in all"
        return html_table(caption, ("site", "KL, nats", "share"), rows)


def ledger(
    model: keras.layers.Layer,
    *,
    noise: Noise | None = None,
    seed: Any = None,
    step: Any = None,
    kl: KLChoice = None,
) -> dict[str, tf.Tensor]:
    """KL(q ‖ p) of every site: site name to nats, a scalar float32 tensor each.

    The sums are over all elements and never rescaled: an objective divides the total once, by the
    number of training examples. Closed form where one is registered for the pair of families, here
    or in TFP; otherwise as `kl` says, with noise of (seed, step, site) only. A `Point` posterior
    counts −ln p(μ), see there. Nothing depends on batch size, the objective's samples or replicas.

    Args:
      model: a built Keras layer or model.
      noise: of a Monte-Carlo KL; or else
      seed: of it, 0 where None, and
      step: of the training, 0 where None.
      kl: how the KL without closed form is estimated, or patterns of site names to that, such as
        `{"*/kernel": bnn.divergences.Quadrature()}`; one antithetic pair where None.
    """
    if noise is None:
        noise = as_noise(0 if seed is None else seed, step=step)
    else:
        noise = as_noise(noise, seed=seed, step=step)
    noise = noise.at(sample=0, replica=0)  # replicas that average the KL have the same one
    return Ledger(
        {
            name: site_kl(site, noise.at(site=number), estimate_at(kl, name))
            for number, (name, site) in enumerate(sites(model).items())
        }
    )


def site_kl(site: Site, noise: Noise, estimate: KLEstimate | None = None) -> tf.Tensor:
    """KL(q ‖ p) of one site in nats, scalar; see `ledger`."""
    kl = tf.add_n([tf.reduce_sum(term) for term in _terms(site, noise, estimate)])
    return record(site, kl)


def record(site: Site, kl: tf.Tensor) -> tf.Tensor:
    """The KL, which is taken down where somebody asks for it (`recorded`)."""
    for entries in getattr(_RECORDS, "lists", ()):
        entries.append((site, kl))
    return kl


@contextlib.contextmanager
def recorded() -> Iterator[list[tuple[Site, tf.Tensor]]]:
    """Every KL, and every log q(w) − log p(w), that this thread is given of a site in the context.

    They are the tensors that were handed out: the gradient of a loss with respect to them is the
    factor that it counts them with.
    """
    entries: list[tuple[Site, tf.Tensor]] = []
    _RECORDS.lists = [*getattr(_RECORDS, "lists", ()), entries]
    try:
        yield entries
    finally:
        _RECORDS.lists = [other for other in _RECORDS.lists if other is not entries]


def elementwise_kl(site: Site, noise: Noise, estimate: KLEstimate | None = None) -> tf.Tensor:
    """The share of every weight in its site's KL, nats, of the tensor's shape; see `ledger`.

    Raises:
      ValueError: for a posterior with dependent weights, whose KL has no such shares.
    """
    if not site.posterior.factorized:
        raise ValueError(
            f"posterior {type(site.posterior).__name__} must be factorized to share out its KL "
            "among the weights; use site_kl for the total."
        )
    shares = tf.add_n(_terms(site, noise, estimate))
    return tf.broadcast_to(shares, site.posterior.shape)


def _terms(site: Site, noise: Noise, estimate: KLEstimate | None) -> list[tf.Tensor]:
    return kl_terms(site.posterior, site.prior, noise, estimate or MonteCarlo())
