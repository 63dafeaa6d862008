"""What `fit` says at its end of a model that predicts no better than a constant."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bnn.keras_model.heads import predictive_mean
from bnn.likelihoods import Likelihood, NormalRegression, Positions
from bnn.prediction import fixed_batch, predict

_MOST = 256  # examples predicted
_BATCH = 32  # of them at once, or all where the inputs of all are no more numbers than
_NUMBERS = 2**20
_TASKS = ("classification", "regression")


def constant_in_words(
    network: keras.Model,
    likelihood: Likelihood,
    data: tuple[Any, Any],
    *,
    num_samples: int,
    seed: int,
    kl_weight: float,
) -> str:
    """The warning of `bnn.diagnostics.constant_warning` for some training examples, or "".

    The mean weights are asked first, which costs a pass; the predictive only if they are no better.

    Args:
      network: trained.
      likelihood: p(y | outputs); nothing is said of other tasks than one classification or
        regression an example.
      data: x and y of `fit`.
      num_samples: S of the predictive.
      seed: of it.
      kl_weight: λ at the end.
    """
    from bnn.diagnostics import constant_warning  # all of training, which `import bnn` need not

    if likelihood.task not in _TASKS or isinstance(likelihood, Positions):
        return ""
    x, y = some_examples(*data)
    if x is None:
        return ""
    targets = _as_targets(likelihood.task, y)
    if (fixed := fixed_batch(network)) is not None:
        whole = slice(len(targets) // fixed * fixed)
        x, targets = _rows(x, whole), targets[whole]
        if not len(targets):
            return ""
    small = sum(np.size(leaf) for leaf in keras.tree.flatten(x)) <= _NUMBERS
    size = fixed or (_MOST if small else _BATCH)
    parts = []
    for start in range(0, len(targets), size):
        with keras.StatelessScope():  # states of layers are left as they are
            parts.append(network(_rows(x, slice(start, start + size))))
    outputs = keras.tree.map_structure(lambda *blocks: tf.concat(blocks, 0)[tf.newaxis], *parts)
    versus = _versus(likelihood, outputs, targets)
    if versus is None or versus.is_better:
        return ""
    samples = predict(network, x, num_samples, seed, batch_size=size, jit_compile=False)
    versus = _versus(likelihood, samples, targets)
    return constant_warning(network, likelihood.task, versus, (x, targets), kl_weight)


def some_examples(x: Any, y: Any) -> tuple[Any, Any]:
    """Up to 256 training examples, evenly from arrays, else the first; Nones where unfit."""
    if isinstance(x, (tf.data.Dataset, keras.utils.PyDataset)):
        return _first_of(x)
    leaves = keras.tree.flatten((x, y))
    if y is None or not all(hasattr(leaf, "shape") for leaf in leaves):
        return None, None
    count = int(leaves[0].shape[0])
    rows = np.unique(np.linspace(0, count - 1, min(count, _MOST)).astype(int))
    return _rows(x, rows), _rows(y, rows)


def _first_of(x: Any) -> tuple[Any, Any]:
    batches, count = [], 0
    each = iter(x) if isinstance(x, tf.data.Dataset) else (x[i] for i in range(x.num_batches or 1))
    for batch in each:
        inputs, targets, _ = keras.utils.unpack_x_y_sample_weight(batch)
        if targets is None:
            return None, None
        batches.append((inputs, targets))
        count += int(keras.tree.flatten(inputs)[0].shape[0])
        if count >= _MOST:
            break
    join = keras.tree.map_structure(lambda *parts: np.concatenate(parts)[:_MOST], *batches)
    return join[0], join[1]


def _rows(values: Any, rows: Any) -> Any:
    return keras.tree.map_structure(lambda leaf: np.asarray(leaf)[rows], values)


def _as_targets(task: str, y: Any) -> np.ndarray:
    """Labels `[B]`, or targets `[B, D]`."""
    y = np.asarray(y)
    if task == "regression":
        return y.reshape(len(y), -1).astype(np.float64)
    return (y.argmax(axis=1) if y.ndim == 2 and y.shape[1] > 1 else y.reshape(-1)).astype(int)


def _versus(likelihood: Likelihood, samples: Any, targets: np.ndarray) -> Any:
    from bnn.diagnostics import versus_constant
    from bnn.diagnostics.constants import learned_noise

    mean = np.asarray(predictive_mean(likelihood, samples), np.float64)
    if likelihood.task == "classification":
        error = (mean.argmax(axis=-1) != targets).astype(float)
        return versus_constant("classification", targets, {"error": error})
    names = [str(d) for d in range(targets.shape[1])] if targets.shape[1] > 1 else [""]
    squares = (mean.reshape(targets.shape) - targets) ** 2
    losses = {
        f"squared_error/{name}" if name else "squared_error": squares[:, column]
        for column, name in enumerate(names)
    }
    noise = None
    if isinstance(likelihood, NormalRegression):  # the mixture of another need have no such part
        noise = learned_noise(likelihood, likelihood.predictive(samples).aleatoric())
        noise = None if noise is None else noise.reshape(targets.shape)
    return versus_constant("regression", targets, losses, names, noise)
