"""Values of a sweep's file as gin writes them."""

from __future__ import annotations

import ast
import math
import re
from typing import Any

_NAME = re.compile(r"([\w.]+/)*[\w.]+")
_REFERENCE = re.compile(r"[@%][\w./]+(\(\))?")


def gin_text(name: str, value: Any) -> str:
    """The text of `value` in a binding of `name`.

    Numbers, booleans and lists are written as gin has them. A string is gin's own text: a
    reference such as `@Flipout()`, a macro such as `%rate`, or a literal such as `None`, `(1, 2)`
    or `'relu'`, with the quotes that gin wants.

    Raises:
      ValueError: what gin has no text for.
    """
    if isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return repr(value)
    if isinstance(value, list):
        return f"[{', '.join(gin_text(name, item) for item in value)}]"
    if isinstance(value, str):
        try:
            ast.literal_eval(_REFERENCE.sub("0", value.strip()))
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            raise ValueError(
                f"{name}: {value!r} is not a gin value; write a string with quotes inside, "
                f'"\'{value}\'", and a reference with its sign, "@{value}()".'
            ) from None
        return value.strip()
    raise ValueError(
        f"{name}: {value!r} is not a value that gin knows; give a number, true or false, a list, "
        "or gin's own text in quotes."
    )


def check_binding(text: str) -> str:
    """The name that a binding `name = value` binds.

    Raises:
      ValueError: another form.
    """
    name, separator, value = text.partition("=")
    if not separator:
        raise ValueError(f"binding {text!r} must be of the form 'name = value'.")
    check_name(name.strip())
    gin_text(name.strip(), value)
    return name.strip()


def check_name(name: str) -> str:
    """The name itself.

    Raises:
      ValueError: it is no name of a gin parameter.
    """
    if _NAME.fullmatch(name) is None:
        raise ValueError(
            f"{name!r} is not a gin parameter, such as 'run.estimator' or 'kl/Constant.value'."
        )
    return name


def short_names(names: list[str]) -> dict[str, str]:
    """The shortest endings of the names that tell them apart: run.seed, uci.seed; else one word."""
    short = {}
    for name in names:
        parts = re.split(r"[./]", name)
        for count in range(1, len(parts) + 1):
            ending = parts[-count:]
            twins = [other for other in names if re.split(r"[./]", other)[-count:] == ending]
            if len(twins) == 1:
                break
        short[name] = ".".join(ending)
    return short


def readable(value: str) -> str:
    """The value as part of a file's name: `@Flipout()` gives Flipout."""
    return re.sub(r"[^A-Za-z0-9.+-]+", "_", value).strip("_") or "_"
