"""Bayesian neural networks on TensorFlow and Keras 3, every estimator proved."""

import contextlib
import importlib
import importlib.metadata
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

# `python -m bnn` lists the commands, and ends before TensorFlow's seconds. While Python looks for
# the module of -m, argv[0] is "-m", and the rest of argv what stands behind the module.
if sys.argv[:1] == ["-m"] and sys.orig_argv[-len(sys.argv)] in ("bnn", "-mbnn"):
    from bnn.__main__ import listing

    print(listing())
    sys.exit()

# TensorFlow greets with a page of C++ log lines, of which only errors are kept, and none by the
# command lines, whose output is for people; what the user has set wins. This has to happen before
# TensorFlow is imported, and the package is imported before its commands.
_COMMANDS = {"bnn.run", "bnn.apply", "bnn.report", "bnn.replay"}
_CHOSEN = "TF_CPP_MIN_LOG_LEVEL" in os.environ
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3" if _COMMANDS & set(sys.orig_argv) else "2")


@contextlib.contextmanager
def _without_greeting() -> Iterator[None]:
    """Holds back what TensorFlow logs while it is loaded, which no level of its own reaches.

    Its lines of information and warnings go; any other line, and all of them where loading fails,
    are written to stderr afterwards.
    """
    if "tensorflow" in sys.modules or (_CHOSEN and os.environ["TF_CPP_MIN_LOG_LEVEL"] < "2"):
        yield
        return
    try:
        stderr = os.dup(2)
    except OSError:  # closed
        yield
        return
    failed = True
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
            failed = False
        finally:
            sys.stderr.flush() if sys.stderr else None
            os.dup2(stderr, 2)
            os.close(stderr)
            held.seek(0)
            for line in held:
                if failed or not re.match(rb"[IW]\d{4} \d\d:|WARNING: All log messages", line):
                    os.write(2, line)


# Else the first layer fails with a message about NumPy. The variable says it before Keras looks for
# a library that need not be there; what is imported already, or a keras.json chose, Keras says.
_NEEDED = "bnn needs the TensorFlow backend, set KERAS_BACKEND=tensorflow"
if (_backend := os.environ.get("KERAS_BACKEND") or "tensorflow") != "tensorflow":
    raise ImportError(f"{_NEEDED}; got KERAS_BACKEND={_backend!r}.")
try:
    with _without_greeting():
        import keras
except ModuleNotFoundError as error:
    _backend = (error.name or "").partition(".")[0]
    if _backend not in ("torch", "jax", "jaxlib", "openvino"):
        raise
    raise ImportError(f"{_NEEDED}; Keras's own configuration asks for {_backend!r}.") from error
if (_backend := keras.config.backend()) != "tensorflow":
    raise ImportError(f"{_NEEDED}, before Keras is imported; its backend is {_backend!r}.")

from bnn import estimators, layers, likelihoods, models, objectives, posteriors, priors, schedules
from bnn.conversion import convert, moped, to_keras
from bnn.draw import Draw
from bnn.keras_model import BayesianModel
from bnn.ledger import ledger
from bnn.noise import Noise
from bnn.prediction import predict
from bnn.predictive import predictive
from bnn.sites import sites

# What takes longer to import, or needs more, is imported when it is first asked for: a package, or
# a name of a module.
_LATER = {
    "data": "bnn.data",
    "diagnostics": "bnn.diagnostics",
    "evaluation": "bnn.evaluation",
    "experiment": "bnn.experiment",
    "export": "bnn.predictive.export:export",
    "export_moments": "bnn.predictive.export_moments:export_moments",
    "figures": "bnn.figures",
    "load_predictions": "bnn.runs.prediction_file:load_predictions",
    "methods": "bnn.methods",
    "metrics": "bnn.metrics",
    "restore": "bnn.runs.restore:restore",
    "tracking": "bnn.tracking",
    "training": "bnn.training",
}

__all__ = [
    "BayesianModel",
    "Draw",
    "Noise",
    "__version__",
    "convert",
    "data",
    "diagnostics",
    "estimators",
    "evaluation",
    "experiment",
    "export",
    "export_moments",
    "figures",
    "layers",
    "ledger",
    "likelihoods",
    "load_predictions",
    "methods",
    "metrics",
    "models",
    "moped",
    "objectives",
    "posteriors",
    "predict",
    "predictive",
    "priors",
    "restore",
    "schedules",
    "sites",
    "to_keras",
    "tracking",
    "training",
]


def __getattr__(name: str) -> Any:
    """The names that are imported when they are first asked for."""
    if name == "__version__":
        return importlib.metadata.version("bnn")
    if name not in _LATER:
        raise AttributeError(f"module 'bnn' has no attribute {name!r}")
    module, _, inside = _LATER[name].partition(":")
    found = importlib.import_module(module)
    return getattr(found, inside) if inside else found


def __dir__() -> list[str]:
    """What users need."""
    return list(__all__)
