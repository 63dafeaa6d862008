"""Where chains begin: at the members of an ensemble that has been trained already."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

Members = Sequence[Any] | str | Path


def members_of(
    source: Members, model: keras.Model, weights: Sequence[keras.Variable], name: str
) -> np.ndarray:
    """The members' weights, `[M, D]`, in the order of `weights`.

    Args:
      source: folder of a run of `DeepEnsemble` of `MAP` that has ended, or the members themselves:
        models of the same kind, or lists of the values of all their variables.
      model: of the problem, whose variables have the members' order and shapes.
      weights: those of the model's variables that are asked for.
      name: of the method, for messages.

    Raises:
      ValueError: a run of something else, or that has not ended; members of another shape.
      FileNotFoundError: no such folder.
    """
    members = _of_run(Path(source), name) if isinstance(source, (str, Path)) else list(source)
    if not members:
        raise ValueError(f"members of method {name} must be at least one, got none.")
    places = {id(v): i for i, v in enumerate(model.variables)}
    states = []
    for number, member in enumerate(members):
        values = member.variables if isinstance(member, keras.Model) else member
        row = []
        for weight in weights:
            place = places[id(weight)]
            value = np.asarray(values[place]) if place < len(values) else None
            if value is None or value.shape != tuple(weight.shape):
                held = "nothing" if value is None else f"shape {value.shape}"
                raise ValueError(
                    f"members of method {name} must be models of the run's own kind, but member "
                    f"{number} has {held} where {weight.path} has shape {tuple(weight.shape)}; "
                    "train the ensemble with the same model, with Point posteriors."
                )
            row.append(value.astype(np.float32).ravel())
        states.append(np.concatenate(row))
    return np.stack(states)


def _of_run(folder: Path, name: str) -> list[list[np.ndarray]]:
    """The members of a run of an ensemble: the values of all variables of each."""
    if not folder.is_dir():
        raise FileNotFoundError(
            f"members of method {name} must be the folder of a run of DeepEnsemble, but there is "
            f"no folder {folder}; train one with run.method = @DeepEnsemble()."
        )
    results = folder / "results.json"
    try:
        said = dict(json.loads(results.read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, TypeError) as damage:
        raise ValueError(
            f"members of method {name} must be of a run that has ended, but {folder} has no "
            f"{results.name} that can be read; start its command again."
        ) from damage
    if said.get("method") != "DeepEnsemble" or said.get("member") != "MAP":
        what = said.get("method") if "member" not in said else f"an ensemble of {said['member']}"
        raise ValueError(
            f"members of method {name} must be of a run of DeepEnsemble with the method MAP, got "
            f"{what} in {folder}; a member is one vector of weights."
        )
    found = []
    for entry in sorted((folder / "checkpoints" / "archive").glob("*.npz"))[: said["num_members"]]:
        with np.load(entry, allow_pickle=False) as file:
            found.append([file[str(i)] for i in range(len(file.files))])
    return found
