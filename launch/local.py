"""Runs a group of workers on this machine, as one run.

Example:
  python -m launch.local --workers=2 -- --gin_file=gin_configs/digits.gin --workdir=runs/two
    --gin_bindings="run.strategy = @MultiWorker()"

Each worker gets a free port and its TF_CONFIG, and its output is shown behind its name. SIGINT,
SIGTERM and SIGUSR1 are passed on to all. When one worker fails, or does not join within
--start_timeout, the others are ended, killed after --grace where need be, and the exit code is that
of the first that failed (42: the state is saved, start again).

The workers speak over 127.0.0.1, but TensorFlow's servers (seen with 2.21) listen on all interfaces
whatever address TF_CONFIG names, without encryption or password, and who reaches one can have it
run operations. So several workers get a network of their own, in which there is no interface but
loopback: it needs nobody's rights, and cuts the workers off from the internet, so that Weights &
Biases is offline and nothing is downloaded. --no_private_network leaves them in the machine's
network: do so only where a firewall or a trusted network keeps others out. Where the system refuses
such a network the group starts without one and says so; with --private_network it does not start.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from launch.capacity import check_workers
from launch.children import Signals
from launch.cluster import LOOPBACK, free_ports, gpu_share, tf_config, visible_gpus
from launch.command import (
    Parser,
    add_group_options,
    add_module_option,
    at_least,
    check_arguments,
    check_data_dir,
    run_command,
)
from launch.group import Group, Worker, say
from launch.private_network import enter_private_network

_USAGE = "python -m launch.local [--workers=N] [options] -- <arguments of bnn.run>"
_USAGE_ERROR = 2  # what Python's own parsers exit with
_PAUSE = 1.0  # seconds before a restart


def make_workers(
    command: Sequence[str], count: int, gpus_per_worker: int | None = None
) -> list[Worker]:
    """The workers of one group, on ports that are free just now.

    Args:
      command: what every worker runs.
      count: number of workers.
      gpus_per_worker: GPUs of each; all of them where None.

    Raises:
      ValueError: there are not enough GPUs.
    """
    addresses = [f"{LOOPBACK}:{port}" for port in free_ports(count)]
    gpus = visible_gpus() if gpus_per_worker else []
    workers = []
    for index in range(count):
        environment = {"TF_CONFIG": tf_config(addresses, index), "PYTHONUNBUFFERED": "1"}
        if gpus_per_worker is not None:
            environment["CUDA_VISIBLE_DEVICES"] = gpu_share(gpus, gpus_per_worker, index)
        address = addresses[index] if count > 1 else None  # alone, it need not listen
        workers.append(Worker(f"worker {index}", command, environment, address))
    return workers


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; the process's exit code."""
    parser = _parser()
    options, arguments = parser.parse_command(sys.argv[1:] if argv is None else argv)
    command = run_command(options.module, arguments)
    try:
        check_arguments(options.module, arguments)
        check_data_dir(arguments)
        check_workers(options.workers)
        _isolate(options.private_network, options.workers)
        workers = make_workers(command, options.workers, options.gpus_per_worker)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return _USAGE_ERROR
    with Signals() as signals:
        for restart in range(options.restarts + 1):
            group = Group(
                workers,
                signals,
                grace=options.grace,
                start_timeout=options.start_timeout,
                prefix=options.workers > 1,
            )
            code = group.run()
            if code in (0, _USAGE_ERROR) or signals.stop is not None:
                return code
            if restart < options.restarts:
                say(f"restart {restart + 1} of {options.restarts}, from the last checkpoint")
                time.sleep(_PAUSE)  # a signal in it reaches the workers as soon as they are there
                workers = make_workers(command, options.workers, options.gpus_per_worker)
    return code


def _isolate(asked: bool | None, workers: int) -> None:
    """Enters a private network where it was asked for, or would be well; says where it is not so.

    Raises:
      OSError: it was asked for, and the system refuses one.
    """
    if asked or (asked is None and workers > 1):
        try:
            enter_private_network()
        except OSError as error:
            if asked:
                raise
            say(f"the workers' servers listen on all interfaces: {error}")
        else:
            say("the workers' network is loopback alone; --no_private_network gives the machine's")
    elif workers > 1:
        say("the workers' servers listen on all interfaces; --private_network keeps others out")


def _parser() -> Parser:
    parser = Parser(__doc__, _USAGE)
    parser.add_argument(
        "--workers", type=at_least(1), default=1, help="number of processes (default: 1)"
    )
    parser.add_argument(
        "--restarts",
        type=at_least(0),
        default=0,
        help="start the group again this often when it fails (default: 0)",
    )
    parser.add_argument(
        "--gpus_per_worker",
        type=at_least(0),
        help="divide the visible GPUs; 0: use none (default: every worker sees all)",
    )
    parser.add_argument(
        "--private_network",
        action="store_true",
        default=None,
        help="loopback alone, in a network of the group's own (default: for several workers)",
    )
    parser.add_argument(
        "--no_private_network",
        dest="private_network",
        action="store_false",
        help="the machine's network, on all of whose interfaces TensorFlow's servers listen",
    )
    add_group_options(parser)
    add_module_option(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
