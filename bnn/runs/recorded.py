"""A run's folder as a prepared session: the way back from what was recorded."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import gin

from bnn.data.recorded import can_be_recorded, recorded_dataset
from bnn.runs.bindings import as_known, check_bindings, require_root
from bnn.runs.configuration import OF_GIN, check_recorded, start_devices
from bnn.runs.folder import Identity, RunFolder, read_config
from bnn.runs.gin_errors import in_words
from bnn.runs.identity import changes_of_data, describe
from bnn.runs.prepare import prepare, run_folder
from bnn.runs.session import Session

_ROOT = "bnn.experiment"
_LONGEST = 500  # characters of what gin says of a file that it cannot read


def recorded_folder(folder: str | Path) -> RunFolder:
    """The folder of a run that is there.

    Raises:
      FileNotFoundError: it holds none.
    """
    files = run_folder(folder)
    if not files.config.is_file():
        raise FileNotFoundError(
            f"{files.path} must be the folder of a run, but holds no {files.config.name}; name "
            "what was given as --workdir."
        )
    return files


def prepare_recorded(
    folder: str | Path,
    *,
    imports: Sequence[str] = (),
    bindings: Sequence[str] = (),
    one_device: bool = True,
    without_data: bool = False,
    num_train: int | None = None,
    **arguments: Any,
) -> Session:
    """Builds what a run's folder describes, with initial values; nothing is written.

    The recorded configuration is data: of the modules that it imports only those of bnn, those
    that the process has imported, and `imports` are, and nothing but registered names is called.
    Gin's current bindings are put aside meanwhile.

    Args:
      folder: of the run.
      imports: modules with configurables that it may import.
      bindings: that win over the recorded ones.
      one_device: in place of the run's own strategy.
      without_data: the data need not be there: the recorded shapes and scaling do where the
        source's file is gone, or data that were given in Python are not given again.
      num_train: N, where the folder's record of the data may not say it: of streamed data by an
        earlier version.
      **arguments: what the run was given in Python, given again.

    Raises:
      FileNotFoundError: the folder holds no run.
      ValueError: a module that is not allowed, an argument that was given in Python and is
        missing or another one, or data that have changed.
    """
    files = recorded_folder(folder)
    text = read_config(files.config)
    check_recorded(text, imports, files.config)
    held = files.identity()
    without_data = without_data and can_be_recorded(held.data, num_train)
    if without_data and "data" in held.arguments and "data" not in arguments:
        arguments["data"] = recorded_dataset(held.data, num_train)
    _require_arguments(files, held, arguments)
    with _configuration(files.config, text):
        _require_allowed_functions(files.config, imports)
        _parse("--gin_bindings", bindings)
        check_bindings()
        _require_root(files.config, arguments)
        gin.bind_parameter(f"{_ROOT}.run.tracker", None)
        if one_device:
            gin.bind_parameter(f"{_ROOT}.run.strategy", None)
        start_devices()
        try:
            recorded = _bound(arguments)
        except (FileNotFoundError, NotADirectoryError, ImportError):
            if not without_data or "data" in arguments:
                raise
            arguments["data"] = recorded_dataset(held.data, num_train)
            recorded = _bound(arguments)
        session = prepare(files.path, **{**recorded, **arguments})
    _require_same_data(files, held, session)
    return session


def load(session: Session) -> int:
    """Gives a session's variables the values of its newest readable checkpoint; its step.

    Raises:
      FileNotFoundError: there is none.
      CheckpointMismatchError: it is of another model than the configuration describes.
    """
    checkpoints = session.checkpoints(session.averages(), same_run=False, same_noise=False)
    step = checkpoints.restore()
    if step is None:
        raise FileNotFoundError(
            f"{session.folder.path} must hold a checkpoint in {session.folder.checkpoints.name}/, "
            "but has none; start the run's command again."
        )
    return step


def _bound(arguments: dict[str, Any]) -> dict[str, Any]:
    """What gin builds of a run, without what is given."""
    for name in arguments:
        # In its place: what gin would build for it could be large.
        gin.bind_parameter(f"{_ROOT}.run.{name}", None)
    recorded = gin.get_bindings(f"{_ROOT}.run")
    recorded.pop("tracker", None)
    return recorded


def _require_arguments(files: RunFolder, held: Identity, arguments: dict[str, Any]) -> None:
    missing = sorted(set(held.arguments) - set(arguments))
    if missing:
        raise ValueError(
            f"the run in {files.path} was given {', '.join(missing)} in Python, which its folder "
            f"only describes; pass the same here: {', '.join(f'{n}=…' for n in missing)}."
        )
    for name in sorted(set(held.arguments) - {"data"}):
        if describe(name, arguments[name]) != held.arguments[name]:
            raise ValueError(
                f"{name} is not what the run in {files.path} was given, see its "
                f"{files.arguments.name}; pass the same {name}."
            )


def _require_same_data(files: RunFolder, held: Identity, session: Session) -> None:
    changed = changes_of_data(held.data, session.identity.data)
    if changed:
        raise ValueError(
            f"data set {session.data.name!r} is not the one that the run in {files.path} was "
            f"trained on: {', '.join(changed)} differ; restore the data's files. Scales and "
            f"digests of the run's own are in {files.data.name}."
        )


@contextlib.contextmanager
def _configuration(path: Path, text: str) -> Iterator[None]:
    """Gin with this configuration alone; with its own again afterwards."""
    with gin.unlock_config():
        held = gin.config_str()
        gin.clear_config()
        try:
            _parse(str(path), [f"import {_ROOT}\n{text}"])
            yield
        finally:
            gin.clear_config()
            gin.parse_config(held)


def _parse(place: str, texts: Sequence[str]) -> None:
    for text in texts:
        try:
            gin.parse_config(text)
        except OF_GIN as error:
            said = in_words(error, [place], texts)
            said = said if len(said) < _LONGEST else f"{said[:_LONGEST]} …; restore the file."
            raise ValueError(f"{place} cannot be read as a configuration: {said}") from error


def _require_root(path: Path, arguments: Collection[str]) -> None:
    try:
        require_root(arguments)
    except ValueError as missing:
        raise ValueError(
            f"{path} does not describe a whole run: {missing} Restore the file, or start the run "
            "in a new folder."
        ) from missing


def _require_allowed_functions(path: Path, imports: Sequence[str]) -> None:
    """Raises ValueError for a function or class that a recorded text, and no name, would call.

    A module that is imported already is not enough: that would be any function of Python's own.
    """
    for (scope, selector), values in gin.config._CONFIG.items():
        for parameter, value in values.items():
            place = f"{scope}/" * bool(scope) + f"{selector.rpartition('.')[2]}.{parameter}"
            if _is_described(value):
                raise ValueError(
                    f"{path} must name what it builds, as @zeros(), but {place} describes an "
                    f"object of another module by a dict, got {value!r:.200}; correct the line if "
                    "you trust the folder."
                )
            if (selector, parameter) != ("bnn.data.from_function", "function"):
                continue
            named = as_known(value)  # a macro stands for its value
            module = named.replace(":", ".").rpartition(".")[0] if isinstance(named, str) else ""
            if not any(module == one or module.startswith(f"{one}.") for one in imports):
                raise ValueError(
                    f"{path} has the data made by a function, {place} = {value!r}, which would run "
                    f"the code of its module; if you trust it, allow it with --import={module}, or "
                    f"imports=[{module!r}] in Python."
                )


def _is_described(value: Any) -> bool:
    """Whether Keras would import a class by what a value says, or one inside of it."""
    if isinstance(value, Mapping):
        return "class_name" in value or any(map(_is_described, value.values()))
    return isinstance(value, (list, tuple)) and any(map(_is_described, value))
