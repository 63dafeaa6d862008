"""Answers of a run of several targets, each with a likelihood of its own, as one table."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from bnn.likelihoods import Heads
from bnn.predictive import predictive
from bnn.predictive.blocks import rows_a_block
from bnn.predictive.quantities import QUANTITIES

if TYPE_CHECKING:
    from bnn.data.scaling import TargetScaling
    from bnn.runs.finished import Run

_NUMBERS = ("values", "counts")


def frame_by_target(
    run: Run, inputs: Any, level: float | None = None, num_samples: int | None = None
) -> Any:
    """`Predictive.to_dataframe` of every target, side by side; every column names its target.

    A class's probability is `mean_<target>_<class>`, its uncertainties `total_<target>` ….

    Args:
      run: restored, with the likelihood `Heads`.
      inputs: as the run's source has them.
      level: of the interval of targets that are numbers; 0.9 where None.
      num_samples: S; the run's own where None.

    Raises:
      ValueError: inputs that the source does not take; a level where no target is a number.
    """
    import pandas as pd

    scalings = run.data.scaling.targets
    assert isinstance(scalings, dict)
    numbers = [name for name, scaling in scalings.items() if scaling.kind in _NUMBERS]
    if level is not None and not numbers:
        raise ValueError(
            f"level must be left out where no target is a number, got {level} for "
            f"{', '.join(map(repr, scalings))}; probabilities are their own answer."
        )
    prepared = run.data.prepare_inputs(inputs)
    count = run.num_predict_samples if num_samples is None else num_samples
    seed = run.problem.seed
    functions = run.method.functions(count, seed)
    heads = run.problem.likelihood
    assert isinstance(heads, Heads)
    size, frames = rows_a_block(run.model, count), []
    for first in range(0, max(1, len(keras.tree.flatten(prepared)[0])), size):
        rows = slice(first, first + size)
        block = keras.tree.map_structure(lambda leaf, rows=rows: leaf[rows], prepared)
        # One prediction, of which every target has its part.
        samples = heads.split("samples", run.method.predict(block, count, seed))
        parts = []
        for name, scaling in scalings.items():
            units = {"loc": scaling.loc, "scale": scaling.scale} if scaling.kind == "values" else {}
            options: dict[str, Any] = {"functions": functions, "batch_size": size, **units}
            said = predictive(run.model, heads.likelihoods[name], block, count, seed, **options)
            said.predict_by(_known(samples[name]))
            said.names = _names(name, scaling, said.mean.shape[1])
            mass = (0.9 if level is None else level) if name in numbers else None
            parts.append(said.to_dataframe(mass).rename(columns=_renamed(name)))
        frames.append(pd.concat(parts, axis=1))
    return pd.concat(frames, ignore_index=True)


def _known(outputs: tf.Tensor) -> Callable[[Any], tf.Tensor]:
    return lambda _: outputs


def _names(target: str, scaling: TargetScaling, columns: int) -> tuple[str, ...]:
    """Of a target's columns."""
    if columns == 1:
        return (target,)
    parts = scaling.names or tuple(map(str, range(columns)))
    return tuple(f"{target}_{part}" for part in parts[:columns])


def _renamed(target: str) -> dict[str, str]:
    """The columns of a frame that name a quantity alone, with the target's name."""
    return {
        f"{quantity}{suffix}": f"{quantity}_{target}{suffix}"
        for quantity in QUANTITIES
        for suffix in ("", "_standard_error")
    }
