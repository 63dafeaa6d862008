"""The predictive distribution of a model for many inputs, computed in blocks when asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bnn.formatting import html_table
from bnn.likelihoods import ClassMixture, Likelihood, Mixture
from bnn.prediction import Draws, Functions, predict_blocks
from bnn.predictive import standard_errors

_ROWS = 1000  # of one block, where the caller does not say
_QUANTITIES = ("mean", "total", "aleatoric", "epistemic")


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
    **units: Any,
) -> Predictive:
    """What the model says of the targets of some inputs; nothing is computed yet.

    Args:
      model: built Keras model with one output `[B, K]`.
      likelihood: p(y | outputs).
      inputs: as of `bnn.predict`.
      num_samples: S, weight samples.
      seed: int or scalar integer tensor.
      functions: what is sampled; draws of the posterior where None.
      batch_size: inputs per pass, 1,000 where None: S × batch_size outputs are in memory at once.
      jit_compile: as of `bnn.predict`.
      **units: `loc` and `scale` of regression targets, for results in the target's own units.

    Raises:
      ValueError: for unusable arguments, as of `bnn.predict`.
    """
    if not isinstance(likelihood, Likelihood):
        raise ValueError(
            f"likelihood must be a likelihood object, got {likelihood!r}; pass for example "
            "bnn.likelihoods.Categorical(), with the parentheses."
        )
    functions = functions if functions is not None else Draws(num_samples, seed)
    return Predictive(model, likelihood, inputs, functions, batch_size, jit_compile, units)


class Predictive:
    """p(y | x) of every input, an equal mixture of S functions; made by `bnn.predictive`.

    Results are NumPy arrays in float64, computed block by block at their first use and kept: mean
    and uncertainties in one pass, every other quantile in one of its own. The outputs of all
    samples for all inputs are never in memory.

    For classes `mean` is their probabilities `[N, C]`, and total, aleatoric and epistemic are
    entropies in nats `[N]`; else all are `[N, D]`, and the three are variances. In both total =
    aleatoric + epistemic.
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
    ) -> None:
        self.likelihood = likelihood
        self.num_samples = functions.num_samples
        self._model, self._inputs, self._functions, self._units = model, inputs, functions, units
        own = isinstance(inputs, (tf.data.Dataset, keras.utils.PyDataset))
        size = batch_size if own else batch_size or _ROWS
        self._options: dict[str, Any] = {"batch_size": size, "jit_compile": jit_compile}
        self._known: dict[Any, np.ndarray] = {}

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
        self._require_numbers("stddev")
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
        if quantity not in _QUANTITIES:
            raise ValueError(
                f"quantity must be one of {', '.join(_QUANTITIES)}, or 'quantile' with q, got "
                f"{quantity!r}; intervals are made of quantiles."
            )
        return self._moment(quantity, error=True)

    def log_prob(self, targets: Any) -> np.ndarray:
        """Log p(y | x) in nats, `[N]`, in the target's own units."""
        targets = np.asarray(targets)
        parts = [np.asarray(mixture.log_prob(targets[rows])) for rows, mixture in self._mixtures()]
        return np.concatenate(parts)

    def samples(self, count: int, seed: Any = 0) -> np.ndarray:
        """Targets drawn from the predictive, `[count, N, …]`, another seed for each block."""
        parts = [
            np.asarray(mixture.sample(count, seed + rows.start))
            for rows, mixture in self._mixtures()
        ]
        return np.concatenate(parts, axis=1)

    def to_dataframe(self) -> Any:
        """A row per input (and target column): mean, uncertainties, interval and their errors."""
        import pandas as pd

        data: dict[str, np.ndarray] = {}
        for name in _QUANTITIES:
            for values, suffix in (
                (self._moment(name), ""),
                (self._moment(name, error=True), "_standard_error"),
            ):
                if values.ndim == 1:
                    data[name + suffix] = values
                    continue
                for column in range(values.shape[1]):
                    data[f"{name}_{column}{suffix}"] = values[:, column]
        return pd.DataFrame(data)

    def __repr__(self) -> str:
        """The first inputs, with the standard errors of their means."""
        mean, error, total = self.mean, self.standard_error("mean"), self.total
        kind = "entropy" if total.ndim == 1 else "variance"
        lines = [
            f"Predictive of {len(mean)} inputs, {self.num_samples} weight samples, "
            f"{type(self.likelihood).__name__}: mean ± Monte-Carlo error | {kind}: total"
        ]
        for row in range(min(5, len(mean))):
            cells = "  ".join(
                f"{m:.4g} ± {e:.1g}" for m, e in zip(mean[row], error[row], strict=True)
            )
            lines.append(
                f"  {row}: {cells} | " + "  ".join(f"{t:.4g}" for t in np.ravel(total[row]))
            )
        return "\n".join(lines + (["  …"] if len(mean) > 5 else []))

    def _repr_html_(self) -> str:
        """The first inputs as a table: mean and uncertainties, each ± its Monte-Carlo error.

        Of classes the three most probable are shown.
        """
        mean, errors = self.mean, self.standard_error("mean")
        classes = self.total.ndim == 1
        rows = []
        for row in range(min(5, len(mean))):
            shown = np.argsort(-mean[row])[:3] if classes else range(mean.shape[1])
            prefix = "{}: " if classes else ""
            cells = [prefix.format(c) + f"{mean[row, c]:.4g} ± {errors[row, c]:.1g}" for c in shown]
            line = [str(row), ", ".join(cells)]
            for name in ("total", "aleatoric", "epistemic"):
                values = np.ravel(self._moment(name)[row])
                spread = np.ravel(self._moment(name, error=True)[row])
                pairs = zip(values, spread, strict=True)
                line.append(", ".join(f"{v:.4g} ± {e:.1g}" for v, e in pairs))
            rows.append(line)
        unit = "entropy, nats" if classes else "variance"
        headings = ["input", "class: probability" if classes else "mean"]
        headings += [f"{name} {unit}" for name in ("total", "aleatoric", "epistemic")]
        caption = (
            f"Predictive of {len(mean)} inputs, {self.num_samples} weight samples, "
            f"{type(self.likelihood).__name__}; ± Monte-Carlo error"
        )
        return html_table(caption, headings, rows)

    def _mixtures(self) -> Iterator[tuple[slice, Mixture | ClassMixture]]:
        """The mixture of every block of rows."""
        parts: list[np.ndarray] = []
        for block in predict_blocks(
            self._model, self._inputs, self.num_samples, functions=self._functions, **self._options
        ):
            if not tf.is_tensor(block.outputs):
                raise ValueError(
                    "bnn.predictive needs a model with one output, got "
                    f"{type(block.outputs).__name__}; use bnn.predict and Heads.predictive."
                )
            parts.append(block.outputs.numpy())
            if block.samples.stop == self.num_samples:
                mixture = self.likelihood.predictive(np.concatenate(parts), **self._units)
                parts = []
                yield block.rows, mixture

    def _collect(self, names: list[Any], say: Callable[[Any], list[Any]]) -> None:
        parts = [[np.asarray(value) for value in say(m)] for _, m in self._mixtures()]
        for name, values in zip(names, zip(*parts, strict=True), strict=True):
            self._known[name] = np.concatenate(values)

    def _moment(self, name: str, *, error: bool = False) -> np.ndarray:
        if (name, error) not in self._known:
            names = [(one, wrong) for wrong in (False, True) for one in _QUANTITIES]
            self._collect(names, _moments)
        return self._known[name, error]

    def _quantile(self, q: float) -> tuple[np.ndarray, np.ndarray]:
        self._require_numbers("quantile")
        names = [("quantile", q), ("quantile error", q)]
        if names[0] not in self._known:

            def say(mixture: Mixture) -> list[Any]:
                at = mixture.quantile(q).numpy()
                return [at, standard_errors.of_quantile(mixture, at)]

            self._collect(names, say)
        return self._known[names[0]], self._known[names[1]]

    def _require_numbers(self, what: str) -> None:
        if self.likelihood.task == "classification":
            raise ValueError(
                f"{what} is of targets that are numbers, got the classes of "
                f"{type(self.likelihood).__name__}; use mean (their probabilities) and total (the "
                "entropy)."
            )


def _moments(mixture: Mixture | ClassMixture) -> list[Any]:
    if isinstance(mixture, ClassMixture):
        errors = standard_errors.of_classes(mixture)
        values = [mixture.mean(), mixture.total(), mixture.aleatoric(), mixture.epistemic()]
    else:
        errors = standard_errors.of_mixture(mixture)
        values = [mixture.mean(), mixture.variance(), mixture.aleatoric(), mixture.epistemic()]
    return [*values, *(errors[name] for name in _QUANTITIES)]
