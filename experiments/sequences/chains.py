"""Sequences of tokens whose class is the Markov chain that they come from.

They are generated, so that the best possible prediction is known.
"""

from __future__ import annotations

import dataclasses

import numpy as np

_CHAINS_SEED = 2026  # the chains are the task, and the same for every seed


@dataclasses.dataclass(frozen=True)
class Task:
    """C chains over the ids 1 … K, all begun alike; id 0 is padding.

    Attributes:
      num_classes: C.
      num_tokens: K + 1.
      length: of the longest sequence; half of them are shorter, padded behind.
      concentration: of the Dirichlet law of the chains' rows; larger is harder.
    """

    num_classes: int = 4
    num_tokens: int = 11
    length: int = 12
    concentration: float = 0.5

    @property
    def transitions(self) -> np.ndarray:
        """p(next | token, class), `[C, K, K]`."""
        rng = np.random.default_rng(_CHAINS_SEED)
        size = self.num_tokens - 1
        return rng.dirichlet(np.full(size, self.concentration), (self.num_classes, size))

    def draw(self, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Ids `[count, length]` and classes `[count]`."""
        rng = np.random.default_rng([seed, count])
        classes = rng.integers(0, self.num_classes, count)
        lengths = rng.integers(self.length // 2, self.length + 1, count)
        bounds = np.cumsum(self.transitions, axis=-1)
        ids = np.zeros((count, self.length), np.int32)
        ids[:, 0] = rng.integers(1, self.num_tokens, count)
        for place in range(1, self.length):
            rows = bounds[classes, ids[:, place - 1] - 1]
            chosen = (rng.random((count, 1)) > rows).sum(axis=1)
            ids[:, place] = 1 + np.minimum(chosen, self.num_tokens - 2)
        ids[np.arange(self.length) >= lengths[:, np.newaxis]] = 0
        return ids, classes.astype(np.int32)

    def best(self, ids: np.ndarray) -> np.ndarray:
        """p(class | ids) by Bayes' rule, `[count, C]`: ∏ p(x_t | x_{t−1}, c), normalised."""
        before, after = ids[:, :-1], ids[:, 1:]
        log_p = np.log(self.transitions)[:, before - 1, after - 1]  # padding is masked below
        scores = np.where(after > 0, log_p, 0.0).sum(axis=-1).T
        scores -= scores.max(axis=1, keepdims=True)
        return np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
