"""Libraries that only some sources need."""

import importlib
from typing import Any


def required(module: str, extra: str, library: str, needed_for: str) -> Any:
    """Returns an imported module of an optional library.

    Raises:
      ImportError: it is not installed; the message says what to install.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f"{needed_for} needs {library}, which cannot be imported ({error}); install it with: "
            f"pip install 'bnn[{extra}]'"
        ) from error
