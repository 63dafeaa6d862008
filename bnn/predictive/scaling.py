"""Probabilities recalibrated after training, by maps fitted to a validation part.

All maps act on the mean probabilities p of the predictive, not on the logits of its samples: they
calibrate what is reported. A network with one logit vector z has softmax(ln p) = softmax(z), and
the maps are those of the literature. They change no order of uncertainty that is not theirs:
entropies and their parts stay those of the model.

The objective is −(1/N) Σ ln p'(yₙ), convex in the parameters, minimised by L-BFGS (SciPy) from the
identity with the exact gradient (1/N) Σ (p' − onehot yₙ) ⊗ (ln p, 1).
"""

from __future__ import annotations

import abc
from typing import Any, ClassVar

import numpy as np
from scipy.special import logsumexp, softmax

from bnn.formatting import is_number
from bnn.predictive.fitted import Fitted, check_labels, check_probs

SMALLEST = 1e-12  # probabilities below count as this: their logarithm must be finite
_LARGEST = 100.0  # of parameters; at it the likelihood has no maximum,
_SEPARATED = 1e-8  # nor where so few nats an example are left
_OPTIONS = {"maxiter": 10_000, "ftol": 1e-15, "gtol": 1e-9}


class Scaling(Fitted):
    """A map of class probabilities `[N, C]` to others."""

    def __init__(self) -> None:
        self.state = {}

    @abc.abstractmethod
    def fit(self, probs: Any, labels: Any) -> Any:
        """Fits to probabilities `[N, C]`, or a `Predictive`, and labels `[N]`; returns itself."""

    @abc.abstractmethod
    def map(self, probs: np.ndarray) -> np.ndarray:
        """The map itself, of checked probabilities."""

    def __call__(self, probs: Any) -> np.ndarray:
        """Recalibrated probabilities `[N, C]`.

        Raises:
          ValueError: before `fit`, or for another number of classes.
        """
        self.require_fitted()
        probs = check_probs(probs)
        known = int(self.state["num_classes"])
        if probs.shape[1] != known:
            raise ValueError(
                f"probs must have the {known} classes that {self!r} was fitted to, got "
                f"{probs.shape[1]}."
            )
        return self.map(probs)


