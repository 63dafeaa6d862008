"""Of what a run reports, how well each of several targets is predicted, as text."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bnn.formatting import quality_of_target


def qualities_by_target(
    values: Mapping[str, float], units: Mapping[str, str], most: int, shown: Callable[[float], str]
) -> list[str]:
    """Returns a part a metric: "valid_rmse load 812 kWh, calls 1.9" and "valid_accuracy kind 0.9".

    Args:
      values: what is reported, by name.
      units: of targets that are numbers, by name, where they are known.
      most: targets that are named, the first ones; how many more there are is said.
      shown: a number as text.
    """
    parts: dict[str, list[str]] = {}
    count = 0
    for name, value in values.items():
        metric, target = quality_of_target(name.removeprefix("valid_"))
        if not metric:
            continue
        count += 1
        if count <= most:
            prefix = "valid_" if name.startswith("valid_") else ""
            unit = units.get(target, "") if metric == "rmse" else ""
            text = f"{target} {shown(value)} {unit}".rstrip()
            parts.setdefault(prefix + metric, []).append(text)
    found = [f"{metric} {', '.join(each)}" for metric, each in parts.items()]
    return [*found, f"and {count - most} more"] if count > most else found
