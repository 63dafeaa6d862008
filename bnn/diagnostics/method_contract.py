"""The contract that every inference method must pass.

It is trained on a linear regression under normal noise, whose posterior is a normal in closed
form (`ConjugateRegression`), through the steps, checkpoints and functions that runs use. The
model is linear, so its outputs at the unit vectors are a function's weights, however the method
keeps them. The groups of checks are

* `interface`: `describe` is JSON and names the method; `variables` are always the same and
  nobody else's; functions repeat with their seed; predictions have the model's shape;
* `loss`: finite at every step; metrics with the same names compiled and eager; it counts the
  weights of examples; `kl` is that of the ledger in nats and `loss` = `nll` + `kl` / N, where the
  method says nll and kl;
* `restore`: a checkpoint restored into a fresh build has the same state, archive and functions,
  and continues to the same bits;
* `posterior`: z-scores of mean and covariance of the functions' weights, in coordinates in
  which the exact covariance is 1. Standard errors are by the effective sample size of the
  functions in their order, which for samples of a chain must be the chain's. Below an
  effective size of about 1,000 a row has the verdict `unresolved`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras
import numpy as np

from bnn.diagnostics.chains import law_rows
from bnn.diagnostics.conjugate import ConjugateRegression, Law
from bnn.diagnostics.method_rows import interface_rows, loss_rows, mode_row, train_and_restore
from bnn.diagnostics.report import Report, Row, truth_row
from bnn.diagnostics.trained_method import Recipe, TrainedMethod
from bnn.methods import Method
from bnn.posteriors import Posterior

METHOD_CHECKS = ("interface", "loss", "restore", "posterior")
_LEARNING_RATE = 0.05
# Steps that are taken again from a checkpoint: enough for entries of an archive, and short.
_TAIL = 500
_MOST_FUNCTIONS = 10**6


def check_method(
    method: Method | Callable[[], Method],
    posterior: Posterior,
    *,
    exact_posterior: bool = True,
    documented: Callable[[ConjugateRegression], Law] = ConjugateRegression.mean_field,
    optimizer: keras.optimizers.Optimizer | None = None,
    num_steps: int = 3000,
    batch_size: int = 16,
    num_samples: int = 4096,
    tolerance: float = 0.05,
    checks: Sequence[str] = METHOD_CHECKS,
    regression: ConjugateRegression | None = None,
    seed: int = 0,
    false_alarm_rate: float = 1e-7,
    jit_compile: bool = True,
) -> Report:
    """Checks an inference method, which may be a third party's, where the posterior is known.

    `check_method(MySampler(step_size=1e-2), bnn.posteriors.Point(), num_steps=100_000)`; the
    module says what is checked.

    Args:
      method: not built, and copied; or a function that makes one.
      posterior: of the weights, such as `MeanFieldNormal()`; `Point()` for methods in weight space.
      exact_posterior: the method claims the exact posterior, mean and covariance.
      documented: the law that a method without this claim reaches instead, such as
        `ConjugateRegression.mean_field`, `ConjugateRegression.mode`, or a function of one's own.
      optimizer: not built, and copied; where None, Adam from 0.05 along half a cosine to 0 for
        methods that use one.
      num_steps: of the training.
      batch_size: B of N = 32; below N shows a prior that is counted by batch.
      num_samples: functions asked for.
      tolerance: deviation, in standard deviations and variances, that is no finding: what is left
        of the optimisation, or a sampler's known error at its step size.
      checks: the groups to run.
      regression: another problem of the kind; of 3 weights and 32 examples where None.
      seed: of noise and order.
      false_alarm_rate: probability that a sound method has a failed row, shared by the z-scores.
      jit_compile: whether steps and predictions run under XLA.

    Returns:
      The report; `report.ok` where every check passed.

    Raises:
      ValueError: for unusable arguments, or as the method's `build` does.
    """
    if unknown := sorted(set(checks) - set(METHOD_CHECKS)):
        raise ValueError(f"checks must be among {METHOD_CHECKS}, got {unknown}.")
    regression = regression if regression is not None else ConjugateRegression()
    made = method() if callable(method) else method
    _check_method(made)
    _check_numbers(num_steps, num_samples, batch_size, regression.num_train)
    _check_rates(tolerance, false_alarm_rate)
    if optimizer is None and made.uses_optimizer:
        optimizer = _default_optimizer(num_steps)
    recipe = Recipe(
        regression, method, posterior, optimizer, num_steps, batch_size, seed, jit_compile
    )
    tail = min(_TAIL, num_steps // 4) if "restore" in checks else 0
    trained, restored = train_and_restore(recipe, tail)
    rows: list[Row] = interface_rows(trained) if "interface" in checks else []
    rows += [*(loss_rows(trained) if "loss" in checks else []), *restored]
    drawn = 0
    if "posterior" in checks:
        drawn = len(weights := trained.weights(num_samples, jit_compile))
        law = regression.exact() if exact_posterior else documented(regression)
        rows += _posterior_rows(trained, weights, law, tolerance, false_alarm_rate)
    name = f"{type(made).__name__} · {type(posterior).__name__} · linear regression"
    return Report(name, tuple(rows), drawn, false_alarm_rate)


def _default_optimizer(num_steps: int) -> keras.optimizers.Optimizer:
    schedule = keras.optimizers.schedules.CosineDecay(_LEARNING_RATE, num_steps)
    return keras.optimizers.Adam(schedule)


def _posterior_rows(
    trained: TrainedMethod, weights: np.ndarray, law: Law, tolerance: float, rate: float
) -> list[Row]:
    distinct = len(np.unique(weights, axis=0))
    if not np.any(law.covariance):
        spread = trained.recipe.regression.exact().covariance
        return [
            truth_row("one function", distinct == 1, f"{distinct} different ones"),
            mode_row(weights, law.mean, spread, tolerance),
        ]
    return [
        truth_row("functions differ", distinct > 1, f"{distinct} of {len(weights)} are different"),
        *law_rows(weights, law, rate / 2, tolerance),
    ]


def _check_method(method: Method) -> None:
    if not isinstance(method, Method):
        raise ValueError(
            f"method must be a bnn.methods.Method, or a function that makes one, got {method!r}."
        )
    if hasattr(method, "problem"):
        raise ValueError(
            f"method must not be built yet, but this {type(method).__name__} is; pass a new one, "
            "each build of the check has a copy."
        )


def _check_numbers(num_steps: int, num_samples: int, batch_size: int, num_train: int) -> None:
    for name, value, least in (
        ("num_steps", num_steps, 4),
        ("num_samples", num_samples, 1),
        ("batch_size", batch_size, 1),
    ):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ValueError(f"{name} must be an integer of at least {least}, got {value!r}.")
    if num_samples > _MOST_FUNCTIONS:
        raise ValueError(
            f"num_samples must be at most {_MOST_FUNCTIONS}, got {num_samples}; an effective "
            "sample size of some thousands shows every defect."
        )
    if batch_size > num_train:
        raise ValueError(
            f"batch_size must be at most the {num_train} examples of the regression, got "
            f"{batch_size}."
        )


def _check_rates(tolerance: float, false_alarm_rate: float) -> None:
    if not 0 <= tolerance < 0.25:
        raise ValueError(
            f"tolerance must be at least 0 and below 0.25, got {tolerance}; a method that is "
            "further off has a law of its own: exact_posterior=False and documented=…"
        )
    if not 0 < false_alarm_rate < 1:
        raise ValueError(
            f"false_alarm_rate must lie strictly between 0 and 1, got {false_alarm_rate}; try 1e-7."
        )
