"""The benchmark: its counts, its ratios and verdicts, and one tiny session of our own."""

import pytest

from experiments.records import read_rows, replace_rows
from experiments.speed import families, run
from experiments.speed.cases import CASES, FAST, forward
from experiments.speed.peers import PEERS
from experiments.speed.revisions import _pairs, revisions_table
from experiments.speed.session import Sample
from experiments.speed.summary import Bound, Quartiles, best_forms, verdicts


def samples(peer, estimator, form, seconds, case="c"):
    return [Sample(case, peer, estimator, form, i, s) for i, s in enumerate(seconds)]


def test_counts_of_a_network_by_hand():
    case = FAST["6-5-3"]
    assert case.num_weights == 6 * 5 + 5 + 5 * 3 + 3
    # Forward 6·5 + 5·3 multiplications an example; kernels again; inputs of the second layer.
    assert case.flops("reparameterization") == 2 * 4 * (2 * (30 + 15) + 15)
    assert case.flops("lrt") == 2 * case.flops("reparameterization")
    assert case.bytes("deterministic") == 40 * case.num_weights
    assert case.flops("prediction") == 2 * 100 * 10_000 * (30 + 15)
    assert CASES["LeNet-5"].num_weights == 61_706


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_network_uses_every_layer_once_in_order_of_its_channels(case):
    seen = []

    class Ops:
        relu = pool = flatten = average = staticmethod(lambda x: x)

    def layer(i, x):
        seen.append(i)
        return case.layers[i].outputs

    class Channels(int):
        pass

    assert forward(case.network, Channels(case.layers[0].inputs), layer, Ops)
    assert sorted(seen) == list(range(len(case.layers)))


def test_the_best_form_counts_and_ratios_are_paired():
    # The machine slows down from round to round; the ratio does not.
    ours = samples("bnn", "lrt", "XLA", [1.0, 2.0, 4.0])
    slow = samples("P", "lrt", "eager", [9.0, 9.0, 9.0])
    fast = samples("P", "lrt", "compiled", [2.0, 4.0, 8.0])
    best = best_forms([*ours, *slow, *fast])
    assert best["c", "P", "lrt"].form == "compiled"
    ratio = best["c", "bnn", "lrt"].ratio_to(best["c", "P", "lrt"])
    assert ratio == Quartiles(0.5, 0.5, 0.5)


def test_verdicts_choose_the_other_side():
    best = best_forms(
        samples("bnn", "lrt", "XLA", [1.0])
        + samples("bnn", "deterministic", "XLA", [0.8])
        + samples("P", "lrt", "jit", [1.5])
        + samples("Q", "lrt", "jit", [4.0])
    )

    def found(other, limit):
        bounds = [Bound("c", ("lrt", "flipout"), other, limit)]
        return [(v.other, round(v.ratio.median, 3), v.reached) for v in verdicts(best, bounds)]

    assert found("every", 0.5) == [("P", 0.667, False), ("Q", 0.25, True)]
    assert found("best", 0.7) == [("P", 0.667, True)]
    assert found("Q", 0.2) == [("Q", 0.25, False)]
    assert found("deterministic", 2.0) == [("our deterministic step", 1.25, True)]
    assert found("R", 1.0) == []
    assert found("flipout", 1.0) == []


def test_fit_is_held_to_our_own_fit():
    best = best_forms(
        samples("bnn", "fit lrt", "XLA", [1.5, 3.0]) + samples("bnn", "fit", "XLA", [1.0, 1.5])
    )
    (verdict,) = verdicts(best, [Bound("c", ("fit lrt",), "fit", 1.7)])
    assert (verdict.other, verdict.ratio.median, verdict.reached) == ("fit", 1.75, False)


