"""The tables of part 3."""

from __future__ import annotations

from typing import Any

import numpy as np

from experiments.gradient_estimators import looks
from experiments.gradient_estimators.network_cases import State, Study
from experiments.gradient_estimators.probe import KINDS, SEED, Moments
from experiments.gradient_estimators.tables import Table

# Kingma, Salimans, Welling 2015, table 1, after 10 epochs: top and bottom layer.
KINGMA = {
    looks.LOCAL: (7.8e3, 1.9e2),
    looks.OWN_WEIGHTS: (1.4e4, 4.3e2),
    looks.REPARAMETERIZATION: (4.9e4, 8.5e2),
    looks.MEAN: (2.8e3, 1.3e2),
}
# Standard errors above which a signal is one.
_CLEAR = 3.0


def tables(study: Study) -> list[Table]:
    """All tables, in the order of the questions."""
    return [
        _training(study),
        _estimators(study),
        _layers(study),
        _batch_sizes(study),
        _kingma(study),
        _sample_counts(study),
    ]


def of_kind(values: np.ndarray, kind: str) -> np.ndarray:
    """The entries of one kind, one for every layer."""
    return values[KINDS.index(kind) :: len(KINDS)]


def snr(moments: Moments, groups: slice | int = slice(None)) -> float | None:
    """‖E g‖ over the root of the trace of the whole variance; 0 where noise may have made it.

    None where nothing varies: the plug-in's gradient in ρ is the KL's alone.
    """
    signal, total = np.sum(moments.signal[groups]), np.sum(moments.total[groups])
    if total == 0:
        return None
    if signal < _CLEAR * np.sum(moments.signal_error[groups]):
        return 0.0
    return float(np.sqrt(signal / total))


def slope(x: Any, y: Any) -> float:
    """Of ln y against ln x, least squares."""
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def own_weights(state: State, batch_size: int) -> np.ndarray:
    """Noise with separate weights for every example: that of one example, over B.

    The examples' terms are independent then, so that the division is exact.
    """
    return state.by_batch[looks.REPARAMETERIZATION, 1].noise / batch_size


def _training(study: Study) -> Table:
    rows = [
        {
            "epochs": state.epochs,
            "training NLL": state.nll,
            "KL": state.kl,
            "test error of the mean": state.test_error,
            "seed": 0,
            "draws": state.steps,
        }
        for state in study.states
    ]
    return Table(
        "network_training",
        "The network at the three points",
        rows,
    )


def _estimators(study: Study) -> Table:
    batch_size = study.sizes.batch_size
    rows = []
    for state in study.states:
        reference = state.by_batch[looks.REPARAMETERIZATION, batch_size]
        unit = {k: of_kind(reference.noise, k).sum() for k in KINDS}
        whole = {k: of_kind(reference.total, k).sum() for k in KINDS}
        time = study.milliseconds[looks.REPARAMETERIZATION]
        for case in study.sizes.cases:
            found, cost = state.by_batch[case.name, batch_size], study.milliseconds[case.name]
            row: dict[str, Any] = {"epochs": state.epochs, "estimator": case.name}
            row |= {"S": case.num_samples}
            for kind in KINDS:
                row[f"noise {kind}"] = float(of_kind(found.noise, kind).sum() / unit[kind])
            for kind in KINDS:
                row[f"SNR {kind}"] = snr(found, slice(KINDS.index(kind), None, len(KINDS)))
            row["ms"] = cost
            for kind in KINDS:
                row[f"noise {kind} × ms"] = row[f"noise {kind}"] * cost / time
            for kind in KINDS:
                total = of_kind(found.total, kind).sum() / whole[kind]
                row[f"total {kind} × ms"] = float(total * cost / time)
            rows.append({**row, "seed": SEED, "draws": 2 * found.replicates})
    return Table(
        "network_estimators",
        f"All estimators at identical parameters, batches of {batch_size}",
        rows,
    )


