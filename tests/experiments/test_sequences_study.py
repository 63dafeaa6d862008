"""The study of sequences: its task against brute force, its tables, and one small run."""

import numpy as np
import pytest

from experiments.sequences import run
from experiments.sequences.chains import Task
from experiments.sequences.training import scores

TASK = Task(num_classes=3, num_tokens=4, length=4)


def test_the_best_prediction_is_the_share_of_the_classes_that_made_a_sequence():
    ids, classes = TASK.draw(200_000, seed=0)
    whole = ids[:, -1] > 0
    keys = ids[whole] @ [64, 16, 4, 1]
    probabilities = TASK.best(ids[whole])
    for key in np.unique(keys)[:20]:
        rows = keys == key
        count, expected = rows.sum(), probabilities[rows][0]
        shares = np.bincount(classes[whole][rows], minlength=3) / count
        error = np.sqrt(expected * (1 - expected) / count)
        assert np.all(np.abs(shares - expected) < 5 * error + 1e-9), key


def test_sequences_are_padded_behind_and_the_same_for_a_seed():
    ids, _ = TASK.draw(1000, seed=1)
    assert set((ids > 0).sum(axis=1)) == {2, 3, 4}
    assert np.all(np.diff((ids > 0).astype(int), axis=1) <= 0)
    np.testing.assert_array_equal(ids, TASK.draw(1000, seed=1)[0])
    assert np.any(ids != TASK.draw(1000, seed=2)[0])


def test_no_prediction_has_a_lower_nll_than_the_best():
    ids, classes = TASK.draw(50_000, seed=3)
    best = TASK.best(ids)
    blurred = 0.9 * best + 0.1 / 3
    assert scores(best, classes)["nll"] < scores(blurred, classes)["nll"]
    assert scores(best, classes)["ece"] < 1.0


def test_tables():
    record = {"accuracy": 90.0, "nll": 0.3, "ece": 1.0, "seconds": 5.0}
    worse = {**record, "accuracy": 89.0}
    better = {**record, "accuracy": 91.0}
    rows = {
        ("LSTM", "deterministic"): [record, better],
        ("LSTM", "Bayesian"): [record, record],
        ("Transformer", "deterministic"): [record, record],
        ("Transformer", "Bayesian"): [worse, record],
    }
    text = run.differences(rows)
    assert "| LSTM | −0.50 ± 0.50 | 0.0000 ± 0.0000 | 0.00 ± 0.00 | yes |" in text
    assert "| Transformer | −0.50 ± 0.50 |" in text
    assert text.rstrip().endswith("| no |")
    text = run.table(rows, dict.fromkeys(rows, 0.01), {"accuracy": 95.0, "nll": 0.2, "ece": 0.1})
    assert "| Bayes' rule | chains known |  | 95.00 | 0.2000 | 0.10 |  |" in text


@pytest.mark.slow
def test_the_whole_study_small(tmp_path):
    arguments = [f"--root={tmp_path / 'work'}", f"--output={tmp_path}", "--fast", "--seeds=0,1"]
    assert run.main(arguments) == 0
    text = (tmp_path / "README.md").read_text()
    assert text.count("| Bayesian |") == 2
    assert run.main([*arguments, "--report"]) == 0
    assert (tmp_path / "README.md").read_text() == text
