"""Predicts with a trained run: a table, array, folder of images or texts in, a table out.

Example:
  python -m bnn.apply --workdir=runs/flats --inputs=new.csv --output=answers.csv

Inputs are what the run's data came from: a CSV or Parquet file (whose columns the output keeps), a
.npy array, a folder of image files, or a .txt file with a text in every line. The output, .csv or
.parquet, has a row for each: the mean in the target's units with its interval, or every class's
probability; aleatoric and epistemic uncertainty; and the Monte-Carlo error of each. Nothing is
written but the output, which must not exist yet. Exit codes: 0, 1 error.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from absl import app, flags

from bnn import command_line

if TYPE_CHECKING:
    from bnn.runs.finished import Run

_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run.", required=True)
_INPUTS = flags.DEFINE_string(
    "inputs", None, "File or folder of inputs, as the run's source has them.", required=True
)
_OUTPUT = flags.DEFINE_string("output", None, "File to write: .csv or .parquet.", required=True)
_LEVEL = flags.DEFINE_float(
    "level", None, "Mass of the central interval of targets that are numbers; 0.9 where absent."
)
_NUM_SAMPLES = flags.DEFINE_integer(
    "num_samples", None, "Functions of the posterior; as many as of the run's metrics where absent."
)
_IMPORT = flags.DEFINE_multi_string(
    "import",
    [],
    "Module that the recorded configuration may import, beside those of bnn; repeatable.",
)
flags.adopt_module_key_flags(command_line)

_WRITERS = {".csv": "to_csv", ".parquet": "to_parquet"}


def main(argv: Sequence[str]) -> int:
    """Restores the run, predicts and writes the table; the exit code."""
    if not command_line.start(argv):
        return 2
    try:
        output = _checked_output(_OUTPUT.value)
        kept, inputs = read_inputs(_INPUTS.value)
        from bnn.runs.restore import restore

        run = restore(_WORKDIR.value, imports=_IMPORT.value)
        frame = answers(run, kept, inputs, _LEVEL.value, num_samples=_NUM_SAMPLES.value)
        write(frame, output)
    except command_line.errors() as error:
        return command_line.explain(error)
    print(f"{len(frame)} rows with {', '.join(map(str, frame.columns))}: {output}")
    return 0


def _checked_output(name: str) -> Path:
    """The file to be written; ValueError or FileExistsError where it cannot be."""
    path = Path(name).expanduser()
    if path.suffix.lower() not in _WRITERS:
        raise ValueError(f"--output must end in .csv or .parquet, got {name!r}.")
    if path.exists() or path.is_symlink():
        raise ValueError(f"--output must not exist yet, got {name!r}; name another one.")
    if not path.parent.is_dir():
        raise ValueError(
            f"--output must be in a folder that is there, got {name!r}; create the folder first."
        )
    return path


def read_inputs(name: str) -> tuple[dict[str, Any], Any]:
    """Columns that the output keeps, beside a table's own, and inputs as the run's source has them.

    Args:
      name: of a file or folder.

    Raises:
      FileNotFoundError: no such file.
      ValueError: a folder without files; a `.npy` file that is no array of numbers.
    """
    path = Path(name).expanduser()
    if path.is_dir():
        files = sorted(p for p in path.iterdir() if p.is_file() and not p.name.startswith("."))
        if not files:
            raise ValueError(f"--inputs must be a folder of files, got {name!r}, which has none.")
        return {"file": [p.name for p in files]}, list(map(str, files))
    if not path.is_file():
        raise FileNotFoundError(f"--inputs {name}: no such file; correct the path.")
    if path.suffix.lower() == ".npy":
        return {}, _array(path)
    if path.suffix.lower() == ".txt":
        texts = path.read_text(encoding="utf-8").splitlines()
        return {"text": texts}, texts
    return {}, str(path)


def _array(path: Path) -> Any:
    import numpy as np

    try:
        return np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ValueError(
            f"--inputs must be an array of numbers, got {str(path)!r}, which numpy.load refuses "
            f"({error}); write it by numpy.save."
        ) from None


def answers(
    run: Run, kept: dict[str, Any], inputs: Any, level: float | None = None, **options: Any
) -> Any:
    """The output: what is kept of the inputs, then `Predictive.to_dataframe`.

    Args:
      run: restored.
      kept: columns beside a table's own.
      inputs: as the run's source has them; of a table the file's path.
      level: of the interval of targets that are numbers; 0.9 where None.
      **options: of `Run.predictive`.

    Raises:
      ValueError: inputs that the source does not take; a level for classes; a column of the inputs
        that has the name of one of the answers; a run of targets that have a likelihood each.
    """
    import pandas as pd

    from bnn.data.preparation import TablePreparation
    from bnn.data.table_files import read_table

    if run.data.task == "multiple":
        raise ValueError(
            f"--workdir must hold a run with one likelihood, got one of "
            f"{', '.join(map(repr, run.data.scaling.targets))} with a likelihood each; in Python "
            f"bnn.restore(folder).predictive(inputs) answers by name."
        )
    said = run.predictive(inputs, raw=True, **options)
    if level is None and run.data.task != "classification":
        level = 0.9
    answer = said.to_dataframe(level=level)
    source = run.data.scaling.inputs
    if isinstance(source, TablePreparation) and isinstance(inputs, str):
        kept = {**read_table(inputs, *source.form)}
    own = pd.DataFrame(kept, index=answer.index)
    if both := sorted(set(own.columns) & set(answer.columns)):
        raise ValueError(
            f"columns of --inputs must not be named as the answers are, got {', '.join(both)}; "
            "rename or leave them out."
        )
    return pd.concat([own, answer], axis=1)


def write(frame: Any, path: Path) -> None:
    """Writes the table beside its place first; a file that appeared there meanwhile stays."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp{path.suffix}")
    try:
        getattr(frame, _WRITERS[path.suffix.lower()])(beside, index=False)
        os.link(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def entry() -> None:
    """Runs the command line."""
    app.run(main)


if __name__ == "__main__":
    entry()
