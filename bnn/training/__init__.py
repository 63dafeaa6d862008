"""The training loop's parts: compiled steps, checkpoints, the run's folder, signals."""

from bnn.training.checkpoints import Checkpoints
from bnn.training.fit import Averages, fit
from bnn.training.folder import FolderInUseError, RunFolder, write_json, write_text
from bnn.training.interrupt import InterruptedRunError, StopRequest
from bnn.training.model_files import model_files
from bnn.training.nonfinite import NonFiniteLossError, is_finite, locate, snapshot
from bnn.training.plan import Plan
from bnn.training.stack import Stack, padded, stacked_values
from bnn.training.stacked_steps import StackedSteps
from bnn.training.steps import History, TrainingSteps

__all__ = [
    "Averages",
    "Checkpoints",
    "FolderInUseError",
    "History",
    "InterruptedRunError",
    "NonFiniteLossError",
    "Plan",
    "RunFolder",
    "Stack",
    "StackedSteps",
    "StopRequest",
    "TrainingSteps",
    "fit",
    "is_finite",
    "locate",
    "model_files",
    "padded",
    "snapshot",
    "stacked_values",
    "write_json",
    "write_text",
]
