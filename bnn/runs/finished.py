"""A run that has ended: its results, and its trained model, ready to predict."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bnn.data import Dataset
from bnn.methods import Method, Problem
from bnn.runs.session import Session


class Run(Mapping[str, Any]):
    """A run's parts with the values of its newest checkpoint; answers like its results.

    `run["test"]["accuracy"]`, `dict(run)` and `run == results` are those of `run.results`.

    Attributes:
      folder: of the run.
      data: the data set it was trained on.
      method: inference method, built.
      num_predict_samples: S of the run's test metrics.
      results: what `results.json` holds; None for a run that has not ended.
    """

    def __init__(
        self,
        session: Session,
        results: dict[str, Any] | None,
        step: int | None = None,
        load: Callable[[], int] | None = None,
    ) -> None:
        """From a session; `load` gives the variables their values when they are first needed."""
        self.folder: Path = session.folder.path
        self.data: Dataset = session.data
        self.results = results
        self._method = session.method
        self.num_predict_samples: int = (results or {}).get(
            "num_predict_samples", session.num_predict_samples
        )
        self._step, self._load = step, load

    @property
    def step(self) -> int:
        """Steps of training that the variables have seen."""
        if self._load is not None:
            self._step, self._load = self._load(), None
        assert self._step is not None
        return self._step

    @property
    def method(self) -> Method:
        """The inference method, trained."""
        self.step  # noqa: B018  (loads)
        return self._method

    @property
    def problem(self) -> Problem:
        """Model, likelihood and what else the method was built for."""
        return self.method.problem

    @property
    def model(self) -> keras.Model:
        """The trained Keras model."""
        return self.problem.model

    def predict(
        self, inputs: np.ndarray, num_samples: int | None = None, seed: int | None = None
    ) -> tf.Tensor:
        """Outputs of functions from the posterior, `[S, B, …]`.

        With the defaults these are the functions of the run's own test metrics: the same numbers.

        Args:
          inputs: `[B, …]`, prepared as the run's own (`data.prepare_inputs`).
          num_samples: S; the run's own where None.
          seed: of the functions; the run's own where None.
        """
        return self.method.predict(
            inputs,
            self.num_predict_samples if num_samples is None else num_samples,
            self.problem.seed if seed is None else seed,
        )

    def __getitem__(self, name: str) -> Any:
        return (self.results or {})[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.results or {})

    def __len__(self) -> int:
        return len(self.results or {})

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Mapping):
            return dict(self) == dict(other)
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        state = "finished" if self.results else "not finished"
        return f"Run({self.folder}, {state})"
