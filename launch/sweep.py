"""Runs a grid or list of gin bindings, and tabulates the results.

Example:
  python -m launch.sweep estimators.toml --root=runs/estimators
  python -m launch.sweep estimators.toml --backend=slurm --time=1:00:00 --max_running=8

The file is described in launch/sweep_file.py. Every run has a folder below the root, named after
what was chosen. The same command goes on where the sweep was stopped: finished runs are skipped,
failed ones are listed, and run again with --retry_failed. The root then holds results.csv (every
run), summary.csv and summary.md (mean ± standard error over the seeds). Exit codes: 0 all runs
have finished, 1 some failed or still wait, 2 a wrong command, 130 Ctrl-C, 42 SIGTERM or SIGUSR1.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from launch.children import Signals
from launch.command import (
    Parser,
    add_group_options,
    add_module_option,
    at_least,
    check_data_dir,
    run_command,
)
from launch.files import folder, in_words
from launch.live import Live
from launch.points import POINTS, Point, write_points
from launch.pool import Pool, Slot, Task, make_slots, stop_code
from launch.records import FAILED, FINISHED, WAITING, Records, failure, last_line
from launch.slurm import SubmissionError, add_slurm_options
from launch.sweep_file import read_sweep
from launch.sweep_results import choose_metrics, write_results
from launch.sweep_slurm import queued, script_of, submit_points
from launch.wandb_group import group_variables

_USAGE = "python -m launch.sweep FILE [options]"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; the process's exit code."""
    options = _parser().parse_only(sys.argv[1:] if argv is None else argv)
    root = Path(options.root or Path("runs") / Path(options.file).stem)
    try:
        file = folder("the sweep's file", options.file)
        root = folder("--root", root)
        records = Records(root)
        points = read_sweep(file).points(records.root)
        records.check(points)
        if options.dry_run:
            return _show(options, records, points)
        if options.backend == "local" and points:
            check_data_dir(points[0].arguments)
        code = _run(options, records, points)
    except (ValueError, OSError, SubmissionError) as error:
        print(f"error: {in_words(error, root)}", file=sys.stderr)
        return 2
    return code


def _show(options: argparse.Namespace, records: Records, points: Sequence[Point]) -> int:
    """Prints what would be run: the command lines, or the script of the array and its elements."""
    commands = [shlex.join(["python", "-m", options.module, *p.arguments]) for p in points]
    if options.backend == "local":
        print("\n".join(commands))
        return 0
    todo = [p for p in points if records.state(p) != FINISHED]
    if not todo:
        print("all runs have finished: there is nothing to submit")
        return 0
    script, file, _ = script_of(options, records, todo)
    print(script, end="")
    print(f"\n# {file} would hold the arguments of the elements:")
    for number, point in enumerate(todo):
        print(f"# {number}: {shlex.join(['python', '-m', options.module, *point.arguments])}")
    return 0


def _run(options: argparse.Namespace, records: Records, points: Sequence[Point]) -> int:
    busy = queued(records, points) if options.backend == "slurm" else set()
    todo = [
        point
        for point in points
        if point.name not in busy
        and (
            records.state(point) == WAITING
            or (options.retry_failed and records.state(point) == FAILED)
        )
    ]
    if not options.report_only:
        records.root.mkdir(parents=True, exist_ok=True)
        write_points(records.root / POINTS, points)  # order and names, for bnn.report
    finished = sum(records.state(point) == FINISHED for point in points)
    queue = f", {len(busy)} in the queue" if options.backend == "slurm" else ""
    print(f"{len(points)} runs: {finished} finished{queue}, {len(todo)} to do")
    stopped = None
    if options.report_only:
        pass
    elif options.backend == "slurm":
        if todo:
            job = submit_points(options, records, todo)
            print(f"submitted job {job}; the same command shows the results")
    else:
        slots = make_slots(options.cores, options.cores_per_run, options.gpus_per_run)
        stopped = _run_here(options, records, todo, slots)
    code = _report(options, records, points)
    return code if stopped is None else stopped


