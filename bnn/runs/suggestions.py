"""The nearest name to one that gin does not know."""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Callable, Iterable

# Of a ratio of matching letters, 1 for equal names; below it a guess helps nobody.
_LIKENESS = 0.6
_AS_ALIKE = 0.1  # as the nearest name, in the same measure
_PARAMETER = re.compile(r"Configurable '([^']+)' doesn't have a parameter named '([^']+)'")
_REFERENCE = re.compile(r"No configurable matching (?:reference )?'@?([^'()]+)(?:\(\))?'")
_BARE_WORD = re.compile(r"malformed node or string.*\n\s*Failed to parse token '([A-Za-z_][\w.]*)'")


def suggestion(message: str) -> str | None:
    """A sentence with the name that was meant, or nearly so; None for other errors.

    Args:
      message: of an error that gin raised on reading files and bindings.
    """
    from gin import config

    if found := _PARAMETER.search(message):
        configurable = config._REGISTRY.get_match(found[1])
        return _meant(found[2], _parameters(configurable.wrapped) if configurable else ())
    if found := _REFERENCE.search(message):
        wanted = found[1].rpartition("/")[2]
        selectors = [selector for selector, _ in config._REGISTRY.items()]
        if "." not in wanted:
            selectors = [selector.rpartition(".")[2] for selector in selectors]
        return _meant(wanted, selectors) or (
            "A module of your own that registers it is imported by the first line of the gin file: "
            "import my_module."
        )
    if found := _BARE_WORD.search(message):
        word = found[1]
        return f"Write a text with quotes, '{word}', and an object with its sign, @{word}()."
    return None


def _parameters(function: Callable) -> list[str]:
    try:
        return list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return []


def _meant(name: str, known: Iterable[str]) -> str | None:
    """A question with the nearest name, or up to three; letters' case does not count."""
    by_folded = {each.casefold(): each for each in sorted(set(known))}
    folded = name.casefold()
    near = difflib.get_close_matches(folded, by_folded, n=3, cutoff=_LIKENESS)
    likeness = [difflib.SequenceMatcher(None, each, folded).ratio() for each in near]
    meant = [
        by_folded[each]
        for each, ratio in zip(near, likeness, strict=True)
        if ratio > likeness[0] - _AS_ALIKE
    ]
    return f"Did you mean {' or '.join(meant)}?" if meant else None
