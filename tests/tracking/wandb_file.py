"""Reads the file in which W&B records a run.

Example:
  python tests/tracking/wandb_file.py runs/tracking/offline-0/wandb/*/run-*.wandb

As a command it prints the rows of metrics of each file, one JSON list a line.
"""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def read_run_file(path: Path) -> dict[str, Any]:
    """What a `run-*.wandb` file holds: config, history, summary, files, artifacts, exit code, run.

    A file that ends in the middle of a record, as a killed process leaves it, is read up to there.
    """
    contents: dict[str, Any] = {"config": {}, "history": [], "summary": {}, "files": []}
    contents["artifacts"] = []
    for record in _records(path):
        kind = record.WhichOneof("record_type")
        if kind == "run":
            contents["run"] = record.run
            contents["config"] |= {
                u.key: json.loads(u.value_json) for u in record.run.config.update
            }
        elif kind == "history":
            contents["history"].append(_values(record.history.item))
        elif kind == "summary":
            contents["summary"] |= _values(record.summary.update)
        elif kind == "files":
            contents["files"] += [file.path for file in record.files.files]
        elif kind == "artifact":
            contents["artifacts"].append(record.artifact)
        elif kind == "exit":
            contents["exit_code"] = record.exit.exit_code
    return contents


def _values(items: Any) -> dict[str, Any]:
    """Returns the values by key, those below a nested key by "outer/inner"."""
    return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items}


def _records(path: Path) -> Iterator[Any]:
    """Yields the records of a LevelDB log: 32 KB blocks of (checksum 4, length 2, type 1, data)."""
    from wandb.proto import wandb_internal_pb2

    data, block, position, parts = path.read_bytes(), 32768, 7, b""
    if data[:4] != b":W&B":
        raise ValueError(f"{path} must start with ':W&B', got {data[:4]!r}; it is no run file.")
    while position < len(data):
        left = block - position % block
        if left >= 7 and position + 7 > len(data):
            return
        if left < 7:  # a block ends in zeros where no header fits
            position += left
            continue
        _, length, kind = struct.unpack_from("<IHB", data, position)
        parts += data[position + 7 : position + 7 + length]
        position += 7 + length
        if position > len(data):
            return
        if kind in (1, 4):  # full, or the last of several
            record = wandb_internal_pb2.Record()
            record.ParseFromString(parts)
            yield record
            parts = b""


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        print(json.dumps(read_run_file(Path(argument))["history"]))
