"""What gin says of a configuration that it cannot read, in one line and with a remedy."""

from __future__ import annotations

import re
from collections.abc import Sequence

import gin

from bnn.runs.kinds import kinds
from bnn.runs.suggestions import suggestion

_FORM = "write one NAME.PARAMETER = VALUE a line, texts in quotes, such as run.epochs = 2"


def in_words(error: Exception, files: Sequence[str], bindings: Sequence[str]) -> str:
    """The error's first line, the place, and what to do.

    Args:
      error: of gin.
      files: that were read.
      bindings: of the command line, by whose lines it may count.
    """
    text = str(error.args[0]) if error.args and isinstance(error, KeyError) else str(error)
    lines = [line.strip() for line in text.splitlines() if line.strip(" ^")]
    said = lines[0].strip('".') if lines else type(error).__name__
    said = said.removesuffix(" in config string:")
    given = "\n".join(bindings).splitlines()
    if (found := re.search(r"\.? \(line (\d+)\)", text)) and int(found[1]) <= len(given):
        said = f"{said.replace(found[0], '')}, got {given[int(found[1]) - 1]!r}"
    place = ""
    for number, line in enumerate(lines):
        if line.startswith("In ") and not line.startswith("In call"):
            shown = f": {lines[number + 1]}" if number + 1 < len(lines) else ""
            place = f" (i{line[1:]}{shown})"
            break
    if "EOF in multi-line" in said:
        last = repr(given[-1]) if given else f"the end of {' or '.join(files)}"
        said = f"a bracket or a quotation mark must be closed, got {last}"
    if isinstance(error, RecursionError):
        said, place = f"{place or files} must not include itself".lstrip(" ("), ""
    if said.startswith("malformed node"):
        found = re.search(r"Failed to parse token (.*?) \(line", text)
        said = f"{found[1] if found else 'a value'} must be a value of Python, such as 1 or 'text'"
    hint = suggestion(text)
    return f"{said}{place}; {_remedy(text)}." + (f" {hint}" if hint else "")


def unused_macros() -> None:
    """Raises ValueError for a macro that nothing uses and that has a parameter's name.

    `seed = 3` defines a macro, and sets no seed.
    """
    references = gin.config.iterate_references(gin.config._CONFIG)
    used = {reference.config_key[0] for reference in references}
    parameters = sorted(kinds(gin.config._REGISTRY.get_match("run").wrapped))
    for scope, selector in gin.config._CONFIG:
        if selector == "gin.macro" and scope not in used and scope in (*parameters, "run"):
            remedy = f"write run.{scope} = …" if scope != "run" else "write run.epochs = …"
            raise ValueError(
                f"{scope} must have the name of what it belongs to before a point, got a macro, "
                f"{scope} = …, that nothing uses; {remedy}."
            )


def _remedy(text: str) -> str:
    if found := re.search(r"Configurable '(.*?)' doesn't have a parameter named '(.*?)'", text):
        configurable = gin.config._REGISTRY.get_match(found[1])
        hidden = ("self", *(configurable.denylist or ()))
        known = [name for name in kinds(configurable.wrapped) if name not in hidden]
        return f"use one of {', '.join(known) or 'none: it has none'}"
    if "No configurable matching" in text:
        return "write import MODULE before it for what is of another module"
    if found := re.search(r"Ambiguous selector '(.*?)', matches \[(.*?)\]", text):
        places = [place.strip(" '").removeprefix("bnn.") for place in found[2].split(",")]
        return f"write {' or '.join(sorted(places))}"
    if "denylisted" in text:
        return "leave the line out: the command line or the program gives it"
    if "recursion" in text:
        return "leave the include out"
    if "No module named" in text:
        return "correct the name, put its folder into PYTHONPATH, or install it"
    if "Unable to open file" in text:
        return "correct the path, or put the file there"
    if found := re.search(r"No bindings specified for '(.*?)/gin\.macro'", text):
        return f"write {found[1]} = VALUE in a line of its own, or give a value for %{found[1]}"
    return _FORM
