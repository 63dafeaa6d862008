"""The contract that every estimator, layer and posterior must pass.

The layer is copied without its activation, regularizers and constraints, given pseudo-random
inputs, targets and parameters, and put under a Gaussian likelihood, where everything is closed
form (`bnn.diagnostics.linear_gaussian`). The groups of checks are

* `structure`: the layer is the sum of its sites, operators are bilinear, `operator.variance`
  and the posterior's flags are right;
* `moments`: z-scores over many steps of mean, variance and law of the outputs, and of their
  covariance across channels, positions and examples as the estimator declares it
  (`couples_examples`, `couples_positions`); that the draws in bulk are draws;
* `gradients`: z-scores of the objective's value, of its gradient in every variable and of the
  KL of every site; draw by draw, that the score term has no value and the KL enters once, over
  the number of training examples; that the baseline is independent of its own sample;
* `limits`: finite for zero inputs and scales of 1e-8 and 1e3; the mean's outputs as the scale
  vanishes. Needs a posterior whose configuration has `initial_scale`;
* `draws`: a draw repeats and replays its weights, depends on all coordinates, and parts of a
  batch get the noise of the whole;
* `modes`: the same numbers eagerly, in graphs and under XLA; one trace for a fixed shape;
* `ledger`: the KL does not change with batch size, number of samples and retracing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from bnn.diagnostics.baselines import check_baseline
from bnn.diagnostics.gradients import ObjectiveGradients, value_rows
from bnn.diagnostics.kl import KLMoments, ledger_rows
from bnn.diagnostics.limits import limit_rows
from bnn.diagnostics.modes import bulk_row, draw_rows, mode_rows
from bnn.diagnostics.moments import OutputMoments
from bnn.diagnostics.report import Report, Row
from bnn.diagnostics.simulation import CHUNK, Simulation
from bnn.diagnostics.structure import structure_rows
from bnn.diagnostics.subject import Subject, make_subject
from bnn.estimators import Estimator, NoBaseline
from bnn.layers import BayesianLayer
from bnn.objectives import NegativeELBO
from bnn.operators import Operator
from bnn.posteriors import Posterior
from bnn.priors import Prior

CHECKS = ("structure", "moments", "gradients", "limits", "draws", "modes", "ledger")
# The groups whose draws include the objective and its gradient.
_OBJECTIVE = {"gradients", "limits", "modes"}


def check_estimator(
    estimator: Estimator,
    layer_or_operator: BayesianLayer | Operator,
    posterior: Posterior | None = None,
    *,
    prior: Prior | None = None,
    input_shape: Sequence[int] = (3, 4),
    weight_shape: Sequence[int] | None = None,
    num_samples: int | None = None,
    objective: Callable[..., Any] = NegativeELBO,
    checks: Sequence[str] = CHECKS,
    seed: int = 0,
    num_draws: int = 2**14,
    max_draws: int = 2**18,
    false_alarm_rate: float = 1e-7,
    jit_compile: bool = True,
) -> Report:
    """Checks an estimator on a layer and a posterior, each of which may be a third party's.

    ```python
    report = check_estimator(MyEstimator(), bnn.layers.Dense(3), bnn.posteriors.MeanFieldNormal())
    assert report.ok, report
    ```

    What the groups of `checks` are is in the description of `bnn.diagnostics.contract`.

    Args:
      estimator: under test.
      layer_or_operator: a layer, built or not, or an operator.
      posterior: of every site; the layer's own where None, `MeanFieldNormal(0.5)` for an operator.
      prior: of every site; the layer's own where None.
      input_shape: `[B, …]`; B of at least 2 shows covariances across examples.
      weight_shape: of an operator's weights; layers know theirs.
      num_samples: S of the objective; where None, 2 for estimators with a baseline, else 1.
      objective: builds the objective from likelihood, num_train and num_samples.
      checks: the groups to run.
      seed: of the noise.
      num_draws: least number of steps; doubled until every statistic would show a deviation of a
        quarter of the exact size.
      max_draws: greatest number of steps; what is not resolved then has the verdict `unresolved`.
      false_alarm_rate: probability that a sound subject has a failed row, shared by all z-scores
        of the report by Bonferroni's inequality.
      jit_compile: whether the many draws run under XLA.

    Returns:
      The report; `report.ok` where every check passed.

    Raises:
      ValueError: for unusable arguments, or an estimator that does not serve the posterior.
    """
    _check(checks, num_draws, max_draws, false_alarm_rate)
    subject = make_subject(
        estimator,
        layer_or_operator,
        posterior,
        prior=prior,
        input_shape=input_shape,
        weight_shape=weight_shape,
        num_samples=num_samples,
        objective=objective,
    )
    simulation = Simulation(subject, jit_compile, bool({*checks} & _OBJECTIVE))
    return run_checks(simulation, checks, seed, num_draws, max_draws, false_alarm_rate)


def _check(checks: Sequence[str], num_draws: int, max_draws: int, false_alarm_rate: float) -> None:
    unknown = sorted(set(checks) - set(CHECKS))
    if unknown:
        raise ValueError(f"checks must be among {CHECKS}, got {unknown}.")
    if not 0 < false_alarm_rate < 1:
        raise ValueError(
            f"false_alarm_rate must lie strictly between 0 and 1, got {false_alarm_rate}; try 1e-7."
        )
    if not 0 < num_draws <= max_draws:
        raise ValueError(
            f"num_draws must be positive and at most max_draws, got num_draws={num_draws} and "
            f"max_draws={max_draws}."
        )


def run_checks(
    simulation: Simulation,
    checks: Sequence[str] = CHECKS,
    seed: int = 0,
    num_draws: int = 2**14,
    max_draws: int = 2**18,
    false_alarm_rate: float = 1e-7,
) -> Report:
    """The report on a simulation's subject, compiled once for any number of seeds.

    Args:
      simulation: of the subject.
      checks: as in `check_estimator`, like all others.
      seed: of the noise.
      num_draws: least number of steps.
      max_draws: greatest number of steps.
      false_alarm_rate: of the report.
    """
    subject = simulation.subject
    rows: list[Row] = []
    draws = 0
    if "structure" in checks:
        rows += structure_rows(subject, simulation.exact)
    if {"moments", "gradients"} & {*checks}:
        statistical, draws = _statistical_rows(
            simulation, checks, seed, num_draws, max_draws, false_alarm_rate
        )
        rows += statistical
    if "gradients" in checks:
        rows += _baseline_rows(subject)
    if "limits" in checks:
        rows += limit_rows(simulation, seed)
    if "draws" in checks:
        rows += draw_rows(simulation, seed)
    if "modes" in checks:
        rows += mode_rows(simulation, seed)
    if "ledger" in checks:
        rows += ledger_rows(subject)
    return Report(subject.title, tuple(rows), draws, false_alarm_rate)


def _statistical_rows(
    simulation: Simulation,
    checks: Sequence[str],
    seed: int,
    num_draws: int,
    max_draws: int,
    false_alarm_rate: float,
) -> tuple[list[Row], int]:
    exact = simulation.exact
    gathered: list[Any] = [OutputMoments(exact)] if "moments" in checks else []
    if "gradients" in checks:
        gathered += [ObjectiveGradients(exact), KLMoments(exact, simulation.jit_compile)]
    statistics = [s for g in gathered for s in g.statistics]
    level = false_alarm_rate / len(statistics)
    chunks = 0
    while True:
        outcome = simulation.chunk(seed, chunks)
        for g in gathered:
            g.add(outcome)
        chunks += 1
        draws = chunks * CHUNK
        doubled = draws >= num_draws and chunks & (chunks - 1) == 0
        if draws >= max_draws or (doubled and all(s.resolved(level) for s in statistics)):
            break
    rows = [s.row(level) for s in statistics]
    for g in gathered:
        rows += g.rows()
    if "gradients" in checks:
        rows += value_rows(simulation, outcome, seed)
    return [*rows, bulk_row(simulation, outcome, seed, chunks - 1)], draws


def _baseline_rows(subject: Subject) -> list[Row]:
    baseline = subject.estimator.baseline
    if isinstance(baseline, NoBaseline):
        return []
    return list(check_baseline(baseline, max(subject.num_samples, 2)).rows)
