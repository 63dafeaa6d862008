"""What every method must keep to: its interface, its loss, going on after a kill."""

from __future__ import annotations

import json
import math
import tempfile
from pathlib import Path

import keras
import numpy as np

from bnn.diagnostics.exact_kl import exact_kl
from bnn.diagnostics.report import Row, exact_row, skipped_row, truth_row
from bnn.diagnostics.trained_method import Recipe, TrainedMethod
from bnn.sites import sites

# The loss is a float32 of a few nats; N times its rounding, as a share of the KL.
_KL_ROUNDING = 2e-4
_FEW = 16


def interface_rows(trained: TrainedMethod) -> list[Row]:
    """`describe`, `variables`, `functions` and `predict` of a trained method."""
    method = trained.method
    return [
        _describe_row(trained),
        _state_row(trained),
        *_function_rows(trained),
        truth_row(
            "predict",
            _is_prediction(trained),
            f"{type(method).__name__}.predict must be finite, [S, B, …] as the model's outputs",
        ),
    ]


def _describe_row(trained: TrainedMethod) -> Row:
    name, described = type(trained.method).__name__, trained.method.describe()
    try:
        json.dumps(described)
        fits = isinstance(described, dict) and described.get("method") == name
    except (TypeError, ValueError):
        fits = False
    return truth_row("describe", fits, "" if fits else f"JSON with method: {name}, not {described}")


def _state_row(trained: TrainedMethod) -> Row:
    """The method's own variables: the same objects whenever asked, and nobody else's."""
    again = list(trained.method.variables)
    same = len(again) == len(trained.own) and all(
        a is b and isinstance(a, keras.Variable) for a, b in zip(again, trained.own, strict=True)
    )
    parts = [v for name, part in trained.state().items() if name != "method" for v in part]
    shared = {id(v) for v in parts} & {id(v) for v in again}
    note = "" if same and not shared else "Keras variables, always the same, and the method's own"
    return truth_row("variables", same and not shared, note)


def _function_rows(trained: TrainedMethod) -> list[Row]:
    functions = trained.method.functions(_FEW, trained.recipe.seed)
    first, again = trained.weights_of(functions), trained.weights(_FEW)
    number = functions.num_samples
    return [
        truth_row(
            "number of functions", 1 <= number <= _FEW, f"{number} where {_FEW} were asked for"
        ),
        truth_row("functions repeat", np.array_equal(first, again), "with the same seed"),
    ]


def _is_prediction(trained: TrainedMethod) -> bool:
    inputs = trained.recipe.regression.inputs[:5]
    outputs = np.asarray(trained.method.predict(inputs, 4, trained.recipe.seed))
    return outputs.ndim == 3 and outputs.shape[1:] == (5, 1) and bool(np.isfinite(outputs).all())


def loss_rows(trained: TrainedMethod) -> list[Row]:
    """Loss and metrics of all steps, and one step at a state whose KL is known."""
    losses = np.concatenate([h.loss for h in trained.histories])
    names = {tuple(h.metrics) for h in trained.histories}
    finite = all(np.isfinite(m).all() for h in trained.histories for m in h.metrics.values())
    fresh = trained.recipe.build(start=3)
    known = _known_kl(fresh)
    info = fresh.said(0)
    averaged = set(trained.method.averaged) <= set(info.metrics)
    return [
        truth_row("finite loss", bool(np.isfinite(losses).all()), f"of {len(losses)} steps"),
        truth_row("finite metrics", finite),
        truth_row(
            "names of metrics",
            names == {tuple(info.metrics)} and averaged,
            f"{list(info.metrics)}, with {list(trained.method.averaged)} averaged",
        ),
        _weights_row(fresh),
        *_kl_rows(
            {name: float(value) for name, value in info.metrics.items()},
            float(info.loss),
            known,
            trained.recipe.regression.num_train,
        ),
    ]


def _weights_row(trained: TrainedMethod) -> Row:
    """That examples of weight 2 give another loss; or the method refuses weights."""
    name = "example weights"
    try:
        light, heavy = (trained.loss_of_weighted(0, weight) for weight in (1.0, 2.0))
    except NotImplementedError:
        return skipped_row(name, "the method has no loss")
    except ValueError as refused:
        return skipped_row(name, f"refused: {refused}")
    return truth_row(name, light != heavy, f"loss {light:.4g} at weights of 1, {heavy:.4g} of 2")


def _known_kl(trained: TrainedMethod) -> float | None:
    parts = [exact_kl(site) for site in sites(trained.method.problem.model).values()]
    known = [float(part) for part in parts if part is not None]
    return sum(known) if len(known) == len(parts) else None


def _kl_rows(
    metrics: dict[str, float], loss: float, known: float | None, num_train: int
) -> list[Row]:
    """That kl is the ledger's, in nats, and the loss nll + kl / N."""
    once, nats = "KL once, over N", "KL in nats"
    if not {"nll", "kl"} <= metrics.keys():
        missing = "the method says no nll and kl"
        return [skipped_row(once, missing), skipped_row(nats, missing)]
    share = (loss - metrics["nll"]) * num_train
    kl = metrics["kl"] if known is None else known
    rows = [exact_row(once, share / kl - 1, _KL_ROUNDING, "(loss − nll) N beside the KL")]
    if known is None:
        return [*rows, skipped_row(nats, "no closed form")]
    return [*rows, exact_row(nats, metrics["kl"] / known - 1, _KL_ROUNDING, "beside closed form")]


def train_and_restore(recipe: Recipe, tail: int) -> tuple[TrainedMethod, list[Row]]:
    """Trains to the end, and again from a checkpoint `tail` steps before it, in a fresh build.

    Returns:
      The trained method, finished, and the rows that compare both.
    """
    trained = recipe.build(start=1)
    last = recipe.num_steps
    if not tail:
        trained.run(0, last)
        trained.finish()
        return trained, []
    trained.run(0, last - tail)
    with tempfile.TemporaryDirectory() as folder:
        trained.checkpoints(Path(folder)).save(last - tail)
        saved = trained.values()
        twin = recipe.build(start=2)
        reached = twin.checkpoints(Path(folder)).restore()
    rows = [
        truth_row("restored state", reached == last - tail and _same(twin.values(), saved)),
        _functions_row("restored functions", trained, twin),
    ]
    for each in (trained, twin):
        each.run(last - tail, last)
        each.finish()
    state = _same(twin.values(), trained.values())
    rows += [
        truth_row("continued to the same bits", state, f"{tail} steps in a fresh build"),
        _functions_row("continued functions", trained, twin),
    ]
    return trained, rows


def _functions_row(name: str, first: TrainedMethod, second: TrainedMethod) -> Row:
    same = _same([first.weights(_FEW)], [second.weights(_FEW)])
    note = "" if same else "they depend on more than variables and archive"
    return truth_row(name, same, note)


def _same(first: list[np.ndarray], second: list[np.ndarray]) -> bool:
    if len(first) != len(second):
        return False
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def mode_row(weights: np.ndarray, mean: np.ndarray, spread: np.ndarray, tolerance: float) -> Row:
    """A single function's weights beside the exact ones.

    Args:
      weights: of the functions `[S, D]`.
      mean: exact `[D]`.
      spread: the exact posterior's covariance `[D, D]`.
      tolerance: in its standard deviations, in the worst direction.
    """
    factor = np.linalg.cholesky(spread)
    deviation = np.abs(np.linalg.solve(factor, (weights - mean).T)).max()
    finite = deviation if math.isfinite(deviation) else math.nan
    return exact_row("posterior mode", finite, tolerance, "in posterior standard deviations")