def test_revisions_are_compared_form_by_form_and_round_by_round():
    ours = samples("bnn", "lrt", "XLA", [1.0, 2.0, 4.04]) + samples("bnn", "lrt", "graph", [9.0])
    earlier = samples("abc", "lrt", "XLA", [1.0, 2.0, 4.0]) + samples("abc", "mean", "XLA", [1.0])
    pairs = _pairs([*ours, *earlier], {}, "abc")
    assert [(p.form, p.seconds, p.earlier_seconds) for p in pairs] == [
        ("XLA", 1.0, 1.0),
        ("XLA", 2.0, 2.0),
        ("XLA", 4.04, 4.0),
    ]
    assert "| 1.00 (1.00–1.00) | 1.00 | yes |" in revisions_table(pairs)
    slower = _pairs([*samples("bnn", "lrt", "XLA", [1.04]), *earlier], {}, "abc")
    assert "| **no** |" in revisions_table(slower)
    with pytest.raises(RuntimeError, match="no such form"):
        _pairs([], {"abc, lrt/XLA": "no such form"}, "abc")


def test_rows_measured_anew_replace_their_own(tmp_path):
    path = tmp_path / "steps.csv"
    replace_rows(path, samples("bnn", "lrt", "XLA", [1.0, 2.0], "a"), lambda s: s.case == "a")
    replace_rows(path, samples("bnn", "lrt", "XLA", [3.0], "b"), lambda s: s.case == "b")
    replace_rows(path, samples("bnn", "lrt", "XLA", [4.0], "a"), lambda s: s.case == "a")
    assert [(s.case, s.round, s.seconds) for s in read_rows(path, Sample)] == [
        ("b", 0, 3.0),
        ("a", 0, 4.0),
    ]


@pytest.mark.parametrize(
    ("argument", "text"),
    [
        ("--cases=nothing", "must be names with commas of 784-400-400-10"),
        ("--cases=6-5-1", "--cases must be of 784-400-400-10"),
        ("--fast", "--fast needs --output"),
        ("--rounds=0", "--rounds: must be at least 1, got 0"),
    ],
)
def test_wrong_arguments_are_refused(capsys, argument, text):
    with pytest.raises(SystemExit):
        run.main([argument])
    assert text in capsys.readouterr().err


def test_a_tiny_session_of_ours(tmp_path, monkeypatch):
    monkeypatch.setitem(PEERS, "absent", ("absent", ("no_such_package",)))
    arguments = ("--parts=steps", "--cases=6-5-1", "--peers=machine,bnn,absent")
    assert run.main(["--fast", f"--output={tmp_path}", *arguments]) == 0
    rows = read_rows(tmp_path / "results" / "steps.csv", Sample)
    estimators = {s.estimator for s in rows if s.peer == "bnn"}
    assert {"deterministic", "reparameterization", "lrt", "flipout"} <= estimators
    assert all(s.seconds > 0 for s in rows)
    tables = (tmp_path / "results" / "tables.md").read_text()
    assert "| 6-5-1 | flipout | bnn | XLA |" in tables
    assert "Gflop/s" in tables
    assert "Could not be measured: absent (no_such_package not installed)" in tables


def test_families_are_set_beside_the_mean_field():
    turns = [
        families.Turn("Radial", "Flipout", i, ms, 1e-3, 12)
        for i, ms in enumerate([1.1e-3, 1.15e-3, 1.3e-3])
    ]
    text = families.table(turns)
    assert "| `Radial` | `Flipout` | 1.15 | 1.150 (1.125–1.225) | ≤ 1.2 reached | 12 |" in text
    slow = [families.Turn("RankOne", "Reparameterization", 0, 1.2e-3, 1e-3, 12)]
    assert "≤ 1.1 **not reached**" in families.table(slow)


@pytest.mark.slow
def test_a_family_takes_turns_with_the_mean_field():
    turns = families.measure("RankOne", families.LOCAL, 2, fast=True)
    assert [t.round for t in turns] == [0, 1]
    assert all(t.seconds > 0 and t.reference > 0 for t in turns)
    assert turns[0].parameters == 52 + 31 + 15 + 9  # kernels and biases with their factors


@pytest.mark.slow
def test_a_tiny_session_of_fit(tmp_path):
    assert run.main(["--fast", f"--output={tmp_path}", "--parts=fit", "--peers=bnn"]) == 0
    rows = read_rows(tmp_path / "results" / "steps.csv", Sample)
    names = {"deterministic", "reparameterization", "lrt", "flipout", "WeightSpace"}
    assert {s.estimator for s in rows} == {f"fit {name}" for name in names}
    assert all(s.seconds > 0 for s in rows)
