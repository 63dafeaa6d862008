"""`python -m bnn.apply`: what it reads, refuses and writes."""

import errno
import os
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

import bnn
from bnn import apply
from bnn.data.preparation import ArrayPreparation, TablePreparation
from bnn.data.scaling import TargetScaling


class Said:
    """An answer of one column to every row."""

    def __init__(self, count):
        self.count = count

    def to_dataframe(self, level):
        pandas = pytest.importorskip("pandas", reason="needs pandas: pip install 'bnn[tables]'")
        ends = {} if level is None else {"lower_y": np.full(self.count, level)}
        return pandas.DataFrame({**ends, "mean_y": np.arange(self.count)})


class Run:
    """As much of a run as `answers` asks for."""

    def __init__(self, task="regression", source=None):
        self.task, self.source, self.asked = task, source, None
        self.data = self.scaling = self
        self.inputs, self.targets = source, None

    def predictive(self, inputs, **options):
        self.asked = options
        return Said(len(inputs) if isinstance(inputs, list) else 2)


def test_a_folder_is_its_files_by_name(tmp_path):
    for name in ("b.png", "a.png", ".hidden"):
        (tmp_path / name).touch()
    kept, inputs = apply.read_inputs(str(tmp_path))
    assert kept == {"file": ["a.png", "b.png"]}
    assert inputs == [str(tmp_path / name) for name in ("a.png", "b.png")]
    (tmp_path / "inner").mkdir()
    with pytest.raises(ValueError, match=r"must be a folder of files, got .*inner"):
        apply.read_inputs(str(tmp_path / "inner"))
    with pytest.raises(ValueError, match=r"files alone, got .* with the folder 'inner'"):
        apply.read_inputs(str(tmp_path))


def test_texts_arrays_and_tables(tmp_path):
    (tmp_path / "texts.txt").write_text("one two\nthree\n")
    assert apply.read_inputs(str(tmp_path / "texts.txt"))[1] == ["one two", "three"]
    np.save(tmp_path / "x.npy", np.ones((2, 3)))
    assert apply.read_inputs(str(tmp_path / "x.npy"))[1].shape == (2, 3)
    (tmp_path / "new.csv").write_text("a\n1\n")
    assert apply.read_inputs(str(tmp_path / "new.csv")) == ({}, str(tmp_path / "new.csv"))
    with pytest.raises(FileNotFoundError, match=r"--inputs .*none\.csv: no such file"):
        apply.read_inputs(str(tmp_path / "none.csv"))


def of_several(kinds):
    """As much of a run with a likelihood a target as `answers` asks for, and its inputs."""
    makers = {
        "values": bnn.likelihoods.Normal,
        "counts": bnn.likelihoods.Poisson,
        "labels": bnn.likelihoods.Categorical,
    }
    scalings = {
        "load": TargetScaling("values", loc=np.array([300.0]), scale=np.array([50.0])),
        "calls": TargetScaling("counts"),
        "left": TargetScaling("labels", num_classes=2, names=("no", "yes")),
    }
    scalings = {name: each for name, each in scalings.items() if each.kind in kinds}
    heads = bnn.likelihoods.Heads({n: makers[each.kind]() for n, each in scalings.items()})
    inputs = keras.Input((3,))
    widths = {name: each.num_classes or 1 for name, each in scalings.items()}
    outputs = {n: keras.layers.Dense(width, name=n)(inputs) for n, width in widths.items()}
    model = keras.Model(inputs, outputs)
    weights = {n: np.random.default_rng(k).normal(size=(4, 3, k)) for n, k in widths.items()}

    def predict(rows, count, seed):
        return {
            n: tf.constant(np.einsum("bi,sik->sbk", rows, w), tf.float32)
            for n, w in weights.items()
        }

    run = SimpleNamespace(
        model=model,
        num_predict_samples=4,
        problem=SimpleNamespace(likelihood=heads, seed=0),
        method=SimpleNamespace(functions=lambda count, seed: None, predict=predict),
        data=SimpleNamespace(
            scaling=SimpleNamespace(targets=scalings, inputs=ArrayPreparation((3,))),
            prepare_inputs=lambda rows: np.asarray(rows, np.float32),
        ),
    )
    return run, np.arange(6.0).reshape(2, 3) / 6


