"""A run that has ended: its results, and its trained model, ready to predict."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from bnn.data import Dataset
from bnn.likelihoods import Heads
from bnn.methods import Method, Problem
from bnn.predictive import Calibration, Predictive, predictive
from bnn.runs.calibration_file import read_calibration, validation_part, write_calibration
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
        self,
        inputs: Any,
        num_samples: int | None = None,
        seed: int | None = None,
        raw: bool | None = None,
    ) -> tf.Tensor:
        """Outputs of functions from the posterior, `[S, B, …]`.

        With the defaults these are the functions of the run's own test metrics: the same numbers.

        Args:
          inputs: `[B, …]`, see `raw`.
          num_samples: S; the run's own where None.
          seed: of the functions; the run's own where None.
          raw: as of `predictive`.
        """
        return self.method.predict(
            self._prepared(inputs, raw),
            self.num_predict_samples if num_samples is None else num_samples,
            self.problem.seed if seed is None else seed,
        )

    def predictive(
        self,
        inputs: Any,
        num_samples: int | None = None,
        seed: int | None = None,
        raw: bool | None = None,
        **options: Any,
    ) -> Predictive | Any:
        """What the model says of the targets of some inputs, in their own units.

        It is of the outputs that the method predicts, those of the run's test metrics. With the
        run's own samples and seed the result has its calibration, where there is one:
        `calibrated_mean`, `prediction_sets()`, `conformal_interval()`. It was made of these.

        Of several targets (`Heads`) it is a dict by target, of each the likelihood's predictive
        mixture: `said["price"].interval(0.9)`, `said["kind"].probs`.

        Args:
          inputs: as the source takes them, or prepared as the run's own (`data.prepare_inputs`).
          num_samples: S; the run's own where None.
          seed: of the functions; the run's own where None.
          raw: True: as the source takes them; False: prepared. None: raw where they can be nothing
            else (a table, texts, image files or bytes), prepared where they are numbers.
          **options: of `bnn.predictive`: tolerance, batch_size …; none where there are several
            targets.

        Raises:
          ValueError: a tolerance, or moments, of a method that predicts by other means than
            functions; else as of `bnn.predictive`.
        """
        count = self.num_predict_samples if num_samples is None else num_samples
        chosen = self.problem.seed if seed is None else seed
        if isinstance(self.problem.likelihood, Heads):
            return self._by_target(self.predict(inputs, count, chosen, raw), options)
        most = count if options.get("tolerance") is None else options.get("max_samples", 1024)
        options = {"jit_compile": self.problem.jit_compile, **options}
        if self.data.task == "regression" and self.data.target_loc is not None:
            options = {"loc": self.data.target_loc, "scale": self.data.target_scale, **options}
        moments = options.get("method") == "moments"
        direct = type(self.method).predict is not Method.predict  # not by its functions
        if direct and (moments or options.get("tolerance") is not None):
            raise ValueError(
                f"tolerance and method must be left out for {type(self.method).__name__}, which "
                "does not predict by functions that more could be drawn of; give num_samples."
            )
        if moments and type(self.method).functions is not Method.functions:
            raise ValueError(
                f"method must not be 'moments' for {type(self.method).__name__}, whose functions "
                "are not draws of the layers' posteriors, which moments read; leave it out."
            )
        functions = None if moments else self.method.functions(most, chosen)
        said = predictive(
            self.model,
            self.problem.likelihood,
            self._prepared(inputs, raw),
            count if functions is None else min(count, functions.num_samples),
            chosen,
            functions=functions,
            **options,
        )
        if direct:
            said.predict_by(lambda rows: self.method.predict(rows, count, chosen))
        said.names, said.target_units = self._names(), self.data.target_units or {}
        own = not moments and count == self.num_predict_samples and chosen == self.problem.seed
        others = options.get("antithetic") or options.get("tolerance") is not None
        if own and not others:
            said.calibration = self.calibration
        return said

    def _by_target(self, samples: Any, options: dict[str, Any]) -> dict[str, Any]:
        """The mixtures of several targets, values in their own units."""
        if options:
            raise ValueError(
                f"{', '.join(options)} must be left out where there are several targets, whose "
                "predictive is made of num_samples samples; leave it out."
            )
        likelihood, scalings = self.problem.likelihood, self.data.scaling.targets
        assert isinstance(likelihood, Heads)
        assert isinstance(scalings, dict)  # the heads are the targets' names
        units = {
            name: {"loc": scaling.loc, "scale": scaling.scale}
            for name, scaling in scalings.items()
            if scaling.kind == "values"
        }
        return likelihood.predictive(samples, **units)

    def _names(self) -> tuple[str, ...] | None:
        """Of what the columns of a mean are of; None where the source has none."""
        if self.data.task == "classification":
            return self.data.class_names
        names = self.data.target_names
        survival = self.problem.likelihood.task == "survival"  # the time; not whether it was seen
        return names[:1] if names and survival else names

    def _prepared(self, inputs: Any, raw: bool | None) -> Any:
        """The model's inputs."""
        if raw is None:
            raw = self.data.scaling.inputs.recognises(inputs)
        return self.data.prepare_inputs(inputs) if raw else inputs

    @property
    def calibration(self) -> Calibration | None:
        """What `calibrate` has left in the run's folder; None where it was not called.

        Raises:
          ValueError: the file is damaged, or of another step of the training.
        """
        return read_calibration(self.folder, self.step)

    def calibrate(
        self,
        scaling: Any = None,
        conformal: Any = None,
        *,
        inputs: Any = None,
        targets: Any = None,
    ) -> Calibration:
        """Fits a recalibration, a conformal rule or both, and keeps them in the run's folder.

        `bnn.restore(folder).predictive(inputs)` applies them from then on.

        Args:
          scaling: such as `bnn.predictive.TemperatureScaling()`.
          conformal: such as `LAC(0.9)`, `NormalizedResidual(0.9)`.
          inputs: examples that training has not seen; the validation part where None.
          targets: of these, in their own units.

        Raises:
          ValueError: no validation part, or what the parts cannot be fitted to.
        """
        if (inputs is None) != (targets is None):
            raise ValueError("inputs and targets must both be given, or neither, got one of them.")
        calibration = Calibration(scaling, conformal)
        if inputs is None:
            inputs, targets = validation_part(self.data)
        calibration.fit(self.predictive(inputs), targets)
        calibration.made_with = {
            "step": self.step,
            "num_samples": self.num_predict_samples,
            "seed": int(self.problem.seed),
            "num_examples": len(targets),
        }
        write_calibration(self.folder, calibration)
        return calibration

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