def _layers(study: Study) -> Table:
    rows = []
    for state in study.states:
        for case in study.sizes.cases:
            found = state.by_batch[case.name, study.sizes.batch_size]
            row: dict[str, Any] = {"epochs": state.epochs, "estimator": case.name}
            for kind in KINDS:
                for layer, value in enumerate(of_kind(found.noise, kind), 1):
                    row[f"noise {kind} {layer}"] = float(value)
            noise, error = (float(of_kind(m, "loc")[0]) for m in (found.noise, found.error))
            row["± loc 1"] = f"{100 * error / noise:.0f} %" if noise > 0 else None
            for layer in range(1, len(study.group_sizes) // len(KINDS) + 1):
                row[f"SNR loc {layer}"] = snr(found, len(KINDS) * (layer - 1))
            rows.append({**row, "seed": SEED, "draws": 2 * found.replicates})
    return Table(
        "network_layers",
        f"Layer by layer, batches of {study.sizes.batch_size}; here after "
        f"{study.states[-1].epochs} epochs, in the CSV at every point",
        rows,
        shown=len(study.sizes.cases),
    )


def _batch_sizes(study: Study) -> Table:
    sizes = list(study.sizes.batches)
    middle = len(sizes) // 2
    ranges = (sizes[: middle + 1], sizes[middle:]) if middle > 1 else (sizes,)
    rows = []
    for state in study.states:
        for kind in KINDS:
            for case in (c for c in study.sizes.cases if c.all_batch_sizes):
                data_only = case.name == looks.MEAN
                values = {}
                for size in sizes:
                    found = state.by_batch[case.name, size]
                    part = found.total if data_only else found.noise
                    values[size] = float(of_kind(part, kind).sum())
                row: dict[str, Any] = {
                    "epochs": state.epochs,
                    "gradient": kind,
                    "estimator": f"{case.name} (data only)" if data_only else case.name,
                    **{f"B = {size}": value for size, value in values.items()},
                }
                for part in ranges:
                    seen = all(values[size] > 0 for size in part)
                    fitted = slope(part, [values[size] for size in part]) if seen else None
                    row[f"slope {part[0]}…{part[-1]}"] = fitted
                draws = sum(2 * n for n in study.sizes.batches.values())
                rows.append({**row, "seed": SEED, "draws": draws})
    return Table(
        "network_batch_sizes",
        "Weight noise against batch size",
        rows,
    )


def _kingma(study: Study) -> Table:
    batch_size = max(study.sizes.batches)
    rows = []
    for state in study.states[1:]:
        local = state.by_batch[looks.LOCAL, batch_size]
        # E[g | batch] is the same for all unbiased estimators, and so is its variance.
        data = local.total - local.noise
        totals = {
            looks.LOCAL: local.total,
            looks.OWN_WEIGHTS: own_weights(state, batch_size) + data,
            looks.REPARAMETERIZATION: state.by_batch[looks.REPARAMETERIZATION, batch_size].total,
            looks.MEAN: state.by_batch[looks.MEAN, batch_size].total,
        }
        ends = {"top": -1, "bottom": 0}
        for name, total in totals.items():
            row: dict[str, Any] = {"epochs": state.epochs, "estimator": name}
            for place, (end, layer) in enumerate(ends.items()):
                size = of_kind(study.group_sizes, "loc")[layer]
                row[f"{end} layer"] = float(of_kind(total, "loc")[layer] / size)
                reference = of_kind(local.total, "loc")[layer] / size
                row[f"{end} / LRT"] = row[f"{end} layer"] / float(reference)
                row[f"{end} / LRT, 2015"] = KINGMA[name][place] / KINGMA[looks.LOCAL][place]
            draws = 2 * state.by_batch[looks.LOCAL, batch_size].replicates
            rows.append({**row, "seed": SEED, "draws": draws})
    return Table(
        "network_kingma",
        f"The comparison of Kingma et al. 2015, table 1: batches of {batch_size}",
        rows,
    )


def _sample_counts(study: Study) -> Table:
    state = next(state for state in study.states if state.by_samples)
    counts = study.sizes.sample_counts
    rows = []
    for case in (c for c in study.sizes.cases if c.all_sample_counts):
        found = {s: state.by_samples[case.name, s] for s in counts if s % case.num_samples == 0}
        for kind in KINDS:
            values = {s: float(of_kind(m.noise, kind).sum()) for s, m in found.items()}
            rows.append(
                {
                    "estimator": case.name,
                    "gradient": kind,
                    **{f"S = {s}": values.get(s) for s in counts},
                    "slope": slope(list(values), list(values.values())),
                    "seed": SEED,
                    "draws": sum(2 * m.replicates * s for s, m in found.items()),
                }
            )
    return Table(
        "network_samples",
        f"Weight noise against S, batches of {study.sizes.batch_size}, after {state.epochs} epoch",
        rows,
    )