def _run_here(
    options: argparse.Namespace, records: Records, todo: Sequence[Point], slots: Sequence[Slot]
) -> int | None:
    """Runs points in parallel; the exit code where a signal stopped it."""
    by_name = {point.name: point for point in todo}
    tasks = [
        Task(
            name=point.name,
            command=run_command(options.module, point.arguments),
            environment={"PYTHONUNBUFFERED": "1", **group_variables(records.root)},
            log=records.log(point),
        )
        for point in todo
    ]
    count = 0

    def started(task: Task) -> None:
        records.write(by_name[task.name])
        live.started(task)
        live.say(f"start  {task.name}")

    def ended(task: Task, code: int, seconds: float) -> None:
        nonlocal count
        count += 1
        live.ended(task)
        point = by_name[task.name]
        # What a signal to the sweep ended is not a failure of the run.
        asked = code != 0 and signals.stop is not None
        records.write(point, exit_code=None if asked else code, seconds=round(seconds, 3))
        line = f"[{count}/{len(tasks)}] {task.name}: "
        if records.state(point) == FINISHED:
            line += f"finished in {seconds:.0f} s"
        elif asked:
            line += "stopped"
        else:
            line += failure(code, task.log)
        live.say(line)

    def watch(names: Sequence[str]) -> Sequence[str]:
        live.look()
        return ()

    with Signals() as signals, Live(len(tasks)) as live:
        Pool(slots, signals, options.grace).run(tasks, started, ended, watch)
        return None if signals.stop is None else stop_code(signals)


def _report(options: argparse.Namespace, records: Records, points: Sequence[Point]) -> int:
    """Shows and writes what there is; 0 if all runs have finished."""
    finished, damaged = [], []
    for point in points:
        try:
            results = records.results(point)
        except ValueError as damage:
            damaged.append(str(damage))
            continue
        if results is not None:
            finished.append((point, results))
    if finished:
        wanted = options.metrics.split(",") if options.metrics else None
        text = write_results(records.root, points, finished, choose_metrics(finished, wanted))
        print(f"\n{text}\nmean ± standard error over the seeds; {records.root}/results.csv")
    failed = [point for point in points if records.state(point) == FAILED]
    if failed:
        print(f"\n{len(failed)} failed (--retry_failed runs them again):")
        for point in failed:
            record = records.read(point)
            log = Path(record.get("log") or records.log(point))
            said = "" if record["exit_code"] > 128 else last_line(log)
            print(f"  {point.name}: {said or failure(record['exit_code'], log)} ({log})")
    if damaged:
        print(f"\n{len(damaged)} left out of the table:")
        for line in damaged:
            print(f"  {line}")
    waiting = len(points) - len(finished) - len(failed) - len(damaged)
    if waiting:
        print(f"\n{waiting} not finished")
    return 0 if len(finished) == len(points) else 1


def _parser() -> Parser:
    parser = Parser(__doc__, _USAGE)
    add = parser.add_argument
    add("file", help="the sweep's TOML file")
    add("--root", help="folder of the sweep (default: runs/<name of the file>)")
    add("--backend", choices=("local", "slurm"), default="local", help="where (default: local)")
    add("--retry_failed", action="store_true", help="run those again that failed")
    add("--report_only", action="store_true", help="start nothing, show the results")
    add("--metrics", help="test metrics of the table, such as nll,ece (default: the usual ones)")
    add(
        "--dry_run",
        action="store_true",
        help="print the commands or the script, run nothing",
    )
    local = parser.add_argument_group("on this machine")
    local.add_argument("--cores", type=at_least(1), help="cores to use (default: all)")
    local.add_argument(
        "--cores_per_run", type=at_least(1), default=1, help="cores of each run (default: 1)"
    )
    local.add_argument(
        "--gpus_per_run", type=at_least(0), help="GPUs of each run (default: 1 if there are any)"
    )
    slurm = parser.add_argument_group("on Slurm")
    slurm.add_argument("--max_running", type=at_least(1), help="runs at a time")
    add_slurm_options(slurm, time_required=False)
    add_group_options(parser)
    add_module_option(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
