"""Compares Laplace, IVON and NUTS with laplace-torch, ivon-opt and BlackJAX, and writes the tables.

    python -m experiments.references.run [--parts=laplace,ivon,nuts] [--report] [--fast]

The peers are the extra `[bench]`; parts whose peer is not installed are left out.
"""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path
from typing import Any

import numpy as np

from experiments import study
from experiments.records import built_with, recorded, stamp
from experiments.references import peers, problems
from experiments.references.networks import networks
from experiments.references.statistics import Estimate, deviation_of_blocks, of_blocks

_HERE = Path(__file__).parent
STRUCTURES = [(name, last) for last in (False, True) for name in ("full", "kfac", "diagonal")]
# Of the evidence, nats, and of the largest relative difference of a variance.
EVIDENCE, VARIANCE, MOST_Z = 2e-3, 1e-4, 4.0
IVON = {
    **{"steps": 20_000, "every": 20, "rate": 0.02, "momentum": 0.9, "decay": 0.99},
    **{"scale": 0.1, "seed": 0},
}
NUTS = {"chains": 4, "warmup": 500, "draws": 2000, "seed": 0}
PARTS = {"laplace": "laplace_torch", "ivon": "ivon_opt", "nuts": "blackjax_nuts"}
_PACKAGES = {
    "laplace": ("laplace-torch", "curvlinops-for-pytorch", "torch"),
    "ivon": ("ivon-opt", "torch"),
    "nuts": ("blackjax", "jax"),
}


def main(argv: list[str] | None = None) -> int:
    """Measures what is missing, and writes the tables."""
    parser = study.study_parser(__doc__, _HERE)
    parser.add_argument("--parts", type=study.names_of(PARTS), default=list(PARTS))
    options = study.parse_options(parser, argv)
    measure = {"laplace": laplace, "ivon": ivon, "nuts": nuts}
    tables = {"laplace": laplace_table, "ivon": ivon_table, "nuts": nuts_table}
    shown = {}
    for part in PARTS:
        path = options.output / "results" / f"{part}.json"
        if not path.exists() and (options.report or part not in options.parts):
            continue
        lacking = [] if path.exists() else peers.missing(PARTS[part])
        if lacking:
            print(f"{part} is left out without {', '.join(lacking)}; pip install 'bnn[bench]'.")
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        held = recorded(path, {"fast": options.fast}, lambda p=part: _made(p, measure, options))
        shown |= {part: tables[part](held), f"{part} provenance": _provenance(part, held)}
    study.write_readme(_HERE / "README.md", shown, options.output)
    return 0


def _made(part: str, measure: Any, options: Any) -> dict[str, Any]:
    found = {name: importlib.metadata.version(name) for name in _PACKAGES[part]}
    return {**measure[part](options.fast), "peers": found, **stamp()}


def laplace(fast: bool) -> dict[str, Any]:
    """Evidence and variances by network, structure and layers, of both."""
    from experiments.references import laplace_ours

    rows = []
    chosen, trained = STRUCTURES[:2] if fast else STRUCTURES, networks()
    asked = {"networks": [n._asdict() for n in trained.values()], "structures": chosen}
    answers = peers.ask("laplace_torch", asked)
    for (name, network), theirs in zip(trained.items(), answers, strict=True):
        for (structure, last), other in zip(chosen, theirs, strict=True):
            ours = laplace_ours.evaluate(network, structure, last)
            ratio = np.array(ours["variances"]) / np.array(other["variances"])
            rows.append(
                {
                    **{"network": name, "structure": structure, "last": last},
                    **{"ours": ours["evidence"], "theirs": other["evidence"]},
                    "mean_variance": [np.mean(v["variances"]) for v in (ours, other)],
                    "difference": float(np.abs(ratio - 1).max()),
                }
            )
    return {"rows": rows}