class _Affine(Scaling):
    """p' = softmax(ln p W + b) with some of W and b free."""

    every_class = True

    @abc.abstractmethod
    def expand(self, parameters: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
        """W `[C, C]` and b `[C]`."""

    @abc.abstractmethod
    def reduce(self, kernel: np.ndarray, offset: np.ndarray) -> np.ndarray:
        """The gradient of the parameters from that of W and b."""

    @abc.abstractmethod
    def identity(self, size: int) -> np.ndarray:
        """The parameters of p' = p."""

    def penalties(self, kernel: np.ndarray, offset: np.ndarray) -> tuple[float, Any, Any]:
        """What is added to the objective, and its gradients of W and b."""
        return 0.0, 0.0, 0.0

    def require_sound(self, kernel: np.ndarray) -> None:
        """ValueError for an optimum that is no recalibration."""

    def fit(self, probs: Any, labels: Any) -> Any:
        """Maximum likelihood.

        Raises:
          ValueError: a class without an example, or a likelihood without a maximum: examples of
            which none is wrong would have probabilities of 1, which no number of them shows.
        """
        from scipy.optimize import minimize  # which `import bnn` need not wait for

        probs = check_probs(probs)
        labels = check_labels(labels, probs.shape)
        if self.every_class:
            _require_every_class(self, labels, probs.shape[1])
        size, features = probs.shape[1], _logs(probs)
        target = np.eye(size)[labels]

        def objective(parameters: np.ndarray) -> tuple[float, np.ndarray]:
            kernel, offset = self.expand(parameters, size)
            logits = features @ kernel + offset
            logits = logits - logsumexp(logits, axis=1, keepdims=True)
            error = (np.exp(logits) - target) / len(labels)
            value, by_kernel, by_offset = self.penalties(kernel, offset)
            value -= logits[np.arange(len(labels)), labels].mean()
            gradient = self.reduce(features.T @ error + by_kernel, error.sum(axis=0) + by_offset)
            return value, gradient

        start = self.identity(size)
        bounds = [(-_LARGEST, _LARGEST)] * len(start)
        found = minimize(
            objective, start, jac=True, method="L-BFGS-B", bounds=bounds, options=_OPTIONS
        )
        kernel, offset = self.expand(found.x, size)
        self.require_sound(kernel)
        if np.abs(found.x).max() >= _LARGEST or found.fun < _SEPARATED:
            predicted = (features @ kernel + offset).argmax(axis=1)
            raise ValueError(_without_maximum(self, labels, predicted))
        self.state = {
            "num_classes": np.array(size), "kernel": kernel, "offset": offset,
        }  # fmt: skip
        return self

    def map(self, probs: np.ndarray) -> np.ndarray:
        """softmax(ln p W + b)."""
        return softmax(_logs(probs) @ self.state["kernel"] + self.state["offset"], axis=1)


class TemperatureScaling(_Affine):
    """p' = softmax(ln p/T): one number (Guo et al. 2017, section 4.2). The order of classes stays.

    Attributes:
      temperature: T; above 1 the model was too sure.
    """

    every_class = False

    @property
    def temperature(self) -> float:
        """T."""
        self.require_fitted()
        return float(1 / self.state["kernel"][0, 0])

    def identity(self, size: int) -> np.ndarray:
        """1/T = 1."""
        return np.ones(1)

    def expand(self, parameters: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
        """W = I/T, b = 0."""
        return parameters[0] * np.eye(size), np.zeros(size)

    def reduce(self, kernel: np.ndarray, offset: np.ndarray) -> np.ndarray:
        """By 1/T: the trace."""
        return np.array([np.trace(kernel)])

    def require_sound(self, kernel: np.ndarray) -> None:
        """ValueError for predictions that mislead."""
        if kernel[0, 0] <= 0:
            raise ValueError(
                "TemperatureScaling has its optimum at no positive temperature: on these "
                "validation examples the probabilities say less than equal ones; look at the model "
                "and at the order of examples and labels first."
            )

    def fit_samples(self, log_probs: Any, labels: Any, groups: int = 8) -> Any:
        """The temperature of ever more samples, from S: members of an ensemble, or weights.

        The mean of few samples scatters about that of all with the variance Var p/S, and its
        temperature has a bias of order 1/S. The jackknife (Quenouille 1956) takes it off: with T of
        all samples and T₋g of those without group g,

            T∞ ≈ G T − (G − 1) (1/G) Σ_g T₋g.

        It is right where many samples will predict; for a prediction of these S, use `fit`.

        Args:
          log_probs: normalised, `[S, N, C]`.
          labels: `[N]`.
          groups: G, at least 2 and at most S.

        Raises:
          ValueError: as of `fit`, other groups, or a temperature that is not positive.
        """
        probs = np.exp(np.asarray(log_probs, np.float64))
        if probs.ndim != 3 or not 2 <= groups <= len(probs):
            raise ValueError(
                "log_probs must be [S, N, C] with S at least groups, which is at least 2, got "
                f"shape {probs.shape} and groups={groups}; give those of all samples."
            )
        total, count = probs.sum(axis=0), len(probs)
        biased = TemperatureScaling().fit(total / count, labels)
        whole = biased.temperature
        without = [
            TemperatureScaling().fit((total - part.sum(axis=0)) / (count - len(part)), labels)
            for part in np.array_split(probs, groups)
        ]
        limit = groups * whole - (groups - 1) * np.mean([one.temperature for one in without])
        if limit <= 0:
            raise ValueError(
                f"the temperature must be positive, got {limit:.3g} without its bias, {whole:.3g} "
                f"with it: {count} samples are too few; use fit, or more samples."
            )
        self.state = {**biased.state, "kernel": np.eye(probs.shape[2]) / limit}
        return self


class VectorScaling(_Affine):
    """p' = softmax(w ∘ ln p + b): two numbers a class (Guo et al. 2017, section 4.2)."""

    def identity(self, size: int) -> np.ndarray:
        """Ones and zeros."""
        return np.r_[np.ones(size), np.zeros(size)]

    def expand(self, parameters: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
        """W = diag(w)."""
        return np.diag(parameters[:size]), parameters[size:]

    def reduce(self, kernel: np.ndarray, offset: np.ndarray) -> np.ndarray:
        """The diagonal."""
        return np.r_[np.diag(kernel), offset]


class MatrixScaling(_Affine):
    """p' = softmax(ln p W + b), with C² + C numbers (Guo et al. 2017; Kull et al. 2019).

    Args:
      penalty: λ of λ [Σ_{i≠j} W_ij²/(C(C − 1)) + Σ b²/C], which keeps so many numbers together
        (ODIR, Kull et al. 2019, section 3.3); 0 for none.
    """

    options: ClassVar[tuple[str, ...]] = ("penalty",)

    def __init__(self, penalty: float = 0.01) -> None:
        super().__init__()
        if not is_number(penalty) or not 0 <= penalty < np.inf:
            raise ValueError(f"penalty must be a finite number of at least 0, got {penalty!r}.")
        self.penalty = float(penalty)

    def identity(self, size: int) -> np.ndarray:
        """W = I, b = 0."""
        return np.r_[np.eye(size).ravel(), np.zeros(size)]

    def expand(self, parameters: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
        """Both are free."""
        return parameters[: size**2].reshape(size, size), parameters[size**2 :]

    def reduce(self, kernel: np.ndarray, offset: np.ndarray) -> np.ndarray:
        """Of all numbers."""
        return np.r_[kernel.ravel(), offset]

    def penalties(self, kernel: np.ndarray, offset: np.ndarray) -> tuple[float, Any, Any]:
        """See the class."""
        size = len(offset)
        off = (kernel - np.diag(np.diag(kernel))) / (size * (size - 1))
        value = self.penalty * ((off * kernel).sum() + (offset**2).mean())
        return value, 2 * self.penalty * off, 2 * self.penalty * offset / size


class IsotonicScaling(Scaling):
    """p'_c ∝ f_c(p_c) with increasing steps f_c (Zadrozny & Elkan 2002), by scikit-learn.

    One against the rest for every class, then normalised; where all f_c are 0, p' = p. A step at 0
    makes probabilities of 0, whose negative log-likelihood is infinite: judge it by error and
    calibration. Linear between the steps, as scikit-learn's own.
    """

    def fit(self, probs: Any, labels: Any) -> Any:
        """Pool adjacent violators.

        Raises:
          ValueError: a class without an example, or steps that give every label probability 1.
        """
        from sklearn.isotonic import IsotonicRegression  # which `import bnn` need not wait for

        probs = check_probs(probs)
        labels = check_labels(labels, probs.shape)
        _require_every_class(self, labels, probs.shape[1])
        before, state = self.state, {"num_classes": np.array(probs.shape[1])}
        for c in range(probs.shape[1]):
            steps = IsotonicRegression(y_min=0, y_max=1).fit(probs[:, c], labels == c)
            state |= {f"x{c}": steps.X_thresholds_, f"y{c}": steps.y_thresholds_}
        self.state = state
        mapped = self.map(probs)
        if mapped[np.arange(len(labels)), labels].min() > 1 - _SEPARATED:
            self.state = before
            raise ValueError(_without_maximum(self, labels, mapped.argmax(axis=1)))
        return self

    def map(self, probs: np.ndarray) -> np.ndarray:
        """The steps, normalised."""
        columns = [
            np.interp(probs[:, c], self.state[f"x{c}"], self.state[f"y{c}"])
            for c in range(probs.shape[1])
        ]
        mapped = np.stack(columns, axis=1)
        total = mapped.sum(axis=1, keepdims=True)
        return np.where(total > 0, mapped / np.where(total > 0, total, 1), probs)


def _logs(probs: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(probs, SMALLEST))


def _without_maximum(scaling: Scaling, labels: np.ndarray, predicted: np.ndarray) -> str:
    """Why nothing was fitted, and what to do; by the classes that the steepest map predicts."""
    wrong, count = int((predicted != labels).sum()), len(labels)
    if wrong:
        remedy = (
            "the probabilities are nearly equal; look at the model first"
            if isinstance(scaling, TemperatureScaling)
            else "use TemperatureScaling, which has fewer, or give more examples"
        )
        return (
            f"{scaling!r} has no maximum of the likelihood on these {count} examples: it grows "
            f"with the map's numbers up to {_LARGEST:g}, though {wrong} are predicted wrong; "
            f"{remedy}."
        )
    return (
        f"{scaling!r} has nothing to fit on these {count} examples: the map predicts none of them "
        "wrong, and would say that it never errs, which they do not show. Give more examples, hard "
        "ones among them, or leave the scaling out: the probabilities stay as they are, and sets "
        "need none (conformal=LAC(0.9) alone)."
    )


def _require_every_class(scaling: Scaling, labels: np.ndarray, size: int) -> None:
    missing = np.setdiff1d(np.arange(size), labels)
    if len(missing):
        raise ValueError(
            f"{type(scaling).__name__} needs a validation example of every class, got none of "
            f"class {', '.join(map(str, missing[:5]))}; use TemperatureScaling, or more examples."
        )
