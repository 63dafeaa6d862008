"""Preparation of texts: token numbers in a vocabulary."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, ClassVar

import keras
import numpy as np

from bnn.data.preparation.base import Preparation


@dataclasses.dataclass(frozen=True, eq=False)
class TextPreparation(Preparation):
    """Texts to int32 `[N, length]`: lower case, without punctuation, split at white space.

    `keras.layers.TextVectorization` with its defaults: 0 fills up, 1 is an unknown token, the
    vocabulary counts from 2; longer texts are cut.

    Attributes:
      vocabulary: tokens of the training part, the most frequent first.
      length: of every text.
    """

    kind: ClassVar[str] = "text"
    vocabulary: tuple[str, ...]
    length: int

    @classmethod
    def fit(cls, texts: list[str], max_tokens: int, length: int) -> TextPreparation:
        """Returns the preparation with the vocabulary of the training texts."""
        layer = keras.layers.TextVectorization(max_tokens, output_sequence_length=length)
        layer.adapt(np.asarray(texts, object))
        return cls(tuple(map(str, layer.get_vocabulary()[2:])), length)

    @property
    def num_tokens(self) -> int:
        """Different numbers: the input size of an embedding."""
        return len(self.vocabulary) + 2

    @functools.cached_property
    def _layer(self) -> keras.layers.TextVectorization:
        return keras.layers.TextVectorization(
            output_sequence_length=self.length, vocabulary=list(self.vocabulary)
        )

    def prepare(self, name: str, raw: Any) -> np.ndarray:
        """Returns token numbers, int32 `[N, length]`; ValueError for what is no list of texts."""
        texts = list(raw) if not isinstance(raw, (str, bytes)) else [None]
        wrong = [row for row, text in enumerate(texts) if not isinstance(text, str)]
        if wrong:
            seen = raw if isinstance(raw, (str, bytes)) else texts[wrong[0]]
            raise ValueError(
                f"{name}: raw must be a list of texts, got {seen!r:.60} in row {wrong[0]}; put "
                f"every text into the list."
            )
        if not texts:
            return np.zeros((0, self.length), np.int32)
        return self._layer(np.asarray(texts, object)).numpy().astype(np.int32)

    def recognises(self, raw: Any) -> bool:
        """Returns True for texts."""
        texts = isinstance(raw, (list, tuple)) or getattr(raw, "ndim", 0) == 1
        return isinstance(raw, str) or (texts and len(raw) > 0 and isinstance(raw[0], str))

    def fields(self) -> dict[str, Any]:
        """Returns vocabulary and length."""
        return {"vocabulary": list(self.vocabulary), "length": self.length}

    @classmethod
    def from_fields(cls, fields: dict[str, Any]) -> TextPreparation:
        """Returns the preparation with these fields."""
        return cls(tuple(fields["vocabulary"]), int(fields["length"]))