def ivon(fast: bool) -> dict[str, Any]:
    """Stationary means of μ and σ, of both, and of the closed form."""
    from experiments.references import samplers_ours

    problem = problems.regression()
    asked = {**IVON, "steps": 2000 if fast else IVON["steps"]}
    theirs = peers.ask("ivon_opt", {**problem._asdict(), **asked})
    ours = samplers_ours.ivon(problem, asked)
    found: dict[str, Any] = {"exact": {"means": problem.mean(), "deviations": problem.deviations()}}
    for who, values in (("ours", ours), ("theirs", theirs)):
        found[who] = {
            name: of_blocks(np.array(values[name])[np.newaxis, len(values[name]) // 4 :])._asdict()
            for name in ("means", "deviations")
        }
    return _plain(found)


def nuts(fast: bool) -> dict[str, Any]:
    """Means and deviations of the posterior, of both and by quadrature."""
    from experiments.references import samplers_ours

    problem = problems.logistic()
    asked = {**NUTS, **({"warmup": 100, "draws": 200} if fast else {})}
    theirs = np.array(peers.ask("blackjax_nuts", {**problem._asdict(), **asked})["draws"])
    ours = samplers_ours.nuts(problem, asked)
    means, deviations = problem.moments()
    found: dict[str, Any] = {"exact": {"means": means, "deviations": deviations}}
    for who, draws in (("ours", ours), ("theirs", theirs)):
        found[who] = {
            "means": of_blocks(draws)._asdict(),
            "deviations": deviation_of_blocks(draws)._asdict(),
        }
    return _plain(found)


def laplace_table(held: dict[str, Any]) -> str:
    """Evidence and variances."""
    head = ("network", "structure", "weights", "log evidence, nats: ours", "laplace-torch")
    head += ("mean variance: ours", "laplace-torch", "largest relative difference", "agree")
    lines = []
    for row in held["rows"]:
        holds = abs(row["ours"] - row["theirs"]) <= EVIDENCE and row["difference"] <= VARIANCE
        lines.append(
            [
                *(row["network"], row["structure"], "last layer" if row["last"] else "all"),
                *(study.minus(f"{row[who]:.4f}") for who in ("ours", "theirs")),
                *(f"{value:.6f}" for value in row["mean_variance"]),
                *(study.minus(f"{row['difference']:.0e}"), "yes" if holds else "**no**"),
            ]
        )
    return study.markdown(head, lines, 3)


def ivon_table(held: dict[str, Any]) -> str:
    """μ and σ of three weights."""
    names = {"means": "mean of μ", "deviations": "mean of σ"}
    return _two(held, "ivon-opt", "closed form", names)


def nuts_table(held: dict[str, Any]) -> str:
    """Means and deviations of four weights."""
    return _two(held, "BlackJAX", "quadrature", {"means": "mean", "deviations": "deviation"})


def _two(held: dict[str, Any], peer: str, known: str, names: dict[str, str]) -> str:
    head = ("weight", "", "ours", peer, "z", known, "agree")
    lines = []
    for name, title in names.items():
        ours, theirs = (_estimate(held[who][name]) for who in ("ours", "theirs"))
        for i, z in enumerate(ours.against(theirs)):
            lines.append(
                [
                    *(str(i), title),
                    *(f"{e.value[i]:.4f} ± {e.error[i]:.4f}" for e in (ours, theirs)),
                    f"{z:.1f}",
                    f"{held['exact'][name][i]:.4f}",
                    "yes" if abs(z) <= MOST_Z else "**no**",
                ]
            )
    return study.markdown(head, [list(map(study.minus, line)) for line in lines], 2)


def _estimate(held: dict[str, Any]) -> Estimate:
    return Estimate(np.array(held["value"]), np.array(held["error"]))


def _plain(values: Any) -> Any:
    """Arrays as lists."""
    if isinstance(values, dict):
        return {name: _plain(value) for name, value in values.items()}
    return values.tolist() if isinstance(values, np.ndarray) else values


def _provenance(part: str, held: dict[str, Any]) -> str:
    libraries = ", ".join(f"{name} {version}" for name, version in held["peers"].items())
    return (
        f"\n`python -m experiments.references.run --parts={part}`, {held['date'][:10]}, revision "
        f"{held['git_revision'][:12]}, seed 0, {built_with(held)}, {libraries}.\n"
    )


if __name__ == "__main__":
    sys.exit(main())
