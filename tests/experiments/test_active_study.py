"""Active learning: a tiny session, what its tables hold, and the harness's fairness."""

import json

import numpy as np
import pytest

from experiments.active import run
from experiments.active.strategies import STRATEGIES

pytest.importorskip("matplotlib")


class Oracle:
    """Knows the classes; its functions agree."""

    def log_probs(self, x, num_samples):
        probs = np.full((num_samples, len(x), 2), 0.5)
        probs[0, :, 0] = np.linspace(0.5, 0.9, len(x))
        probs[..., 1] = 1 - probs[..., 0]
        return np.log(probs)


def test_strategies_give_so_many_different_places():
    random = np.random.default_rng(0)
    places = STRATEGIES["random"](None, np.zeros((9, 2)), 5, random)
    assert len(set(places)) == 5
    places = STRATEGIES["Thompson"](Oracle(), np.zeros((9, 2)), 3, random)
    assert places[0] == 8
    assert len(set(places)) == 3


def test_the_table_compares_within_seeds():
    plan = run.PLANS["digits"]._replace(rounds=2)
    low, high = [0.1, 0.2, 0.3], [0.2, 0.4, 0.6]
    runs = [
        {name: low if name == "random" else high for name in STRATEGIES},
        {name: high for name in STRATEGIES},
    ]
    table = run.accuracy_table({"digits": {"curves": runs}}, {"digits": plan})
    assert "| Digits | BALD | 40.0 ± 0.0 | 60.0 ± 0.0 | 40.0 ± 0.0 | 10.0 ± 10.0 |" in table
    assert "| Digits | random | 30.0 ± 10.0 | 45.0 ± 15.0 | 30.0 ± 10.0 | – |" in table


def test_nothing_to_report(tmp_path, capsys):
    assert run.main(["--report", f"--output={tmp_path}"]) == 1
    assert "leave --report out" in capsys.readouterr().err


@pytest.mark.slow
def test_a_tiny_session(tmp_path, write_set, monkeypatch):
    write_set(tmp_path / "data" / "mnist", 100, 60, 0)
    monkeypatch.setenv("BNN_DATA_DIR", str(tmp_path / "data"))
    assert run.main(["--fast", f"--output={tmp_path}", "--seeds=0,1"]) == 0
    assert (tmp_path / "accuracy.png").stat().st_size < 300_000
    for name in run.PLANS:
        runs = json.loads((tmp_path / "results" / f"{name}.json").read_text())["curves"]
        assert len(runs) == 2
        for each in runs:
            assert {len(curve) for curve in each.values()} == {3}
            assert len({curve[0] for curve in each.values()}) == 1  # the same labels at first
    assert "| MNIST | Thompson |" in (tmp_path / "README.md").read_text()
    assert run.main(["--fast", "--report", f"--output={tmp_path}"]) == 0
