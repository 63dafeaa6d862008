"""A user's own function as a source."""

from __future__ import annotations

import importlib
from typing import Any

import gin

from bnn.data.dataset import Dataset


@gin.register(module="bnn.data")
def from_function(function: str, **arguments: Any) -> Dataset:
    """Returns what a user's function gives, which must be a Dataset.

    The function builds it with `bnn.data.Dataset`, `regression_dataset`, `classification_dataset`
    or a source such as `bnn.data.arrays`. In gin, any further binding is an argument of the
    function: `from_function.path = '…'`.

    Args:
      function: `"module:name"` or `"module.name"`; the module is imported, and so can run code.
      **arguments: given to the function.

    Raises:
      ValueError: no such module or function, or one that gives something else.
    """
    text = function if isinstance(function, str) else ""
    module_name, _, name = text.partition(":") if ":" in text else text.rpartition(".")
    if not (module_name and name):
        raise ValueError(
            f"function must be 'module:name' of a function that gives a Dataset, got {function!r}."
        )
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise ValueError(
            f"function must name a module that can be imported, got {module_name!r} ({error}); put "
            f"its folder into PYTHONPATH, or install it."
        ) from error
    found = getattr(module, name, None)
    if not callable(found):
        raise ValueError(
            f"function must name a function in {module_name}, got {name!r}; correct the name."
        )
    data = found(**arguments)
    if not isinstance(data, Dataset):
        raise ValueError(
            f"{function} must give a bnn.data.Dataset, got {type(data).__name__}; build one with "
            f"bnn.data.regression_dataset or classification_dataset."
        )
    return data
