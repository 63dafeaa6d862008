"""Slurm's compressed notations: host lists such as `n[1-3,7],gpu01`, task counts such as `2(x3),1`.

Source: the manual pages of scontrol (show hostnames) and srun (output environment variables).
"""

from __future__ import annotations

import itertools
import re


def expand_hosts(text: str) -> list[str]:
    """All host names of a compressed list, in its order: "n[08-10]" gives n08, n09, n10.

    Raises:
      ValueError: brackets that do not match, or a range that is none.
    """
    hosts = [host for part in _split(text) for host in _expand_part(part, text)]
    if not hosts:
        raise ValueError(f"host list {text!r} is empty; expected for example 'n[1-3,7]'.")
    return hosts


def tasks_per_node(text: str) -> list[int]:
    """The number of tasks of every node: "2(x3),1" gives 2, 2, 2, 1.

    Raises:
      ValueError: another form.
    """
    counts = []
    for part in text.split(","):
        match = re.fullmatch(r"(\d+)(?:\(x(\d+)\))?", part.strip())
        if match is None:
            raise ValueError(f"task counts {text!r} are not of the form '2(x3),1'.")
        counts += [int(match[1])] * int(match[2] or 1)
    return counts


def _split(text: str) -> list[str]:
    """Splits at commas that stand outside of brackets."""
    parts, depth = [""], 0
    for character in text.strip():
        depth += {"[": 1, "]": -1}.get(character, 0)
        if depth not in (0, 1):
            break
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    if depth != 0:
        raise ValueError(f"host list {text!r} has brackets that do not match.")
    return [part for part in parts if part]


def _expand_part(part: str, text: str) -> list[str]:
    """Expands the brackets of one name; a name may have several pairs of them."""
    pieces = re.split(r"\[([^\]]*)\]", part)
    choices = [
        [piece] if position % 2 == 0 else _expand_ranges(piece, text)
        for position, piece in enumerate(pieces)
    ]
    return ["".join(choice) for choice in itertools.product(*choices)]


def _expand_ranges(ranges: str, text: str) -> list[str]:
    numbers = []
    for item in ranges.split(","):
        match = re.fullmatch(r"(\d+)(?:-(\d+))?", item)
        if match is None or int(match[2] or match[1]) < int(match[1]):
            raise ValueError(f"host list {text!r} has the range {item!r}; expected as in '1-3'.")
        first, last = match[1], match[2] or match[1]
        # Leading zeros are part of the names: 08, 09, 10.
        numbers += [f"{number:0{len(first)}d}" for number in range(int(first), int(last) + 1)]
    return numbers
