"""A worker without TensorFlow that listens, fails, hangs or obeys signals as its options say.

python -m launch.local --workers=2 --module=tests.launch.stand_in -- --fail=1:3
"""

import argparse
import json
import os
import pathlib
import signal
import socket
import sys
import time


def main():
    options = parse()
    cluster = json.loads(os.environ["TF_CONFIG"])
    index = cluster["task"]["index"]
    if options.deaf in (index, "all") or index == options.absent:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    elif options.saves:
        for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT):
            signal.signal(number, save)
    addresses = [address.rpartition(":")[::2] for address in cluster["cluster"]["worker"]]
    listener = None
    if index != options.absent:
        host, port = addresses[index]
        listener = socket.create_server((host, int(port)))
    keys = ("TF_CONFIG", "CUDA_VISIBLE_DEVICES", "SLURMD_NODENAME", "SLURM_RESTART_COUNT")
    facts = {key: os.environ.get(key) for key in keys}
    facts["interfaces"] = [name for _, name in socket.if_nameindex()]
    facts["user"] = os.getuid()
    print("facts", json.dumps({"pid": os.getpid(), "arguments": sys.argv[1:], **facts}), flush=True)
    if options.attempts and index == 0:
        attempt(*options.attempts.rsplit(":", 1))
    if options.fail and index == int(options.fail.partition(":")[0]):
        wait_for(addresses)
        time.sleep(options.delay)
        end(int(options.fail.partition(":")[2]))
    time.sleep(options.seconds)
    del listener


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("--fail", help="INDEX:CODE, the code negative for a signal")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before it fails")
    parser.add_argument("--absent", type=int, help="the worker that never listens")
    parser.add_argument("--deaf", type=lambda text: text if text == "all" else int(text))
    parser.add_argument("--saves", action="store_true", help="42 at SIGTERM, 130 at SIGINT")
    parser.add_argument("--attempts", help="FILE:N, worker 0 fails before the Nth attempt")
    parser.add_argument("--seconds", type=float, default=0.0)
    return parser.parse_args()


def save(number, frame):
    del frame
    print("saved at", signal.Signals(number).name, flush=True)
    sys.exit(130 if number == signal.SIGINT else 42)


def wait_for(addresses):
    """Waits until all workers listen, and so have their signal handlers."""
    for host, port in addresses:
        while True:
            try:
                socket.create_connection((host, int(port)), 1).close()
                break
            except OSError:
                time.sleep(0.05)


def attempt(file, needed):
    path = pathlib.Path(file)
    count = int(path.read_text()) + 1 if path.exists() else 1
    path.write_text(str(count))
    if count < int(needed):
        end(1)


def end(code):
    if code < 0:
        os.kill(os.getpid(), -code)
    sys.exit(code)


if __name__ == "__main__":
    main()
