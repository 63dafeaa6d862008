"""The training loop's parts: compiled steps, checkpoints, the run's folder, signals."""

from bnn.training.archive import Archive
from bnn.training.checkpoint_contents import CheckpointMismatchError
from bnn.training.checkpoints import Checkpoints, DamagedCheckpointError
from bnn.training.files import write_arrays, write_json, write_text, write_whole
from bnn.training.fit import Averages, fit
from bnn.training.interrupt import InterruptedRunError, StopRequest
from bnn.training.nonfinite import NonFiniteLossError, is_finite, locate, snapshot
from bnn.training.plan import Plan
from bnn.training.replica_checks import check_layers
from bnn.training.replicated import ReplicatedSteps
from bnn.training.stack import Stack, padded, stacked_values
from bnn.training.stacked_steps import StackedSteps
from bnn.training.stepper import Descent, Function, Info, Reduce, Stepper
from bnn.training.steps import History, TrainingSteps
from bnn.training.strategies import Mirrored, MultiWorker, OneDevice, Strategy
from bnn.training.workers import WorkerFailedError, Workers

__all__ = [
    "Archive",
    "Averages",
    "CheckpointMismatchError",
    "Checkpoints",
    "DamagedCheckpointError",
    "Descent",
    "Function",
    "History",
    "Info",
    "InterruptedRunError",
    "Mirrored",
    "MultiWorker",
    "NonFiniteLossError",
    "OneDevice",
    "Plan",
    "Reduce",
    "ReplicatedSteps",
    "Stack",
    "StackedSteps",
    "Stepper",
    "StopRequest",
    "Strategy",
    "TrainingSteps",
    "WorkerFailedError",
    "Workers",
    "check_layers",
    "fit",
    "is_finite",
    "locate",
    "padded",
    "snapshot",
    "stacked_values",
    "write_arrays",
    "write_json",
    "write_text",
    "write_whole",
]
