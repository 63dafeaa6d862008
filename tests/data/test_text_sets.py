import json
from pathlib import Path

import keras
import numpy as np
import pytest

from bnn.data import Scaling, text_classification

GOOD = ["A good film, really good!", "good good fun", "What a joy.", "joy and fun"]
BAD = ["a bad film", "Bad, bad, boring.", "boring", "no fun at all"]


def _folder(path: Path) -> Path:
    for label, texts in (("good", GOOD), ("bad", BAD)):
        (path / label).mkdir(parents=True)
        for number, text in enumerate(texts):
            (path / label / f"{number}.txt").write_text(text)
    return path


def test_the_vocabulary_is_the_training_parts(tmp_path):
    data = text_classification(_folder(tmp_path / "films"), length=5, test_fraction=0.5, seed=1)
    assert (data.name, data.class_names, data.input_shape) == ("films", ("bad", "good"), (5,))
    texts = BAD + GOOD
    train = [texts[row] for row in data.rows("train")]
    layer = keras.layers.TextVectorization(output_sequence_length=5)
    layer.adapt(np.array(train, object))
    np.testing.assert_array_equal(data.x_train, layer(np.array(train, object)))
    test = [texts[row] for row in data.rows("test")]
    np.testing.assert_array_equal(data.x_test, layer(np.array(test, object)))
    np.testing.assert_array_equal(data.y_test, data.rows("test") >= 4)
    assert (data.x_test == 1).any()  # a word that the training part lacks
    assert data.preparation.num_tokens == len(layer.get_vocabulary())


def test_a_stored_scaling_prepares_new_texts(tmp_path):
    data = text_classification(_folder(tmp_path / "films"), length=5, max_tokens=6)
    scaling = Scaling.from_json(json.loads(json.dumps(data.scaling.to_json())))
    texts = ["good fun", "unheard of", "bad bad bad bad bad bad"]
    prepared = scaling.prepare_inputs(texts)
    np.testing.assert_array_equal(prepared, data.prepare_inputs(texts))
    assert prepared.shape == (3, 5)
    assert prepared.max() < 6
    assert prepared.dtype == np.int32
    assert scaling.prepare_inputs([]).shape == (0, 5)
    with pytest.raises(ValueError, match="films: raw must be a list of texts, got 'good' in row 0"):
        scaling.prepare_inputs("good")
    with pytest.raises(ValueError, match="raw must be a list of texts, got 3 in row 1; put every"):
        scaling.prepare_inputs(["good", 3])


def test_parts_of_their_own(tmp_path):
    _folder(tmp_path / "train")
    _folder(tmp_path / "test")
    data = text_classification(tmp_path, length=4)
    assert (data.num_train, data.num_test) == (8, 8)
    np.testing.assert_array_equal(data.x_train, data.x_test)
    (tmp_path / "test" / "odd").mkdir()
    (tmp_path / "test" / "odd" / "1.txt").write_text("strange")
    message = "all labels must be classes of the training part, 'bad', 'good', got 'odd' in row 16"
    with pytest.raises(ValueError, match=message):
        text_classification(tmp_path)


def test_a_csv_file(tmp_path):
    pandas = pytest.importorskip("pandas", reason="needs pandas: pip install 'bnn[tables]'")
    frame = pandas.DataFrame({"review": BAD + GOOD, "stars": [1] * 4 + [5] * 4})
    path = tmp_path / "films.csv"
    frame.to_csv(path, index=False)
    data = text_classification(path, "review", "stars", length=5, test_fraction=0.5, seed=1)
    folder = text_classification(_folder(tmp_path / "f"), length=5, test_fraction=0.5, seed=1)
    np.testing.assert_array_equal(data.x_train, folder.x_train)
    assert data.class_names == ("1", "5")
    with pytest.raises(
        ValueError, match=r"text must name a column, got 'text'; films.csv has 'rev"
    ):
        text_classification(path)
    frame.loc[3, "review"] = None
    frame.to_csv(path, index=False)
    with pytest.raises(ValueError, match=r"column 'review' must have no missing .* in row 3"):
        text_classification(path, "review", "stars")


def test_bad_folders_are_named(tmp_path):
    (tmp_path / "one" / "good").mkdir(parents=True)
    for name in "abcde":
        (tmp_path / "one" / "good" / f"{name}.txt").write_text("good")
    with pytest.raises(ValueError, match="texts of two classes at least, got 'good'; correct"):
        text_classification(tmp_path / "one")
    folder = _folder(tmp_path / "films")
    (folder / "bad" / "0.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match=r"bad/0.txt: must be text in UTF-8, got bytes"):
        text_classification(folder)
    (folder / "lost.txt").write_text("?")
    with pytest.raises(ValueError, match=r"in the folder of its class, got .*lost.txt \(1 such"):
        text_classification(folder)
    with pytest.raises(ValueError, match=r"max_tokens must be an integer .* got 2; 20_000 are"):
        text_classification(folder, max_tokens=2)
    with pytest.raises(ValueError, match=r"length must be an integer .* got 0; 256 tokens"):
        text_classification(folder, length=0)