def test_targets_with_a_likelihood_each_are_answered_by_name():
    pytest.importorskip("pandas", reason="needs pandas: pip install 'bnn[tables]'")
    run, inputs = of_several(("values", "counts", "labels"))
    frame = apply.answers(run, {"id": ["a", "b"]}, inputs)
    wanted = run.problem.likelihood.predictive(
        run.method.predict(inputs, 4, 0), load={"loc": [300.0], "scale": [50.0]}
    )
    lower, upper = wanted["load"].interval(0.9)
    for name, values in (
        ("mean_load", wanted["load"].mean()[:, 0]),
        ("lower_load", lower[:, 0]),
        ("upper_load", upper[:, 0]),
        ("mean_calls", wanted["calls"].mean()[:, 0]),
        ("mean_left_no", wanted["left"].probs[:, 0]),
        ("mean_left_yes", wanted["left"].probs[:, 1]),
        ("epistemic_left", wanted["left"].epistemic()),
    ):
        np.testing.assert_allclose(frame[name], values, rtol=1e-4, atol=1e-6, err_msg=name)
    assert frame["lower_calls"].tolist() == np.round(frame["lower_calls"]).tolist()
    assert len(set(frame.columns)) == len(frame.columns)
    assert not {"total", "lower_left_no"} & set(frame.columns)


def test_several_targets_are_of_one_prediction_and_in_blocks_the_same(monkeypatch):
    pytest.importorskip("pandas", reason="needs pandas: pip install 'bnn[tables]'")
    run, inputs = of_several(("values", "labels"))
    whole, asked, predict = apply.answers(run, {}, inputs), [], run.method.predict

    def counted(rows, *others):
        asked.append(len(rows))
        return predict(rows, *others)

    monkeypatch.setattr(run.method, "predict", counted)
    monkeypatch.setattr("bnn.apply.by_target.rows_a_block", lambda *_: 1)
    blocks = apply.answers(run, {}, inputs)
    assert asked == [1] * len(inputs)
    assert list(blocks.columns) == list(whole.columns)
    np.testing.assert_allclose(blocks, whole, rtol=1e-4, atol=1e-6)


def test_a_level_without_numbers_is_refused():
    pytest.importorskip("pandas", reason="needs pandas: pip install 'bnn[tables]'")
    run, inputs = of_several(("labels",))
    with pytest.raises(ValueError, match=r"no target is a number, got 0\.5 for 'left'; prob"):
        apply.answers(run, {}, inputs, 0.5)


@pytest.mark.parametrize("content", [b"", b"words", b"\x93NUMPY\x01\x00"])
def test_what_is_no_array_of_numbers_is_refused(tmp_path, content):
    (tmp_path / "x.npy").write_bytes(content)
    with pytest.raises(ValueError, match=r"array of numbers, got .*x.npy.* by numpy.save"):
        apply.read_inputs(str(tmp_path / "x.npy"))


def test_objects_are_not_unpickled(tmp_path):
    np.save(tmp_path / "x.npy", np.array([{"a": 1}], object), allow_pickle=True)
    with pytest.raises(ValueError, match=r"which numpy\.load refuses"):
        apply.read_inputs(str(tmp_path / "x.npy"))


def test_answers_stand_beside_what_is_kept(tmp_path):
    pytest.importorskip("pandas", reason="needs pandas: pip install 'bnn[tables]'")
    run = Run()
    frame = apply.answers(run, {"file": ["a", "b"]}, ["a", "b"], num_samples=7)
    assert list(frame.columns) == ["file", "lower_y", "mean_y"]
    assert frame["lower_y"].tolist() == [0.9, 0.9]
    assert run.asked == {"raw": True, "num_samples": 7}
    for task in ("classification", "multi_label"):  # probabilities say it all
        assert "lower_y" not in apply.answers(Run(task), {}, ["a"]).columns
    arrays = Run(source=ArrayPreparation((3,)))
    with pytest.raises(ValueError, match=r"data are, of kind 'array', got .*; give a \.npy"):
        apply.answers(arrays, {}, str(tmp_path / "new.csv"))
    (tmp_path / "new.csv").write_text("id;mean_y\nx;1,5\ny;2,5\n")
    table = Run(source=TablePreparation((), (";", ",", None)))
    with pytest.raises(ValueError, match="not be named as the answers are, got mean_y; rename"):
        apply.answers(table, {}, str(tmp_path / "new.csv"))
    (tmp_path / "new.csv").write_text("id;a\nx;1,5\ny;2,5\n")
    frame = apply.answers(table, {}, str(tmp_path / "new.csv"), 0.5)
    assert list(frame.columns) == ["id", "a", "lower_y", "mean_y"]
    assert frame["a"].tolist() == [1.5, 2.5]
    assert frame["lower_y"].tolist() == [0.5, 0.5]


