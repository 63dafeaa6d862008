"""Runs the jobs of the README's result table and writes the table into the README.

    python -m experiments.main_results.run [--only=digits] [--root=runs/main_results]

Every job is `python -m bnn.run` with the arguments of its row, in a folder of its own: jobs that
have ended are not repeated, and one that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import dataclasses
import fnmatch
import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from bnn.training import write_text

_ROOT = Path(__file__).resolve().parents[2]
_BEGIN, _END = "<!-- results -->", "<!-- end of results -->"


@dataclasses.dataclass(frozen=True)
class Job:
    """A row of the table.

    Attributes:
      name: folder of the run.
      title: what the row says.
      file: gin file below `gin_configs/`.
      bindings: gin bindings.
    """

    name: str
    title: str
    file: str
    bindings: tuple[str, ...] = ()

    def arguments(self, root: Path) -> list[str]:
        """Arguments of `python -m bnn.run`."""
        bindings = [f"--gin_bindings={binding}" for binding in self.bindings]
        file = f"--gin_file=gin_configs/{self.file}"
        return [file, *bindings, f"--workdir={root / self.name}"]


JOBS = (
    Job("digits", "digits, 2×200", "digits.gin"),
    Job(
        "digits_tempered",
        "digits, 2×200",
        "digits.gin",
        ("kl/LinearWarmup.value = 0.1",),
    ),
    Job(
        "digits_reparameterization",
        "digits, 2×200",
        "digits.gin",
        ("run.estimator = @Reparameterization()",),
    ),
    Job("digits_flipout", "digits, 2×200", "digits.gin", ("run.estimator = @Flipout()",)),
    Job(
        "digits_score_function",
        "digits, 2×200",
        "digits.gin",
        ("run.estimator = @ScoreFunction()",),
    ),
    Job(
        "digits_deterministic",
        "digits, 2×200, `Point` posterior (MAP)",
        "digits.gin",
        (
            "run.estimator = @Mean()",
            "mlp.kernel_posterior = @Point()",
            "mlp.bias_posterior = @Point()",
        ),
    ),
    Job("mnist_mlp", "MNIST, 2×400", "mnist_mlp.gin"),
    Job("mnist_mlp_mixture", "MNIST, 2×400, scale mixture prior", "mnist_mlp_mixture.gin"),
    Job("mnist_lenet", "MNIST, LeNet-5", "mnist_lenet.gin"),
    Job("fashion_lenet", "Fashion-MNIST, LeNet-5", "fashion_lenet.gin"),
    Job("uci_yacht", "UCI yacht, 1×50, split 0", "uci.gin"),
)


def main() -> int:
    """Runs the chosen jobs, then writes the table of all that have ended."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="*", help="shell-style pattern of job names")
    parser.add_argument("--root", default="runs/main_results", help="folder of the runs")
    options = parser.parse_args()
    root = Path(options.root)
    for job in JOBS:
        if fnmatch.fnmatchcase(job.name, options.only):
            command = [sys.executable, "-m", "bnn.run", *job.arguments(root)]
            print("+", shlex.join(command[1:]), flush=True)
            subprocess.run(command, check=True, cwd=_ROOT)
    write_table(root)
    return 0


def write_table(root: Path) -> None:
    """Writes the table of the finished jobs between the README's markers."""
    readme = _ROOT / "README.md"
    before, _, rest = readme.read_text().partition(_BEGIN)
    _, _, after = rest.partition(_END)
    write_text(readme, f"{before}{_BEGIN}\n{table(root)}{_END}{after}")


def table(root: Path) -> str:
    """The Markdown table of the jobs that have ended below `root`, with what made it."""
    rows, revisions, dates = [], set(), set()
    for job in JOBS:
        path = _ROOT / root / job.name / "results.json"
        if not path.exists():
            continue
        results = json.loads(path.read_text())
        rows.append(_row(job, results))
        revisions.add(results["git_revision"][:12])
        dates.add(results["date"][:10])
        versions = results["versions"]
    if not rows:
        return ""
    head = (
        "| job | posterior | estimator | test error % or RMSE | NLL, nats | ECE | weight samples | "
        "training s | bindings beside the file |\n|---|---|---|---|---|---|---|---|---|\n"
    )
    foot = (
        f"\n`python -m experiments.main_results.run`, seed 0, {', '.join(sorted(dates))}, "
        f"revision {', '.join(sorted(revisions))}, Python {versions['python']}, TensorFlow "
        f"{versions['tensorflow']}, Keras {versions['keras']}, 2 CPU cores. A row alone: "
        "`python -m bnn.run --gin_file=gin_configs/FILE --gin_bindings=BINDING --workdir=DIR`.\n"
    )
    return head + "".join(rows) + foot


def _row(job: Job, results: dict[str, Any]) -> str:
    test = results["test"]
    score = f"{100 * test['error']:.2f}" if "error" in test else f"RMSE {test['rmse']:.3f}"
    ece = f"{test['ece']:.3f}" if "ece" in test else "–"
    bindings = "; ".join(f"`{b}`" for b in job.bindings) or "–"
    return (
        f"| {job.title} (`{job.file}`) | {results['posterior']} | {results['estimator']} | {score} "
        f"| {test['nll']:.4f} | {ece} | {results['num_predict_samples']} | "
        f"{results['seconds']['train']:.0f} | {bindings} |\n"
    )


if __name__ == "__main__":
    sys.exit(main())
