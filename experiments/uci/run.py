"""Runs the study: python -m experiments.uci.run [--sets=yacht,concrete] [--fast].

Every set is trained with every candidate, all splits in one computation; what has ended is in
--workdir and is not repeated, so that the same command continues a stopped run. Then the choice,
the tables and the figure are made from what has ended.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import multiprocessing
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow is imported
HERE = Path(__file__).parent
SETS = ("bostonHousing", "concrete", "power-plant", "wine-quality-red", "yacht")


def main(arguments: list[str] | None = None) -> int:
    """Runs what is missing, then writes the results."""
    options = parse(arguments)
    from experiments.uci.candidates import CANDIDATES, FAST, FULL
    from experiments.uci.units import Unit

    settings = FAST if options.fast else FULL
    candidates = CANDIDATES[::3] if options.fast else CANDIDATES
    units = [
        Unit(name, candidate, settings, options.workdir, options.data_dir)
        for name in options.sets
        for candidate in candidates
    ]
    start = time.perf_counter()
    missing = [unit for unit in units if unit.results() is None]
    print(f"{len(units) - len(missing)} of {len(units)} units are done in {options.workdir}")
    _run_all(missing, options.workers)
    if missing:
        print(f"{time.perf_counter() - start:.0f} s with {options.workers} processes")
    from experiments.uci.results import write_results

    write_results(options.workdir, options.output, HERE / "README.md")
    return 0


def _run_all(units: list, workers: int) -> None:
    """Runs units, several at once where there are several workers, and says what ended."""
    if workers == 1 or len(units) < 2:
        from experiments.uci.units import run_unit

        for unit in units:
            print(run_unit(unit), flush=True)
        return
    # The networks are tiny: one thread each, and all cores busy with units of their own.
    os.environ["OMP_NUM_THREADS"] = "1"
    os.environ["XLA_FLAGS"] = (
        os.environ.get("XLA_FLAGS", "") + " --xla_cpu_multi_thread_eigen=false"
    )
    with concurrent.futures.ProcessPoolExecutor(
        workers, multiprocessing.get_context("spawn"), initializer=_one_thread
    ) as pool:
        futures = [pool.submit(_run_in_worker, unit) for unit in units]
        try:
            for future in concurrent.futures.as_completed(futures):
                print(future.result(), flush=True)
        except BaseException:  # what is not started yet is left to the next run
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _one_thread() -> None:
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)


def _run_in_worker(unit: object) -> str:
    import keras

    from experiments.uci.units import run_unit

    keras.backend.clear_session(free_memory=True)
    return run_unit(unit)  # type: ignore[arg-type]


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line, before anything slow is imported."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--sets",
        type=lambda text: [name for name in text.split(",") if name],
        default=list(SETS),
        help="folders of sets in the standard layout, with commas; default " + ",".join(SETS),
    )
    parser.add_argument("--data_dir", help="folder of data sets; default BNN_DATA_DIR")
    parser.add_argument(
        "--workdir", type=Path, default=Path("runs/uci"), help="folder of what has ended"
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=HERE / "results",
        help="folder of tables and figure; the README is filled only from the default one",
    )
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count(), help="processes; default one per core"
    )
    parser.add_argument("--fast", action="store_true", help="tiny sizes, in under a minute")
    options = parser.parse_args(arguments)
    if not options.sets:
        parser.error("--sets must name at least one set, such as --sets=yacht.")
    if options.workers < 1:
        parser.error(f"--workers must be at least 1, got {options.workers}.")
    if options.fast and options.output == HERE / "results":
        parser.error("--fast needs --output: its numbers must not replace the study's.")
    if options.fast and options.workdir == Path("runs/uci"):
        parser.error("--fast needs --workdir: its units must not be mixed with the study's.")
    return options


if __name__ == "__main__":
    sys.exit(main())
