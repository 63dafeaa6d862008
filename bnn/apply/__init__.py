"""Predictions of a run as a table: `python -m bnn.apply`, whose flags are in `__main__.py`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bnn.formatting import show

if TYPE_CHECKING:
    from bnn.runs.finished import Run

_ENDINGS = (".csv", ".parquet")


def checked_output(name: str) -> Path:
    """The file to be written; ValueError where it cannot be, ImportError without pandas."""
    path = Path(name).expanduser()
    if path.suffix.lower() not in _ENDINGS:
        raise ValueError(f"--output must end in .csv or .parquet, got {name!r}.")
    if path.exists() or path.is_symlink():
        raise ValueError(f"--output must not exist yet, got {name!r}; name another one.")
    if not path.parent.is_dir():
        raise ValueError(
            f"--output must be in a folder that is there, got {name!r}; create the folder first."
        )
    _pandas()
    return path


def _pandas() -> Any:
    from bnn.data.extras import required

    return required("pandas", "tables", "pandas", "writing answers")


def read_inputs(name: str) -> tuple[dict[str, Any], Any]:
    """Columns that the output keeps, beside a table's own, and inputs as the run's source has them.

    Args:
      name: of a file or folder.

    Raises:
      FileNotFoundError: no such file.
      ValueError: a folder without files, or with folders; a `.npy` file that is no array of
        numbers; a `.txt` file that is not UTF-8.
    """
    path = Path(name).expanduser()
    if path.is_dir():
        files = sorted(p for p in path.iterdir() if not p.name.startswith("."))
        if not files:
            raise ValueError(f"--inputs must be a folder of files, got {name!r}, which has none.")
        if folders := [p.name for p in files if p.is_dir()]:
            raise ValueError(
                f"--inputs must be a folder of files alone, got {name!r} with the folder "
                f"{folders[0]!r}; name one folder at a time."
            )
        return {"file": [p.name for p in files]}, list(map(str, files))
    if not path.is_file():
        raise FileNotFoundError(f"--inputs {name}: no such file; correct the path.")
    if path.suffix.lower() == ".npy":
        return {}, _array(path)
    if path.suffix.lower() == ".txt":
        texts = _lines(path)
        return {"text": texts}, texts
    return {}, str(path)


def _lines(path: Path) -> list[str]:
    try:
        with path.open(encoding="utf-8") as file:
            return [line.removesuffix("\n") for line in file]
    except UnicodeDecodeError as error:
        raise ValueError(
            f"--inputs must be text in UTF-8, got {str(path)!r} ({error}); convert it."
        ) from None


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
    """The output: what is kept of the inputs, then `Predictive.to_dataframe` of every target.

    Args:
      run: restored.
      kept: columns beside a table's own.
      inputs: as the run's source has them; of a table the file's path.
      level: of the interval of targets that are numbers; 0.9 where None.
      **options: of `Run.predictive`.

    Raises:
      ValueError: inputs that the source does not take; a level for classes; a column of the inputs
        that has the name of one of the answers.
    """
    from bnn.data.preparation import ImagePreparation, TablePreparation
    from bnn.data.table_files import read_table

    source = run.data.scaling.inputs
    if isinstance(inputs, str) and not isinstance(source, ImagePreparation):
        if not isinstance(source, TablePreparation):
            raise ValueError(
                f"--inputs must be what the run's data are, of kind {source.kind!r}, got "
                f"{inputs!r}, which is read as a table; give a .npy array, or a .txt file of texts."
            )
        inputs = read_table(inputs, *source.form)
        kept = dict(inputs)
    pandas = _pandas()
    if isinstance(run.data.scaling.targets, dict):
        from bnn.apply.by_target import frame_by_target

        answer = frame_by_target(run, inputs, level, **options)
    else:
        said = run.predictive(inputs, raw=True, **options)
        if level is None and run.data.task not in ("classification", "multi_label"):
            level = 0.9
        answer = said.to_dataframe(level=level)
    own = pandas.DataFrame(kept, index=answer.index)
    if both := sorted(set(own.columns) & set(answer.columns)):
        raise ValueError(
            f"columns of --inputs must not be named as the answers are, got {', '.join(both)}; "
            "rename or leave them out."
        )
    return pandas.concat([own, answer], axis=1)


def beside_truth(frame: Any, level: float | None = None) -> list[str]:
    """How near the answers are, in a line for every number whose true values the inputs have.

    RMSE of the mean, and which share of the true values is in its interval.

    Args:
      frame: as of `answers`.
      level: as of `answers`.
    """
    pandas, said = _pandas(), []
    mass = show(100 * (0.9 if level is None else level), 3)
    for column in map(str, frame.columns):
        name = column.removeprefix("lower_")
        if name == column or not {name, f"mean_{name}", f"upper_{name}"} <= set(frame.columns):
            continue
        truth = pandas.to_numeric(frame[name], errors="coerce")
        known = frame[truth.notna()]
        if not len(known):
            continue
        truth = truth[truth.notna()]
        rmse = float(((truth - known[f"mean_{name}"]) ** 2).mean() ** 0.5)
        held = 100 * float(truth.between(known[column], known[f"upper_{name}"]).mean())
        held_of = f"the {mass} % intervals hold {show(held, 3)} % of {len(known)} true values"
        said.append(f"{name}: RMSE {show(rmse, 3)}; {held_of}")
    return said


def csv_form(run: Run) -> dict[str, str]:
    """Separator and decimal point of the run's own CSV files, as `write` takes them."""
    from bnn.data.preparation import TablePreparation

    source = run.data.scaling.inputs
    form = source.form if isinstance(source, TablePreparation) else TablePreparation.form
    return {"separator": form[0], "decimal": form[1]}


def write(frame: Any, path: Path, separator: str = ",", decimal: str = ".") -> None:
    """Writes the table beside its place first; a file that appeared there meanwhile stays.

    Args:
      frame: of pandas.
      path: that ends in .csv or .parquet.
      separator: between the values of a line of a CSV file.
      decimal: its decimal point.

    Raises:
      FileExistsError: there is such a file.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp{path.suffix}")
    try:
        if path.suffix.lower() == ".csv":
            frame.to_csv(beside, index=False, sep=separator, decimal=decimal)
        else:
            frame.to_parquet(beside, index=False)
        try:
            os.link(beside, path)
        except FileExistsError:
            raise
        except OSError:  # a file system without links
            if path.exists():
                raise FileExistsError(f"{path} is there by now; name another --output.") from None
            os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
