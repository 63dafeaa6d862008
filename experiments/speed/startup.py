"""From the start of a process: its first training step, its peak memory, and `import bnn` alone."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import time
from collections.abc import Sequence

from experiments.speed.session import Worker

FORMS = {
    "bnn": "reparameterization/",
    "tfp.layers": "reparameterization/graph",
    "NumPyro": "reparameterization/jit",
    "JAX by hand": "reparameterization/jit",
    "PyTorch by hand": "reparameterization/eager",
    "bayesian-torch": "reparameterization/eager",
}
BOUNDED, FEW = ("bnn", "tfp.layers"), 2
IMPORTS = {
    "import bnn": "import bnn",
    "import tensorflow, tensorflow_probability": "import tensorflow, tensorflow_probability",
}


@dataclasses.dataclass(frozen=True)
class Start:
    """One process."""

    what: str  # "first step" or an import
    peer: str  # whose
    round: int  # number of the round
    seconds: float  # from the start of the process until the step was done, or of the whole process
    peak_bytes: int  # peak resident memory after `steps` more steps; 0 where not measured


def measure_starts(case: str, peers: Sequence[str], rounds: int, steps: int = 20) -> list[Start]:
    """All peers in turns, those without a bound in the first `FEW` rounds only.

    A round before the others compiles the bytecode and fills the file caches.
    """
    starts = []
    for number in range(-1, rounds):
        for peer in peers if number < FEW else [p for p in peers if p in BOUNDED]:
            form = FORMS[peer]
            begin = time.perf_counter()
            with Worker(peer, case, "--only", form) as worker:
                ready = worker.ready()
                seconds = time.perf_counter() - begin
                if not ready["variants"]:
                    raise RuntimeError(f"{peer} has no first step: {ready['failed']}")
                worker.run(ready["variants"][0], steps)
                if number >= 0:
                    starts.append(Start("first step", peer, number, seconds, worker.peak))
        for name, statement in IMPORTS.items():
            begin = time.perf_counter()
            subprocess.run([sys.executable, "-c", statement], check=True, capture_output=True)
            if number >= 0:
                starts.append(Start(name, "bnn", number, time.perf_counter() - begin, 0))
    return starts