def test_answers_are_written_as_the_runs_own_files(tmp_path):
    """With other marks, neither the program that wrote the inputs nor the run reads the answers."""
    pandas = pytest.importorskip("pandas", reason="needs pandas: pip install 'bnn[tables]'")
    source = TablePreparation((), (";", ",", "."))
    (tmp_path / "new.csv").write_text("a;b\n1,5;x\n2,5;y\n")
    run = Run(source=source)
    run.predictive = lambda inputs, **options: Said(2)
    frame = apply.answers(run, {}, str(tmp_path / "new.csv"))
    apply.write(frame, tmp_path / "out.csv", **apply.csv_form(run))
    assert (tmp_path / "out.csv").read_text().splitlines()[1] == "1,5;x;0,9;0"
    again = pandas.read_csv(tmp_path / "out.csv", sep=";", decimal=",")
    assert list(again["a"]) == [1.5, 2.5]
    arrays = Run(source=ArrayPreparation((3,)))
    assert apply.csv_form(arrays) == {"separator": ",", "decimal": "."}


def test_a_line_is_a_text_whatever_is_in_it(tmp_path):
    """`str.splitlines` would make two of a text with a line separator or a form feed."""
    texts = ["one\u2028two", "three\x0cfour", "", "five"]
    (tmp_path / "texts.txt").write_text("\n".join(texts), encoding="utf-8")
    assert apply.read_inputs(str(tmp_path / "texts.txt"))[1] == texts
    (tmp_path / "texts.txt").write_bytes("schön".encode("latin-1"))
    with pytest.raises(ValueError, match=r"text in UTF-8, got .*texts.txt"):
        apply.read_inputs(str(tmp_path / "texts.txt"))


@pytest.mark.parametrize("links", [True, False])
def test_a_file_that_appeared_meanwhile_stays(tmp_path, monkeypatch, links):
    pandas = pytest.importorskip("pandas", reason="needs pandas: pip install 'bnn[tables]'")
    if not links:

        def refused(source, target):
            raise PermissionError(errno.EPERM, "no links here")

        monkeypatch.setattr(os, "link", refused)
    frame, path = pandas.DataFrame({"a": [1]}), tmp_path / "out.csv"
    apply.write(frame, path)
    assert path.read_text() == "a\n1\n"
    path.write_text("mine")
    with pytest.raises(FileExistsError):
        apply.write(frame, path)
    assert path.read_text() == "mine"
    assert [p.name for p in tmp_path.iterdir()] == ["out.csv"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("out.xlsx", r"--output must end in \.csv or \.parquet"),
        ("there.csv", "--output must not exist yet"),
        ("none/out.csv", "create the folder first"),
    ],
)
def test_outputs_that_cannot_be_written_are_refused(tmp_path, name, message):
    (tmp_path / "there.csv").touch()
    with pytest.raises(ValueError, match=message):
        apply.checked_output(str(tmp_path / name))


def test_answers_beside_true_values():
    pandas = pytest.importorskip("pandas", reason="needs pandas: pip install 'bnn[tables]'")
    ends = {"lower_y": [0.0, 0.0, 0.0, 0.0], "upper_y": [2.0, 2.0, 2.0, 2.0], "mean_y": [1.0] * 4}
    frame = pandas.DataFrame({"y": [1.0, 4.0, None, 1.0], **ends, "lower_z": 0, "mean_z": 0})
    assert apply.beside_truth(frame, 0.5) == [
        "y: RMSE 1.73; the 50.0 % intervals hold 66.7 % of 3 true values"
    ]
    assert apply.beside_truth(frame.drop(columns="y")) == []
    assert apply.beside_truth(frame.assign(y="unknown")) == []
