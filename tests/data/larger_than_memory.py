"""A run on sets that are larger than what it may hold in memory, in sparse files.

Example:
  python tests/data/larger_than_memory.py --folder=runs/large --output=large.json
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

FEATURES = 784


def write_sparse(folder: Path, sizes: dict[str, int]) -> dict[str, int]:
    """Inputs of zeros, which take no room on the disk, and labels; the inputs' bytes by part."""
    folder.mkdir(parents=True, exist_ok=True)
    found = {}
    for part, size in sizes.items():
        count = -(-size // (4 * FEATURES))
        path = folder / f"x_{part}.npy"
        np.lib.format.open_memmap(path, "w+", np.float32, (count, FEATURES))
        np.save(folder / f"y_{part}.npy", (np.arange(count) % 10).astype(np.int32))
        found[part] = path.stat().st_size
    return found


def resident(field: str) -> int:
    """Bytes of this process: `VmRSS` now, `VmHWM` at most."""
    with open("/proc/self/status") as file:
        [line] = [line for line in file if line.startswith(field)]
    return 1024 * int(line.split()[1])


def run(folder: Path) -> dict[str, Any]:
    """Trains an epoch on the folder's files and evaluates; the resident memory meanwhile."""
    from absl import flags

    import bnn.run
    from bnn.runs import train

    found: dict[str, Any] = {}
    fit = train.fit

    def watched(*args: Any, **options: Any) -> None:
        found["started"] = resident("VmRSS")
        fit(*args, **options)
        found["trained"] = resident("VmHWM")

    train.fit = watched
    bindings = [
        "run.data = @arrays()",
        f"arrays.path = '{folder / 'set'}'",
        "arrays.stream = True",
        "arrays.stream_test = True",
        "mlp.hidden = ()",
        "run.epochs = 1",
        "run.report_every = 1",
        "run.batch_size = 1024",
        "run.num_predict_samples = 4",
        "run.tracker = None",
    ]
    given = [f"--gin_bindings={binding}" for binding in bindings]
    command = ["bnn.run", "--gin_file=digits.gin", f"--workdir={folder / 'run'}", *given]
    if bnn.run.main(flags.FLAGS(command)):
        raise RuntimeError("the run failed; see its output")
    results = json.loads((folder / "run" / "results.json").read_text())
    found |= {name: results[name] for name in ("num_train", "num_test", "steps")}
    return {**found, "seconds": results["seconds"]["total"], "peak": resident("VmHWM")}


def main() -> None:
    """Writes the files, runs, and writes what was found as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--train", type=int, default=6_000_000_000, help="bytes")
    parser.add_argument("--test", type=int, default=3_000_000_000, help="bytes")
    options = parser.parse_args()
    sizes = write_sparse(options.folder / "set", {"train": options.train, "test": options.test})
    options.output.write_text(json.dumps({**sizes, **run(options.folder)}))


if __name__ == "__main__":
    main()
