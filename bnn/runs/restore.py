"""The trained model of a run's folder, ready to predict."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bnn.runs.finished import Run
from bnn.runs.recorded import load, prepare_recorded, recorded_folder


def restore(
    folder: str | Path,
    unfinished: bool = False,
    *,
    imports: Sequence[str] = (),
    **arguments: Any,
) -> Run:
    """Builds what the run's folder describes and loads its newest readable checkpoint.

    Where the data's source is gone, or data that were given in Python are not given again, `data`
    is what was recorded of them: no examples, but shapes, kinds and scaling, which is all that
    `predictive` needs. Gin's current bindings are put aside meanwhile. Nothing is written. The
    folder may come from elsewhere: its `config.gin` is read as data, see `imports`.

    Args:
      folder: of the run.
      unfinished: take the newest checkpoint of a run that has not ended, too.
      imports: modules with configurables that the recorded configuration may import, beside bnn's
        and those that are imported already.
      **arguments: what `bnn.experiment.run` was given in Python (model, data …), which the folder
        describes but cannot build.

    Raises:
      FileNotFoundError: the folder holds no run, or no checkpoint of it.
      ValueError: the run has not ended; the configuration imports a module that is not allowed;
        an argument that was given in Python, data aside, is missing or another; the data have
        changed; or the checkpoint is of another model than the configuration describes.
    """
    files = recorded_folder(folder)
    results = files.finished()
    if results is None and not unfinished:
        raise ValueError(
            f"the run in {files.path} must have ended, but has no {files.results.name}; start its "
            "command again, or pass unfinished=True."
        )
    num_train = (results or {}).get("num_train")
    session = prepare_recorded(
        folder, imports=imports, without_data=True, num_train=num_train, **arguments
    )
    return Run(session, results, load(session))
