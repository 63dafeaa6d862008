"""The predictive distribution of a model for many inputs, computed in blocks when asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bnn.formatting import progress_bar
from bnn.likelihoods import ClassMixture, Likelihood, Mixture
from bnn.prediction import Functions, fixed_batch, predict_blocks
from bnn.prediction.inputs import number_of_rows, row_blocks
from bnn.predictive import standard_errors
from bnn.predictive.blocks import ROWS, ahead, moment_rows, rows_a_block
from bnn.predictive.calibration import Calibration
from bnn.predictive.checks import (
    chosen,
    one_number,
    require_as_many,
    require_calibration,
    require_known,
    require_likelihood,
    require_no_draws,
    require_numbers,
    rows_of,
)
from bnn.predictive.conversions import as_arviz, as_dataframe
from bnn.predictive.display import as_table, as_text
from bnn.predictive.first_rows import FirstRows
from bnn.predictive.fitted import check_flag
from bnn.predictive.moment_samples import MomentSamples
from bnn.predictive.moments import require_served
from bnn.predictive.quantities import QUANTITIES, in_order
from bnn.predictive.stamp import Stamp
from bnn.predictive.tolerance import Ask, Convergence, Tolerance, as_tolerance, one_output

_SETS = (tf.data.Dataset, keras.utils.PyDataset)  # which have batches of their own


def predictive(
    model: keras.Model,
    likelihood: Likelihood,
    inputs: Any,
    num_samples: int = 32,
    seed: Any = 0,
    *,
    functions: Functions | None = None,
    batch_size: int | None = None,
    jit_compile: bool | None = None,
    tolerance: float | None = None,
    tolerance_over: str = "each",
    max_samples: int = 1024,
    method: str = "samples",
    covariance: bool = True,
    antithetic: bool = False,
    progress: bool = True,
    allow_nan: bool = False,
    **units: Any,
) -> Predictive:
    """What the model says of the targets of some inputs; nothing is computed yet.

    Args:
      model: built Keras model with one output `[B, K]`.
      likelihood: p(y | outputs).
      inputs: as of `bnn.predict`.
      num_samples: S, weight samples; with a tolerance, those that every input gets at least.
      seed: int or scalar integer tensor.
      functions: what is sampled; draws of the posterior where None.
      batch_size: inputs per pass; where None the model's own, or 1,000, or fewer where S is large.
      jit_compile: as of `bnn.predict`.
      tolerance: weight samples are drawn until the standard error of the mean is at most this: of
        probabilities, or in target units; `num_samples` of them where None. `convergence` of the
        result says what was reached.
      tolerance_over: `"each"`, for each input the largest over its classes or columns, so that
        inputs get different numbers of samples; or `"mean"`, the mean of these over the inputs.
      max_samples: the cap on an input's samples with a tolerance; that of `functions` where given.
      method: `"samples"` of the weights, or `"moments"`: means and variances of all units are
        propagated in one pass (`bnn.predictive.propagate`, approximate beyond two layers), and
        `num_samples` outputs drawn from the normals that come out, at no further pass.
      covariance: with moments, carry covariances on, too (`propagate_covariance`), for outputs
        `[B, K]` with K at most 100: nearer, a pass back for each. Of classes two passes, for the
        differences between the three likeliest.
      antithetic: draw weights in pairs μ ± σ ε: the mean has a smaller error where outputs are
        nearly linear in the weights. `num_samples` must be even.
      progress: show a bar on a terminal's standard error where a pass takes over two seconds.
      allow_nan: take NaN and infinity in the inputs, of a model that has a layer for them.
      **units: `loc` and `scale` of regression targets, for results in the target's own units.

    Raises:
      ValueError: for unusable arguments, as of `bnn.predict`; at the first use of a result, by the
        row, for inputs that are not finite and outputs that are NaN.
    """
    require_likelihood(likelihood, model)
    if method == "moments":
        require_no_draws(functions, tolerance, antithetic)
        require_served(model)
    elif method != "samples":
        raise ValueError(f"method must be 'samples' or 'moments', got {method!r}.")
    until = as_tolerance(tolerance, tolerance_over, num_samples)
    most = None if until is None else max_samples
    functions = chosen(functions, num_samples, most, seed, antithetic)
    if method == "moments" and not isinstance(inputs, _SETS):
        batch_size = batch_size or fixed_batch(model) or moment_rows(model, num_samples)
    options = functions, batch_size, jit_compile, units, until, progress
    said = Predictive(model, likelihood, inputs, *options, check_flag("allow_nan", allow_nan))
    if method == "moments":
        said.predict_by(MomentSamples(model, likelihood, num_samples, seed, covariance))
    return said


class Predictive:
    """p(y | x) of every input, an equal mixture of S functions; made by `bnn.predictive`.

    Results are NumPy arrays in float64, computed block by block at their first use and kept: mean
    and uncertainties in one pass, every other quantile in one of its own, which is refused where
    the weights have changed since the first. The outputs of all samples for all inputs are never in
    memory.

    For classes `mean` is their probabilities `[N, C]`, and total, aleatoric and epistemic are
    entropies in nats `[N]`; else all are `[N, D]`, and the three are variances. In both total =
    aleatoric + epistemic.

    Attributes:
      calibration: what was fitted after training to predictions like these, or None.
      names: of the classes, or of the target's columns, for tables; None: numbers.
      target_units: of columns by their name; empty where they are not known.
    """

    def __init__(
        self,
        model: keras.Model,
        likelihood: Likelihood,
        inputs: Any,
        functions: Functions,
        batch_size: int | None,
        jit_compile: bool | None,
        units: dict[str, Any],
        tolerance: Tolerance | None = None,
        progress: bool = True,
        allow_nan: bool = False,
    ) -> None:
        self.likelihood = likelihood
        self.calibration: Calibration | None = None
        self.names: tuple[str, ...] | None = None
        self.target_units: Mapping[str, str] = {}
        self.num_samples = functions.num_samples
        self._model, self._inputs, self._functions, self._units = model, inputs, functions, units
        own = isinstance(inputs, _SETS)
        size = batch_size if own else batch_size or fixed_batch(model)
        if size is None and not own:  # samples come a few at a time where there is a tolerance
            size = ROWS if tolerance else rows_a_block(model, functions.num_samples)
        self._options: dict[str, Any] = {"batch_size": size, "jit_compile": jit_compile}
        self._options["finite"] = not allow_nan
        self._known: dict[Any, np.ndarray] = {}
        self._tolerance, self._progress = tolerance, progress
        self._predict: Callable[[Any], tf.Tensor] | None = None
        self._ask = Ask(likelihood, functions, units, self._options)
        self._stamp = Stamp([*model.variables, *likelihood.variables])

    def predict_by(self, predict: Callable[[Any], tf.Tensor]) -> None:
        """Takes samples of the outputs from a function in place of the model and its functions.

        Args:
          predict: of a block of inputs `[b, …]`; gives `[S, b, K]`, S the same for all blocks.
        """
        self._predict = predict

    @property
    def convergence(self) -> Convergence:
        """What became of the tolerance: samples, error, and whether it was reached, by input.

        Raises:
          ValueError: none was given.
        """
        if self._tolerance is None:
            raise ValueError(
                "convergence is of a prediction with a tolerance, got none; call "
                "bnn.predictive(…, tolerance=0.01)."
            )
        self.mean  # noqa: B018  (draws)
        assert self._ask.convergence is not None
        return self._ask.convergence

    @property
    def mean(self) -> np.ndarray:
        """E[y | x]; the probabilities of classes."""
        return self._moment("mean")

    @property
    def total(self) -> np.ndarray:
        """The whole uncertainty: variance, or entropy of the mean probabilities."""
        return self._moment("total")

    @property
    def aleatoric(self) -> np.ndarray:
        """The part of the noise: mean variance, or mean entropy, of the samples."""
        return self._moment("aleatoric")

    @property
    def epistemic(self) -> np.ndarray:
        """The part of the weights: variance of the means, or mutual information."""
        return self._moment("epistemic")

    @property
    def stddev(self) -> np.ndarray:
        """The square root of the variance."""
        require_numbers(self.likelihood, "stddev")
        return np.sqrt(self.total)

    def quantile(self, q: float) -> np.ndarray:
        """The smallest y with P(Y ≤ y | x) ≥ q, `[N, D]`."""
        return self._quantile(q)[0]

    def interval(self, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
        """The central interval of that mass: lower and upper ends, `[N, D]` each."""
        if not 0 < level < 1:
            raise ValueError(
                f"level must lie strictly between 0 and 1, got {level}; 0.95 is usual."
            )
        return self.quantile((1 - level) / 2), self.quantile((1 + level) / 2)

    def standard_error(self, quantity: str, q: float | None = None) -> np.ndarray:
        """The Monte-Carlo standard error of a result, of its shape; NaN for one sample.

        Args:
          quantity: `"mean"`, `"total"`, `"aleatoric"`, `"epistemic"` or `"quantile"`.
          q: the probability of the quantile.
        """
        if quantity == "quantile" and q is not None:
            return self._quantile(q)[1]
        if quantity not in QUANTITIES:
            raise ValueError(
                f"quantity must be one of {', '.join(QUANTITIES)}, or 'quantile' with q, got "
                f"{quantity!r}; intervals are made of quantiles."
            )
        return self._moment(quantity, error=True)

    def log_prob(self, targets: Any) -> np.ndarray:
        """Log p(y | x) in nats, `[N]`, in the target's own units."""
        targets = np.asarray(targets)
        each = [
            (at, np.asarray(mixture.log_prob(rows_of(targets, at))))
            for at, mixture in self._mixtures()
        ]
        require_as_many(targets, sum(len(at) for at, _ in each))
        return in_order(each)

    def samples(self, count: int, seed: Any = 0) -> np.ndarray:
        """Targets drawn from the predictive, `[count, N, …]`, another seed for each block."""
        each = [
            (at, np.moveaxis(np.asarray(mixture.sample(count, seed + int(at[0]))), 1, 0))
            for at, mixture in self._mixtures()
        ]
        return np.moveaxis(in_order(each), 1, 0)

    @property
    def calibrated_mean(self) -> np.ndarray:
        """The recalibrated probabilities `[N, C]`, by `calibration`."""
        return require_calibration(self.calibration).probs(self.mean)

    def prediction_sets(self) -> np.ndarray:
        """Which classes are in each conformal set, booleans `[N, C]`, by `calibration`."""
        return require_calibration(self.calibration).sets(self.mean)

    def conformal_interval(self) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper ends `[N, D]` of the conformal intervals, by `calibration`."""
        return require_calibration(self.calibration).interval(self)

    def to_dataframe(self, level: float | None = None) -> Any:
        """A row per input: mean, uncertainties and errors, and with a level the interval's ends."""
        return as_dataframe(self, level)

    def to_arviz(self, targets: Any = None, count: int = 1000, seed: Any = 0) -> Any:
        """`count` draws of the targets, and the observed targets, for ArviZ's plots and checks."""
        return as_arviz(self, targets, count, seed)

    def __repr__(self) -> str:
        """The first inputs: mean and interval in the target's units, or classes and entropy."""
        self.mean  # noqa: B018  (draws)
        return as_text(self, self._first, is_cap=self._tolerance is not None)

    def _repr_html_(self) -> str:
        """The first inputs as a table: the same, and the parts of the uncertainty."""
        self.mean  # noqa: B018  (draws)
        return as_table(self, self._first)

    def _mixtures(self) -> Iterator[tuple[np.ndarray, Mixture | ClassMixture]]:
        """The mixture of every block of inputs, and their numbers; ValueError where it is NaN."""
        self._stamp.check()
        for at, mixture in self._pieces():
            require_known(at, mixture)
            yield at, mixture

    def _pieces(self) -> Iterator[tuple[np.ndarray, Mixture | ClassMixture]]:
        if self._tolerance is not None:
            yield from self._tolerance.pieces(self._model, self._inputs, self._ask)
            return
        if self._predict is not None:
            size, finite = self._options["batch_size"], self._options["finite"]
            blocks = row_blocks(self._model, self._inputs, size, finite)
            each = ((start, one_output(self._predict(rows))) for start, rows in blocks)
            for start, outputs in ahead(each):
                self.num_samples = len(outputs)  # a method may have fewer than asked for
                yield np.arange(start, start + outputs.shape[1]), self._ask.mixture(outputs)
            return
        parts: list[np.ndarray] = []
        for block in predict_blocks(
            self._model, self._inputs, self.num_samples, functions=self._functions, **self._options
        ):
            parts.append(one_output(block.outputs))
            if block.samples.stop == self.num_samples:
                mixture = self._ask.mixture(np.concatenate(parts))
                parts = []
                yield np.arange(block.rows.start, block.rows.stop), mixture

    def _collect(self, names: list[Any], say: Callable[[Any, Any], list[Any]]) -> None:
        places, parts = [], []
        num_rows = number_of_rows(self._model, self._inputs)
        with progress_bar("predicting", num_rows, self._progress) as advance:
            for at, mixture in self._mixtures():
                places.append(at)
                parts.append([np.asarray(value) for value in say(at, mixture)])
                advance(len(at))
        for name, values in zip(names, zip(*parts, strict=True), strict=True):
            self._known[name] = in_order(list(zip(places, values, strict=True)))

    def _moment(self, name: str, *, error: bool = False) -> np.ndarray:
        if (name, error) not in self._known:
            names = [(one, wrong) for wrong in (False, True) for one in QUANTITIES]
            self._first = FirstRows(self._functions.coupled)
            self._collect(names, self._first.moments)
        return self._known[name, error]

    def _quantile(self, q: float) -> tuple[np.ndarray, np.ndarray]:
        require_numbers(self.likelihood, "quantile")
        q = one_number(q)
        names = [("quantile", q), ("quantile error", q)]
        if names[0] not in self._known:

            def say(_: np.ndarray, mixture: Mixture) -> list[Any]:
                at = mixture.quantile(q).numpy()
                return [at, standard_errors.of_quantile(mixture, at, self._functions.coupled)]

            self._collect(names, say)
        return self._known[names[0]], self._known[names[1]]
