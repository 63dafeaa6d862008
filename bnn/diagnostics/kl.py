"""The ledger against exact KLs, and what it must not depend on."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from bnn.diagnostics.linear_gaussian import LinearGaussian
from bnn.diagnostics.report import Row, exact_row, skipped_row
from bnn.diagnostics.sampled_kl import SampledKL
from bnn.diagnostics.simulation import Outcome
from bnn.diagnostics.statistic import Statistic
from bnn.diagnostics.subject import Subject
from bnn.ledger import ledger

# Float32 sums in another order, as a share of KL + N.
_TOLERANCE = 1e-4

_NO_DENSITY = "no density: the ledger counts what the family says"
_IMPRECISE = "nearly singular: float32 weights do not determine log q; take a larger initial scale"


class KLMoments:
    """Mean KL of the objective and of every site; Monte-Carlo noise apart from the outputs'.

    A site without an exact KL is compared with draws of its density, where it has one.

    Args:
      exact: closed forms at the current parameters.
      jit_compile: whether draws of densities run under XLA.
    """

    def __init__(self, exact: LinearGaussian, jit_compile: bool = True) -> None:
        known = exact.kl()
        unknown = {i: m.site for i, m in enumerate(exact.maps) if known[i] is None}
        sampled = {
            number: SampledKL(site, number, jit_compile)
            for number, site in unknown.items()
            if site.posterior.has_density
        }
        self._sampled = {number: one for number, one in sampled.items() if one.precise}
        self._skipped = [
            skipped_row(f"KL {site.name}", _IMPRECISE if number in sampled else _NO_DENSITY)
            for number, site in unknown.items()
            if number not in self._sampled
        ]
        self._sites = [
            (number, Statistic(f"KL {m.site.name}", kl.numpy(), abs(float(kl)) + 1.0))
            for number, (m, kl) in enumerate(zip(exact.maps, known, strict=True))
            if kl is not None
        ]
        self._total: Statistic | None = None
        if not unknown:
            total = float(sum(float(kl) for kl in known if kl is not None))
            self._total = Statistic("KL of the objective", np.array(total), abs(total) + 1.0)
        self._mean = exact.mean().numpy()
        self._noise = Statistic("KL noise independent of the outputs", np.zeros(2), 1.0)

    @property
    def statistics(self) -> list[Statistic]:
        """All rows that chance enters."""
        total = [self._total] if self._total else []
        sites = [statistic for _, statistic in self._sites]
        return [*total, *sites, *(s.statistic for s in self._sampled.values()), self._noise]

    def add(self, outcome: Outcome) -> None:
        """Takes in a chunk of draws."""
        for number, statistic in self._sites:
            statistic.add(outcome.terms.kl_by_site[:, number])
        for number, sampled in self._sampled.items():
            sampled.add(outcome.terms.kl_by_site[:, number])
        if self._total:
            self._total.add(outcome.terms.kl)
        kl = _standardized(outcome.terms.kl_by_site.sum(axis=1))
        z = outcome.outputs.reshape(len(kl), -1) - self._mean
        features = np.stack([_standardized(z.sum(1)), _standardized((z**2).sum(1))], axis=1)
        self._noise.add(kl[:, np.newaxis] * features)

    def rows(self) -> list[Row]:
        """The sites whose KL is neither exact nor held against a density."""
        return self._skipped


def _standardized(x: np.ndarray) -> np.ndarray:
    """Zero mean, unit variance; zeros where x varies by rounding only, as a closed-form KL."""
    x = x.astype(np.float64)
    spread = x.std()
    if spread <= 1e-5 * np.abs(x).max():
        return np.zeros_like(x)
    return (x - x.mean()) / spread


def ledger_rows(subject: Subject) -> list[Row]:
    """The KL in the loss does not change with batch size, retracing or number of samples.

    The last is exact where the objective's KL is the ledger's; where it is estimated from the
    outputs' own samples, as in sticking the landing, only its expectation is the same.

    Args:
      subject: under test.
    """
    function = tf.function(lambda x, y: _kl_in_loss(subject, x, y), autograph=False)
    x, y = subject.inputs, subject.targets
    whole, one = (  # another shape: a second trace
        float(function.get_concrete_function(*batch)(*batch)) for batch in ((x, y), (x[:1], y[:1]))
    )
    eager = float(_kl_in_loss(subject, x, y))
    kl = tf.add_n(list(ledger(subject.model, seed=1, step=2).values()))
    size = abs(float(kl)) + float(subject.num_train)
    rows = [
        exact_row("KL invariant to batch size and retracing", (one - whole) / size, _TOLERANCE),
        exact_row("KL the same in a graph and eagerly", (eager - whole) / size, _TOLERANCE),
    ]
    again = ledger(subject.model, seed=1, step=2)
    rows.append(exact_row("ledger replays", float(tf.add_n(list(again.values())) - kl), 0.0))
    label = "KL invariant to the number of samples"
    if abs(eager - float(kl)) > _TOLERANCE * size:
        return [*rows, skipped_row(label, "the objective's KL is not the ledger's")]
    twice = subject.with_samples(2 * subject.num_samples)
    more = float(_kl_in_loss(twice, x, y))
    return [*rows, exact_row(label, (more - eager) / size, _TOLERANCE)]


def _kl_in_loss(subject: Subject, inputs: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    """(loss − nll − penalties) · N."""
    terms = subject.objective(
        subject.model, inputs, targets, estimator=subject.estimator, seed=1, step=2
    )
    return (terms.loss - terms.nll - terms.regularization) * subject.num_train
