"""What a run predicted, example by example, in one file.

Means over a test set cannot be compared in pairs; the losses of each example can. The samples
themselves, which are large, go along where they fit.
"""

from __future__ import annotations

import dataclasses
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import log_softmax

from bnn.training import write_arrays

# 2: means and scales stand in units of their own, which the file holds in double precision.
_FORMAT = 2
_READABLE = (1, 2)
# All samples of 32 weights on the ten classes of 10,000 images are 12.8 MB in float32.
MAX_BYTES = 32 * 2**20
_SAMPLES = ("log_probs", "loc", "scale")
_TASKS = ("classification", "regression", "multilabel", "counts", "survival", "heads")
# What NumPy and zipfile raise for a file that is damaged or none of theirs.
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    tokenize.TokenError,
    ValueError,
    OSError,
    EOFError,
    AttributeError,
    KeyError,
    NotImplementedError,
    RuntimeError,
    SyntaxError,
    MemoryError,
    TypeError,
)


@dataclasses.dataclass(frozen=True, eq=False)
class Predictions:
    """The predictions of B examples by S weight samples.

    Attributes:
      task: of the likelihood: "classification", "regression", "multilabel", "counts", "survival"
        or "heads"; that of the positions where an example has several.
      num_samples: S, of which losses and scores are the mixture's.
      targets: labels `[B]` or targets `[B, D]` in their own units, those of several heads side by
        side; empty where the examples have none that the model could know, as out of distribution.
      losses: by name `[B]`: nll (nats), and error and brier, or squared_error and crps (squared
        and plain target units), of several heads `<head>/<name>`. Empty where there are no targets.
      scores: uncertainty by name `[B]`, larger is less sure: max_probability, entropy and
        mutual_information (nats), or predictive_std (target units).
      log_probs: `[S, B, C]`, nats; None for other tasks than classification, or where the file
        would exceed its size.
      loc: means `[S, B, D]` in target units; None where the samples are no normals, or too large.
      scale: standard deviations of the observation noise, broadcastable to `loc`.
      inputs: `[B]`, where an input is one number, in its own units.
      rows: integers `[B]`, which row of the data each example is: the same for the same example in
        every split; None where nobody knows.
    """

    task: str
    num_samples: int
    targets: np.ndarray
    losses: Mapping[str, np.ndarray]
    scores: Mapping[str, np.ndarray]
    log_probs: np.ndarray | None = None
    loc: np.ndarray | None = None
    scale: np.ndarray | None = None
    inputs: np.ndarray | None = None
    rows: np.ndarray | None = None

    @property
    def has_samples(self) -> bool:
        """Whether the samples themselves are here, not only what was computed from them."""
        return self.log_probs is not None or self.loc is not None

    @property
    def num_examples(self) -> int:
        """B."""
        return len(next(iter(self.scores.values())))

    def _units(self) -> dict[str, np.ndarray]:
        """Centre and spread of the means of each target, float64 `[D]`; nothing without means."""
        if self.loc is None:
            return {}
        loc = self.loc.astype(np.float64)
        spread = loc.std(axis=(0, 1))
        spread = np.where(np.isfinite(spread) & (spread > 0), spread, 1.0)
        center = loc.mean(axis=(0, 1))
        return {"unit_loc": np.where(np.isfinite(center), center, 0.0), "unit_scale": spread}

    def _samples(self) -> dict[str, np.ndarray | None]:
        """The samples; those of a regression without units, which single precision would round."""
        if self.loc is None or self.scale is None:
            return {name: getattr(self, name) for name in _SAMPLES}
        units = self._units()
        loc = (self.loc.astype(np.float64) - units["unit_loc"]) / units["unit_scale"]
        return {"loc": loc, "scale": self.scale.astype(np.float64) / units["unit_scale"]}

    def save(self, path: str | Path, max_bytes: int = MAX_BYTES) -> None:
        """Writes one file, complete or not at all.

        Samples are kept in float32 where they fit into `max_bytes`, log-probabilities in float16
        where only that fits, and else left out; losses and scores are always kept, in float64.

        Args:
          path: ends in `.npz`; its folder is created.
          max_bytes: for the samples.

        Raises:
          ValueError: if `path` does not end in `.npz`.
        """
        path = Path(path)
        if path.suffix != ".npz":
            raise ValueError(f"path must end in '.npz', got {str(path)!r}.")
        arrays: dict[str, Any] = {
            "format": _FORMAT,
            "task": self.task,
            "num_samples": self.num_samples,
            "targets": self.targets,
            **{f"loss/{name}": values for name, values in self.losses.items()},
            **{f"score/{name}": values for name, values in self.scores.items()},
            **_fitting(self._samples(), max_bytes),
            **self._units(),
        }
        arrays |= {n: a for n in ("inputs", "rows") if (a := getattr(self, n)) is not None}
        write_arrays(path, arrays)


