"""What the closed forms presuppose of layer, operator and posterior."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from bnn.diagnostics.linear_gaussian import LinearGaussian, SiteMap
from bnn.diagnostics.report import Row, exact_row, skipped_row
from bnn.diagnostics.subject import Subject

_TOLERANCE = 1e-4


def structure_rows(subject: Subject, exact: LinearGaussian) -> list[Row]:
    """The layer is the sum of its sites; operators are linear; posteriors are what they declare.

    Args:
      subject: under test.
      exact: its closed forms.
    """
    outputs = tf.reshape(subject.model(subject.inputs), [-1]).numpy()
    rows = [_compare("layer is the sum of its sites", outputs, exact.mean().numpy())]
    for site_map in exact.maps:
        rows += _operator_rows(subject, site_map) + _posterior_rows(site_map)
    return rows


def _operator_rows(subject: Subject, site_map: SiteMap) -> list[Row]:
    """op(x, w) = J w for any w, and Var = J² V for independent weights of variance V."""
    site = site_map.site
    rng = np.random.default_rng(7)
    inputs = subject.inputs
    weights = rng.normal(size=site.posterior.shape).astype(np.float32)
    variances = np.square(rng.normal(size=site.posterior.shape)).astype(np.float32)
    applied = {
        "operator linear in the weights": (
            site.operator(inputs, weights),
            site_map.jacobian,
            weights,
        ),
        "operator variance": (
            site.operator.variance(inputs, variances),
            site_map.jacobian**2,
            variances,
        ),
    }
    return [
        _compare(f"{name}, {site.name}", np.ravel(got), matrix @ w.ravel())
        for name, (got, matrix, w) in applied.items()
    ]


def _posterior_rows(site_map: SiteMap) -> list[Row]:
    """Mean of the distribution; symmetry where it is declared."""
    posterior, name = site_map.site.posterior, site_map.site.name
    try:
        distribution = posterior.distribution()
    except NotImplementedError as error:
        return [skipped_row(f"posterior mean, {name}", str(error))]
    mean = posterior.mean
    rows = [_compare(f"posterior mean, {name}", np.ravel(distribution.mean()), np.ravel(mean))]
    label = f"posterior symmetry, {name}"
    if posterior.deterministic or not (posterior.symmetric and posterior.factorized):
        return [*rows, skipped_row(label, "not declared")]
    step = distribution.stddev() * np.random.default_rng(8).normal(size=posterior.shape)
    sides = [np.ravel(distribution.log_prob(mean + s * step)) for s in (1.0, -1.0)]
    return [*rows, _compare(label, *sides)]


def _compare(name: str, got: np.ndarray, expected: np.ndarray) -> Row:
    size = np.abs(expected).max() + 1e-6
    return exact_row(name, np.abs(got - expected).max() / size, _TOLERANCE)
