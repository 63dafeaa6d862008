"""Where data files are looked for."""

import os
from pathlib import Path

VARIABLE = "BNN_DATA_DIR"
# What set the variable, where it was not the user: the command line, for its own flag.
FROM = "BNN_DATA_DIR_FROM"


def data_directory(data_dir: str | os.PathLike[str] | None, needed_for: str) -> Path:
    """Returns the folder of data sets: `data_dir`, else the environment's BNN_DATA_DIR.

    Raises:
      ValueError: neither is given.
      FileNotFoundError: the folder does not exist.
    """
    origin = "data_dir"
    if not data_dir:
        origin = os.environ.get(FROM) or f"the environment variable {VARIABLE}"
        data_dir = os.environ.get(VARIABLE)
    if not data_dir:
        raise ValueError(
            f"data_dir must name the folder that holds {needed_for}, got none; pass data_dir "
            f"(--data_dir on the command line) or set the environment variable {VARIABLE}."
        )
    folder = Path(data_dir).expanduser()
    if not folder.is_dir():
        raise FileNotFoundError(
            f"{origin} must name an existing folder that holds {needed_for}, got '{folder}'; "
            f"create it and put the set there, or correct the path."
        )
    return folder
