"""What became of the layers of a model, as a table."""

from __future__ import annotations

from typing import NamedTuple

_ALL = 5  # of `bnn.estimators`, but for those that combine others


class Row(NamedTuple):
    """One layer of a converted model.

    Attributes:
      path: of the layer in the model, `"backbone/stem"`.
      layer: class of the layer that was there.
      became: class of the layer that is there now, empty for one that stayed as it was.
      weights: number of random weights.
      estimators: names of those that serve all of its sites.
      reason: why it stayed deterministic, or is served by few estimators; empty where neither.
    """

    path: str
    layer: str
    became: str
    weights: int
    estimators: tuple[str, ...]
    reason: str


class Conversion(tuple[Row, ...]):
    """The rows of a conversion; prints itself as a Markdown table."""

    def __str__(self) -> str:
        """A line per layer."""
        head = ("layer", "was", "became", "random weights", "estimators", "why")
        rows = [
            (
                row.path,
                row.layer,
                row.became or "unchanged",
                f"{row.weights:,}" if row.weights else "–",
                ", ".join(row.estimators) or "–" if len(row.estimators) < _ALL else "all",
                row.reason or "–",
            )
            for row in self
        ]
        widths = [max(len(line[i]) for line in (head, *rows)) for i in range(len(head))]
        lines = [head, tuple("-" * width for width in widths), *rows]
        padded = [[cell.ljust(w) for cell, w in zip(line, widths, strict=True)] for line in lines]
        return "\n".join(f"| {' | '.join(line)} |" for line in padded)
