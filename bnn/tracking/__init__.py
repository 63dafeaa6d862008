"""Trackers: where a run reports its metrics, figures and results."""

from bnn.tracking.console import Console
from bnn.tracking.jsonl import Jsonl, read_jsonl
from bnn.tracking.tensorboard import TensorBoard
from bnn.tracking.tracker import RunInfo, Tracker
from bnn.tracking.trackers import Trackers, run_trackers
from bnn.tracking.wandb_mode import resolve_mode
from bnn.tracking.weights_and_biases import WandB

__all__ = [
    "Console",
    "Jsonl",
    "RunInfo",
    "TensorBoard",
    "Tracker",
    "Trackers",
    "WandB",
    "read_jsonl",
    "resolve_mode",
    "run_trackers",
]
