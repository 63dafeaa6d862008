"""`results.json` of a run, read with every type checked: the file may come from anywhere."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bnn.formatting import is_number

_NON_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_REMEDY = "run the experiment again"
_TEXT, _COUNT, _TEXTS = "text", "a number of at least 0", "a list of texts"
_TRUTH = "true or false"
# What a report cannot do without, and what it leaves out where it is something else.
_NEEDED = {"data": _TEXT, "test": "numbers by name", "num_predict_samples": _COUNT, "seed": _COUNT}
_OPTIONAL = {
    "method": _TEXT,
    "posterior": _TEXT,
    "estimator": _TEXT,
    "date": _TEXT,
    "task": _TEXT,
    "git_revision": _TEXT,
    "num_functions": _COUNT,
    "num_train": _COUNT,
    "num_test": _COUNT,
    "kl_weight": "a number",
    "passes_over_the_data": "a number",
    "seconds": "numbers by name",
    "versions": "texts by name",
    "target_units": "texts by name",
    "standardized_targets": _TRUTH,
    "ledger": "a ledger with sites",
    "augmentation": _TEXTS,
}


def read_results(file: Path) -> tuple[dict[str, Any], list[str]]:
    """The results of a run, and a line for each part that was left out as damaged.

    Raises:
      ValueError: the file cannot be read, or is not of a run: one line with file, fault, remedy.
    """
    try:
        results = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, OSError, RecursionError) as damage:
        raise ValueError(f"{file} is not JSON ({_one_line(damage)}); {_REMEDY}.") from damage
    if not isinstance(results, dict):
        raise ValueError(f"{file} must hold an object, got {_seen(results)}; {_REMEDY}.")
    missing = [name for name in _NEEDED if name not in results]
    if missing:
        raise ValueError(
            f"{file} lacks {', '.join(missing)}, so it is not of a run of bnn; name other folders."
        )
    results["test"] = _numbers(results["test"])
    for name, form in _NEEDED.items():
        if not _fits(form, results[name]) or results[name] == "":
            seen = _seen(results[name])
            raise ValueError(f"{file}: {name} must be {form}, got {seen}; {_REMEDY}.")
    faults = []
    for name, form in _OPTIONAL.items():
        if results.get(name) is not None and not _fits(form, results[name]):
            seen = _seen(results.pop(name))
            faults.append(f"{file}: {name} must be {form}, got {seen}; it is left out.")
        elif name in results and results[name] is None:
            del results[name]
    return results, faults


def _numbers(values: Any) -> Any:
    """The values with numbers for the words that stand for what JSON has no number for."""
    if not isinstance(values, Mapping):
        return values
    return {
        name: math.nan
        if value is None
        else _NON_FINITE.get(value, value)
        if isinstance(value, str)
        else value
        for name, value in values.items()
    }


def _fits(form: str, value: Any) -> bool:
    if form == _TEXT:
        return isinstance(value, str)
    if form == _COUNT:
        return isinstance(value, int) and not isinstance(value, bool) and value >= 0
    if form == _TEXTS:
        return isinstance(value, list) and all(isinstance(each, str) for each in value)
    if form == _TRUTH:
        return isinstance(value, bool)
    if form == "a number":
        return is_number(value)
    if not isinstance(value, Mapping):
        return False
    if form == "texts by name":
        return all(isinstance(each, str) for each in value.values())
    if form == "numbers by name":
        return all(is_number(each) for each in value.values())
    sites = value.get("sites", [])
    return isinstance(sites, list) and all(_is_site(site) for site in sites)


def _is_site(site: Any) -> bool:
    return (
        isinstance(site, Mapping)
        and isinstance(site.get("name"), str)
        and is_number(site.get("size"))
        and all(site.get(n) is None or is_number(site[n]) for n in ("kl", "median_snr"))
    )


def _seen(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