def _fitting(samples: Mapping[str, np.ndarray | None], max_bytes: int) -> dict[str, np.ndarray]:
    """The samples in the precision that fits, or none of them."""
    present = {name: array for name, array in samples.items() if array is not None}
    size = sum(array.size for array in present.values())
    if 4 * size <= max_bytes:
        return {name: array.astype(np.float32) for name, array in present.items()}
    # Three digits are enough for log-probabilities; means far from zero would lose their noise.
    if 2 * size <= max_bytes and set(present) == {"log_probs"}:
        floor = np.maximum(present["log_probs"], np.finfo(np.float16).min)
        return {"log_probs": floor.astype(np.float16)}
    return {}


def load_predictions(path: str | Path) -> Predictions:
    """Reads what `Predictions.save` wrote. Nothing in the file is executed.

    Raises:
      FileNotFoundError: no such file.
      ValueError: the file is damaged, was written by something else, or has another format.
    """
    path = Path(path)
    remedy = "run the experiment again in a new folder to have it written anew"
    try:
        # Opened here: NumPy leaves a file that it cannot read open.
        with path.open("rb") as content, np.load(content, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except FileNotFoundError:
        raise
    except _DAMAGE as damage:
        message = f"{path} is no readable file of predictions ({damage}); {remedy}."
        raise ValueError(message) from damage
    if "format" not in arrays or arrays["format"] not in _READABLE:
        raise ValueError(
            f"{path}: the format must be {_FORMAT}, got {arrays.get('format', 'none')}; {remedy}."
        )
    missing = [name for name in ("task", "num_samples", "targets") if name not in arrays]
    if missing:
        missed = f"lacks {', '.join(missing)}"
        raise ValueError(f"{path} is no readable file of predictions ({missed}); {remedy}.")
    fault = _fault(arrays)
    if fault:
        raise ValueError(f"{path} is no readable file of predictions ({fault}); {remedy}.")
    log_probs = arrays.get("log_probs")
    if log_probs is not None and log_probs.dtype == np.float16:
        # Rounding took the sum of the probabilities off 1.
        log_probs = log_softmax(log_probs.astype(np.float32), axis=-1)
    return Predictions(
        task=str(arrays["task"]),
        num_samples=int(arrays["num_samples"]),
        targets=arrays["targets"],
        losses=_under("loss/", arrays),
        scores=_under("score/", arrays),
        log_probs=log_probs,
        **_in_own_units(arrays),
        inputs=arrays.get("inputs"),
        rows=arrays.get("rows"),
    )


def _fault(arrays: Mapping[str, np.ndarray]) -> str:
    """What contradicts itself in a file that could be read, or ""."""
    task, number = arrays["task"], arrays["num_samples"]
    if str(task) not in _TASKS:
        return f"task {str(task)[:40]!r}"
    if number.shape != () or number.dtype.kind not in "iu" or number < 1:
        return "num_samples is no number of at least 1"
    lengths = {
        name: array.shape
        for name, array in arrays.items()
        if name.startswith(("loss/", "score/")) or name in ("inputs", "rows")
    }
    if len(set(lengths.values())) != 1 or len(next(iter(lengths.values()))) != 1:
        shown = ", ".join(f"{name} {shape}" for name, shape in lengths.items())
        return f"shapes of the examples that differ: {shown or 'none'}"
    (size,) = next(iter(lengths.values()))
    if arrays["targets"].shape[:1] not in ((size,), (0,)):
        return f"targets of shape {arrays['targets'].shape} for {size} examples"
    for name in ("log_probs", "loc"):
        if name in arrays and arrays[name].shape[:2] != (int(number), size):
            return f"{name} of shape {arrays[name].shape} for {number} samples of {size} examples"
    if any(array.dtype.kind not in "iufb" for name, array in arrays.items() if name != "task"):
        return "arrays that are no numbers"
    return ""


def _in_own_units(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray | None]:
    """Means and scales in target units and double precision; None where the file has none."""
    if "loc" not in arrays or "scale" not in arrays:
        return {"loc": None, "scale": None}
    loc, scale = arrays["loc"].astype(np.float64), arrays["scale"].astype(np.float64)
    if "unit_scale" in arrays:  # older files hold target units
        loc = loc * arrays["unit_scale"] + arrays["unit_loc"]
        scale = scale * arrays["unit_scale"]
    return {"loc": loc, "scale": scale}


def _under(prefix: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }
