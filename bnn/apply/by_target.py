"""Answers of a run of several targets, each with a likelihood of its own, as one table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bnn.likelihoods import Heads
from bnn.predictive import Predictive, predictive
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
    frames = []
    for name, scaling in scalings.items():
        said = _of_target(run, name, scaling, prepared, num_samples)
        mass = (0.9 if level is None else level) if name in numbers else None
        renamed = {
            f"{quantity}{suffix}": f"{quantity}_{name}{suffix}"
            for quantity in QUANTITIES
            for suffix in ("", "_standard_error")
        }
        frames.append(said.to_dataframe(mass).rename(columns=renamed))
    return pd.concat(frames, axis=1)


def _of_target(
    run: Run, name: str, scaling: TargetScaling, prepared: Any, num_samples: int | None
) -> Predictive:
    """What the run's functions say of one target, in its own units."""
    count = run.num_predict_samples if num_samples is None else num_samples
    heads, seed = run.problem.likelihood, run.problem.seed
    assert isinstance(heads, Heads)
    units: dict[str, Any] = {}
    if scaling.kind == "values":
        units = {"loc": scaling.loc, "scale": scaling.scale}
    said = predictive(
        run.model, heads.likelihoods[name], prepared, count, seed,
        functions=run.method.functions(count, seed), **units
    )  # fmt: skip
    said.predict_by(
        lambda rows: heads.split("samples", run.method.predict(rows, count, seed))[name]
    )
    columns = said.mean.shape[1]
    parts = scaling.names or tuple(map(str, range(columns)))
    said.names = (name,) if columns == 1 else tuple(f"{name}_{part}" for part in parts[:columns])
    return said
