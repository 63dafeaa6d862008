"""What can be nothing but raw inputs is known as such; numbers are taken as prepared."""

from pathlib import Path

import numpy as np
import pytest

from bnn.data import arrays
from bnn.data.preparation import (
    ArrayPreparation,
    ImagePreparation,
    NestPreparation,
    TablePreparation,
    TextPreparation,
    from_json,
)

NUMBERS = np.zeros((2, 3), np.float32)
BYTES = np.zeros((2, 4, 4, 1), np.uint8)
IMAGES = ImagePreparation((4, 4, 1))
PIXELS = ArrayPreparation((4, 4, 1), pixels=True)
TABLE, TEXTS = TablePreparation(()), TextPreparation(("a",), 3)
PAIR = NestPreparation({"image": PIXELS, "text": TEXTS})


@pytest.mark.parametrize(
    ("preparation", "raw", "known"),
    [
        (ArrayPreparation((3,)), NUMBERS, False),
        (ArrayPreparation((3,)), BYTES, False),
        (PIXELS, BYTES, True),
        (PIXELS, BYTES / 255, False),
        (IMAGES, BYTES, True),
        (IMAGES, BYTES.astype(np.float32), False),
        (IMAGES, ["a.png", "b.png"], True),
        (IMAGES, Path("a.png"), True),
        (TABLE, NUMBERS, False),
        (TABLE, {"a": [1]}, True),
        (TABLE, [{"a": 1}], True),
        (TABLE, [[1.0], [2.0]], False),
        (TABLE, "new.csv", True),
        (TEXTS, ["a b", "c"], True),
        (TEXTS, np.array(["a b"], object), True),
        (TEXTS, np.zeros((2, 3), np.int32), False),
        (PAIR, {"image": BYTES / 255, "text": ["a", "b"]}, True),
        (PAIR, {"image": BYTES / 255, "text": np.zeros((2, 3), np.int32)}, False),
        (PAIR, {"image": BYTES}, False),
        (NestPreparation((PIXELS, PIXELS)), (BYTES, BYTES), True),
        (NestPreparation((PIXELS, PIXELS)), NUMBERS, False),
    ],
)
def test_raw_inputs_are_known(preparation, raw, known):
    assert preparation.recognises(raw) is known


def test_bytes_of_a_file_are_pixels_again_at_prediction(tmp_path):
    raw = np.random.RandomState(0).randint(0, 256, (20, 2, 2, 1)).astype(np.uint8)
    np.savez(tmp_path / "set.npz", x=raw, y=np.arange(20) % 2)
    for standardize in (None, "all"):
        data = arrays(tmp_path / "set.npz", standardize=standardize)
        rows = data.rows("test")
        stored = from_json(data.scaling.inputs.to_json())
        assert stored.recognises(raw)
        np.testing.assert_allclose(stored.prepare("set", raw[rows]), data.x_test, atol=1e-6)
        in_units = raw[rows].astype(np.float32) / 255
        np.testing.assert_allclose(stored.prepare("set", in_units), data.x_test, atol=1e-6)
    plain = ArrayPreparation((3,)).to_json()
    assert "pixels" not in plain  # as it was stored before there were any
    assert from_json(plain).pixels is False
