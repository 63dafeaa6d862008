"""What a Slurm job runs in each of its tasks: `python -m launch.slurm_task [options] -- COMMAND`.

`launch.slurm` writes the call into the script that it submits. It sets TF_CONFIG from the step's
variables, starts the worker, passes signals on, and ends in bounded time.

TensorFlow's servers listen on all interfaces of a node, without encryption or password: whoever is
on the cluster's network can reach them while the job runs.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping, Sequence
from typing import NoReturn

from launch.children import START_AGAIN, Signals
from launch.cluster import check_addresses, check_hosts, gpu_share, listens, tf_config, visible_gpus
from launch.command import Parser, add_group_options, add_module_option, at_least, run_command
from launch.group import Group, Worker, say
from launch.hostlist import expand_hosts, tasks_per_node
from launch.points import read_points

_USAGE = "srun python -m launch.slurm_task [options] -- <arguments of bnn.run>"
ARRAY_PLACEHOLDER = "{array}"
# Below the ports that Linux gives to outgoing connections (32768 and above).
_FIRST_PORT, _LAST_PORT, _PORTS_PER_JOB = 10000, 32000, 100
_PEER_TIMEOUT = 30.0  # seconds that a stopped worker waits for the others to end
_TICK = 0.5


def worker_addresses(environment: Mapping[str, str], port: int | None = None) -> list[str]:
    """The `host:port` of every task of the step, by rank.

    Ranks fill one node after the other (srun --distribution=block), and the task of rank r listens
    at `port + r`, so that no two tasks of a node share a port.

    Args:
      environment: with SLURM_STEP_NODELIST, SLURM_STEP_TASKS_PER_NODE and, without `port`,
        SLURM_JOB_ID, from which a port is derived so that jobs on one node differ.
      port: of rank 0.

    Raises:
      ValueError: not inside of a step, variables that contradict each other, or ports that do not
        exist.
    """
    hosts = expand_hosts(_variable(environment, "SLURM_STEP_NODELIST"))
    counts = tasks_per_node(_variable(environment, "SLURM_STEP_TASKS_PER_NODE"))
    if len(hosts) != len(counts):
        raise ValueError(
            f"SLURM_STEP_NODELIST names {len(hosts)} nodes and SLURM_STEP_TASKS_PER_NODE "
            f"{len(counts)}."
        )
    if port is None:
        slots = (_LAST_PORT - _FIRST_PORT) // _PORTS_PER_JOB
        job = int(_variable(environment, "SLURM_JOB_ID"))
        port = _FIRST_PORT + job % slots * _PORTS_PER_JOB
    by_rank = [host for host, count in zip(hosts, counts, strict=True) for _ in range(count)]
    addresses = [f"{host}:{port + rank}" for rank, host in enumerate(by_rank)]
    check_addresses(addresses)
    return addresses


def task_environment(
    environment: Mapping[str, str], port: int | None = None, gpus_per_task: int | None = None
) -> tuple[dict[str, str], list[str], int]:
    """The variables of this task's worker, the addresses of all workers, and this one's rank.

    Raises:
      ValueError: as `worker_addresses`, tasks that are not in blocks, or too few GPUs.
    """
    addresses = worker_addresses(environment, port)
    rank = int(_variable(environment, "SLURM_PROCID"))
    if rank >= len(addresses):
        raise ValueError(f"SLURM_PROCID is {rank}, but the step has {len(addresses)} tasks.")
    node, expected = environment.get("SLURMD_NODENAME"), addresses[rank].rpartition(":")[0]
    if node is not None and node != expected:
        raise ValueError(
            f"rank {rank} runs on node {node}, not {expected}: the ranks do not fill one node "
            "after the other; start the step with srun --distribution=block."
        )
    variables = {"TF_CONFIG": tf_config(addresses, rank), "PYTHONUNBUFFERED": "1"}
    if gpus_per_task is not None:
        local = int(_variable(environment, "SLURM_LOCALID"))
        gpus = visible_gpus(environment) if gpus_per_task else []
        variables["CUDA_VISIBLE_DEVICES"] = gpu_share(gpus, gpus_per_task, local)
    return variables, addresses, rank


def array_arguments(arguments: Sequence[str], environment: Mapping[str, str]) -> list[str]:
    """The arguments with `{array}` replaced by the number of this element of the job array."""
    if not any(ARRAY_PLACEHOLDER in argument for argument in arguments):
        return list(arguments)
    number = _variable(environment, "SLURM_ARRAY_TASK_ID")
    return [argument.replace(ARRAY_PLACEHOLDER, number) for argument in arguments]


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; the task's exit code."""
    options, arguments = _parser().parse_command(sys.argv[1:] if argv is None else argv)
    try:
        variables, addresses, rank = task_environment(
            os.environ, options.port, options.gpus_per_task
        )
        if len(addresses) > 1:
            check_hosts(addresses)
        if options.points is not None:
            number = int(_variable(os.environ, "SLURM_ARRAY_TASK_ID"))
            arguments = [*arguments, *read_points(options.points)[number].arguments]
        arguments = array_arguments(arguments, os.environ)
    except (ValueError, OSError, IndexError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    alone = len(addresses) == 1
    worker = Worker(
        f"task {rank} ({addresses[rank]})",
        run_command(options.module, arguments),
        variables,
        None if alone else addresses[rank],
    )
    with Signals() as signals:
        code = Group(
            [worker],
            signals,
            grace=options.grace,
            start_timeout=options.start_timeout,
            prefix=False,
        ).run()
        if code == START_AGAIN:
            _wait_for_peers([each for each in addresses if each != addresses[rank]])
    return code


def _wait_for_peers(addresses: Sequence[str]) -> None:
    """Waits until no other worker listens any more, at most `_PEER_TIMEOUT` seconds.

    srun --kill-on-bad-exit kills all tasks as soon as one has failed, and to exit with 42 is to
    fail: the others must have saved their state before.
    """
    deadline = time.monotonic() + _PEER_TIMEOUT
    while any(listens(address) for address in addresses):
        if time.monotonic() > deadline:
            say(f"other workers still run {_PEER_TIMEOUT:g} s after this one was stopped")
            return
        time.sleep(_TICK)


def _variable(environment: Mapping[str, str], name: str) -> str:
    try:
        return environment[name]
    except KeyError:
        hint = (
            "submit with launch.slurm --array"
            if "ARRAY" in name
            else "start it with srun, inside of a Slurm job"
        )
        raise ValueError(f"the variable {name} is not set; {hint}.") from None


def _parser() -> Parser:
    parser = Parser(__doc__, _USAGE)
    parser.add_argument("--port", type=at_least(1024), help="port of rank 0; rank r has port + r")
    parser.add_argument("--gpus_per_task", type=at_least(0), help="share of the node's GPUs")
    parser.add_argument("--points", help="points.json of a sweep: element n runs point n")
    add_group_options(parser)
    add_module_option(parser)
    return parser


def entry() -> NoReturn:
    """Runs the command line in a process that no stopping signal ends before its exit code.

    srun --kill-on-bad-exit sends SIGTERM to the others as soon as one task has exited with 42. One
    that met it while Python shuts down, without a handler, would end by that signal, the step with
    143, and the job would count as failed in place of going back into the queue.
    """
    with Signals():
        code = main()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    entry()
