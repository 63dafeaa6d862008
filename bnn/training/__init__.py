"""The training loop's parts: compiled steps, checkpoints, the run's folder, signals."""

from bnn.training.checkpoint_contents import CheckpointMismatchError
from bnn.training.checkpoints import Checkpoints, DamagedCheckpointError
from bnn.training.fit import Averages, Steps, fit
from bnn.training.folder import FolderInUseError, RunFolder, write_json, write_text
from bnn.training.interrupt import InterruptedRunError, StopRequest
from bnn.training.model_files import model_files
from bnn.training.nonfinite import NonFiniteLossError, is_finite, locate, snapshot
from bnn.training.plan import Plan
from bnn.training.replica_checks import check_layers
from bnn.training.replicated import ReplicatedSteps, ReplicaTerms
from bnn.training.stack import Stack, padded, stacked_values
from bnn.training.stacked_steps import StackedSteps
from bnn.training.steps import History, TrainingSteps
from bnn.training.strategies import Mirrored, MultiWorker, OneDevice, Strategy
from bnn.training.workers import WorkerFailedError, Workers

__all__ = [
    "Averages",
    "CheckpointMismatchError",
    "Checkpoints",
    "DamagedCheckpointError",
    "FolderInUseError",
    "History",
    "InterruptedRunError",
    "Mirrored",
    "MultiWorker",
    "NonFiniteLossError",
    "OneDevice",
    "Plan",
    "ReplicaTerms",
    "ReplicatedSteps",
    "RunFolder",
    "Stack",
    "StackedSteps",
    "Steps",
    "StopRequest",
    "Strategy",
    "TrainingSteps",
    "WorkerFailedError",
    "Workers",
    "check_layers",
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
