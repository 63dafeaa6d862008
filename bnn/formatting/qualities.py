"""The names of what is reported of one of several targets."""

from __future__ import annotations

_METRICS = ("rmse", "accuracy")


def quality_of_target(name: str) -> tuple[str, str]:
    """Returns metric and target; ("", "") of what is no quality of one of several targets.

    The names are those of `bnn.evaluation`: `rmse/<target>` of a joint likelihood's targets,
    `<head>/rmse`, `<head>/rmse/<target>` and `<head>/accuracy` of several heads.

    Args:
      name: of a metric, without the `valid_` of a validation part.
    """
    for metric in _METRICS:
        before, found, after = f"/{name}/".partition(f"/{metric}/")
        parts = [part for part in (before.strip("/"), after.strip("/")) if part]
        if found and parts:
            return metric, "/".join(parts)
    return "", ""
