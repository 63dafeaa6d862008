"""Reading gin files, and starting the devices that they choose."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path

_SHIPPED = Path(__file__).resolve().parents[1] / "gin_configs"


def parse(files: Sequence[str], bindings: Sequence[str]) -> None:
    """Reads the gin files.

    Their includes are looked for in the file's folder, the one above, and among the shipped files.
    """
    import gin
    from absl import logging

    for file in files:
        if not Path(file).is_file():
            raise FileNotFoundError(
                f"--gin_file={file} does not exist; the shipped files are in gin_configs/."
            )
    folders = [str(folder) for file in files for folder in list(Path(file).resolve().parents)[:2]]
    # Gin's own order has the current folder first, and there it takes any folder named `data` or
    # `model` for a Python package, and fails.
    gin.config._LOCATION_PREFIXES[:] = [*folders, str(_SHIPPED), ""]
    # gin logs every place in which it looks for an include as an error; parsing raises real ones.
    logging.set_verbosity(logging.FATAL)
    try:
        gin.parse_config_files_and_bindings(list(files), list(bindings), finalize_config=True)
    finally:
        logging.set_verbosity(logging.WARNING)


def start_devices() -> None:
    """Builds the strategy that the configuration names, before anything else of TensorFlow.

    Devices and collectives are fixed once TensorFlow has started, which building an optimizer does,
    and gin builds a function's arguments in no stated order.
    """
    import gin

    try:
        reference = gin.query_parameter("run.strategy")
    except ValueError:  # not bound: one device
        return
    copy.deepcopy(reference)  # how gin itself makes an object of a reference
