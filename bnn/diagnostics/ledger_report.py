"""What the ELBO of a trained model is made of, site by site, and what looks wrong with it."""

from __future__ import annotations

import dataclasses
import html
import math

import keras
import numpy as np

from bnn.divergences import MonteCarlo
from bnn.formatting import html_table, show_to
from bnn.ledger import elementwise_kl, site_kl
from bnn.noise import Noise
from bnn.sites import Site, sites

# A weight with less KL than this, in nats, has the prior as its posterior.
_AT_PRIOR = 0.01
_COLLAPSED_SHARE = 0.99
# A posterior this much narrower than the prior, or this sure of its sign, is a point in practice.
_POINT_SNR = 100.0
_MONTE_CARLO = MonteCarlo(32)


@dataclasses.dataclass(frozen=True)
class SiteReport:
    """One site of the ledger.

    Attributes:
      name: of the site.
      size: number of weights.
      kl: nats.
      bits_per_weight: KL / size / ln 2.
      share_at_prior: share of weights whose own KL is below 0.01 nats; of dependent weights, all
        or none.
      median_snr: median of |E[w]| / √Var[w]; infinite for a point mass, NaN where the family's
        variance is not known.
    """

    name: str
    size: int
    kl: float
    bits_per_weight: float
    share_at_prior: float
    median_snr: float


@dataclasses.dataclass(frozen=True)
class LedgerReport:
    """The ledger of a model.

    Attributes:
      sites: in the model's order.
      nll: nats per training example, or None.
      standardized: whether the NLL is a density of standardised targets, not of their own units.
      kl_per_example: total KL / number of training examples, nats.
      warnings: in plain words.
    """

    sites: tuple[SiteReport, ...]
    nll: float | None
    kl_per_example: float
    warnings: tuple[str, ...]
    standardized: bool = False

    def _repr_html_(self) -> str:
        """The table for notebooks, the warnings below it."""
        rows = [
            (
                s.name,
                f"{s.size:,}",
                *_shown(s),
            )
            for s in self.sites
        ]
        nll = "" if self.nll is None else f"NLL {show_to(self.nll, 4)}{_of(self.standardized)}, "
        kl = show_to(self.kl_per_example, 4)
        caption = f"Ledger: {nll}KL {kl} nats per training example"
        headings = ("site", "weights", "KL, nats", "bits per weight", "at the prior", "median SNR")
        warned = "".join(f"<p>Warning: {html.escape(text)}</p>" for text in self.warnings)
        return html_table(caption, headings, rows) + warned

    def __str__(self) -> str:
        """A Markdown table and the warnings."""
        lines = [
            "| site | weights | KL, nats | bits per weight | at the prior | median SNR |",
            "|---|---|---|---|---|---|",
        ]
        lines += [f"| {s.name} | {s.size} | {' | '.join(_shown(s))} |" for s in self.sites]
        nll = "unknown"
        if self.nll is not None:
            nll = f"{show_to(self.nll, 4)} nats{_of(self.standardized)}"
        lines.append("")
        kl = show_to(self.kl_per_example, 4)
        lines.append(f"Per training example: NLL {nll}, KL {kl} nats.")
        lines += [f"Warning: {warning}" for warning in self.warnings]
        return "\n".join(lines) + "\n"


def _shown(site: SiteReport) -> tuple[str, ...]:
    """KL, bits per weight, share at the prior and SNR; none is shown as zero but zero."""
    return (
        show_to(site.kl, 1),
        show_to(site.bits_per_weight, 3),
        f"{show_to(100 * site.share_at_prior, 1)} %",
        f"{site.median_snr:.3g}",
    )


def ledger_report(
    model: keras.Model,
    num_train: int,
    nll: float | None = None,
    seed: int = 0,
    *,
    standardized: bool = False,
) -> LedgerReport:
    """Reports KL, information and collapse of every site of a trained model.

    Args:
      model: built.
      num_train: number of training examples.
      nll: negative log-likelihood per training example in nats, for the balance with the KL.
      seed: of the Monte-Carlo KL, where there is no closed form.
      standardized: say with the NLL that it is one of standardised targets.

    Raises:
      ValueError: for num_train below 1.
    """
    if num_train < 1:
        raise ValueError(f"num_train must be at least 1, got {num_train}.")
    rows = tuple(
        _site_report(name, site, Noise(seed, site=number))
        for number, (name, site) in enumerate(sites(model).items())
    )
    per_example = sum(row.kl for row in rows) / num_train
    warnings = _warnings(rows, nll, per_example, _of(standardized))
    return LedgerReport(rows, nll, per_example, tuple(warnings), standardized)


def _of(standardized: bool) -> str:
    return " (standardised targets)" if standardized else ""


def _site_report(name: str, site: Site, noise: Noise) -> SiteReport:
    kl = float(site_kl(site, noise, _MONTE_CARLO))
    size = math.prod(site.posterior.shape)
    return SiteReport(
        name=name,
        size=size,
        kl=kl,
        bits_per_weight=kl / size / math.log(2),
        share_at_prior=_share_at_prior(site, noise, kl / size),
        median_snr=_median_snr(site),
    )


def _median_snr(site: Site) -> float:
    try:
        stddev = np.sqrt(site.posterior.variance.numpy())
    except NotImplementedError:  # TFP has no variance for this family
        return math.nan
    mean = np.abs(site.posterior.mean.numpy())
    snr = np.divide(mean, stddev, out=np.full(mean.shape, np.inf), where=stddev > 0)
    return float(np.median(snr))


def _share_at_prior(site: Site, noise: Noise, kl_per_weight: float) -> float:
    """Weights that carry no information; all or none where weights are dependent."""
    if site.posterior.deterministic:
        return 0.0
    if not site.posterior.factorized:
        return float(kl_per_weight < _AT_PRIOR)
    return float(np.mean(elementwise_kl(site, noise, _MONTE_CARLO).numpy() < _AT_PRIOR))


def _warnings(
    rows: tuple[SiteReport, ...], nll: float | None, kl: float, of_what: str
) -> list[str]:
    found = []
    for row in rows:
        if row.share_at_prior >= _COLLAPSED_SHARE:
            found.append(
                f"{row.name} has collapsed to the prior: {100 * row.share_at_prior:.1f} % of its "
                "weights carry no information. The layer is noise; try a warm-up of the KL, a "
                "narrower prior or fewer units."
            )
        if math.isfinite(row.median_snr) and row.median_snr > _POINT_SNR:
            found.append(
                f"{row.name} has collapsed to a point: its median signal-to-noise ratio is "
                f"{row.median_snr:.3g}. It is all but deterministic; train longer, start with a "
                "larger initial_scale, or raise the learning rate of the scales."
            )
    points = all(row.median_snr == math.inf for row in rows)  # −ln p(w), and no bound
    # Of densities an NLL below 0 says nothing of its size.
    if nll is not None and kl > nll > 0 and not points:
        found.append(
            f"the KL dominates: {kl:.3g} nats per example beside an NLL of {nll:.3g}{of_what}. "
            "The bound is mostly the price of the weights. Train for longer while the KL still "
            "falls; then more data, a fitting prior or a smaller network help."
        )
    return found
