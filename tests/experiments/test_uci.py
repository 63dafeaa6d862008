"""The UCI study: one small run of everything, its choice rule and its tables."""

import csv
import dataclasses
import json

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import norm

from experiments.uci import run
from experiments.uci.candidates import CANDIDATES, FAST, FULL, Candidate
from experiments.uci.choice import CHOSEN, Result, choices, chosen, summaries
from experiments.uci.figure import draw
from experiments.uci.published import GOALS, PUBLISHED
from experiments.uci.splits import members
from experiments.uci.stacking import STACKED, Points, Weights, stacked, stacking_weights
from experiments.uci.tables import table
from experiments.uci.training import _metrics
from experiments.uci.units import Unit, read


def write_set(folder, size=30, num_splits=5, num_targets=1):
    """A set in the standard layout: y = 100 + 10 x₀ + noise, sizes of splits that differ."""
    folder.mkdir(parents=True)
    random = np.random.RandomState(0)
    x = random.normal(size=(size, 2))
    y = 100 + 10 * x[:, :1] + random.normal(size=(size, num_targets))
    np.savetxt(folder / "data.txt", np.hstack([x, y]))
    np.savetxt(folder / "index_features.txt", [0, 1], fmt="%d")
    np.savetxt(folder / "index_target.txt", 2 + np.arange(num_targets), fmt="%d")
    np.savetxt(folder / "n_splits.txt", [num_splits], fmt="%d")
    for split in range(num_splits):
        order, count = random.permutation(size), 3 + split % 2
        np.savetxt(folder / f"index_test_{split}.txt", np.sort(order[:count]), fmt="%d")
        np.savetxt(folder / f"index_train_{split}.txt", np.sort(order[count:]), fmt="%d")


def arguments(folder, *more):
    options = ["--sets=protein", f"--data_dir={folder}", f"--root={folder / 'work'}"]
    return [*options, f"--output={folder}", "--fast", *more]


@pytest.mark.slow
def test_the_whole_study_small(tmp_path, capsys):
    """Any folder in the layout, stopped and continued, to tables and figure."""
    write_set(tmp_path / "uci" / "protein")
    assert run.main(arguments(tmp_path)) == 0
    files = sorted((tmp_path / "work" / "protein").glob("*.json"))
    assert len(files) == 2
    with (tmp_path / "results" / "splits.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 2 * FAST.splits
    for row in rows:
        in_test = row["part"] == "test"
        assert int(row["samples"]) == (FAST.test_samples if in_test else FAST.valid_samples)
        held_out = 0 if in_test else round(0.2 * (27 - int(row["split"])))
        assert int(row["num_train"]) == 27 - int(row["split"]) - held_out
        assert 0 < float(row["rmse"]) < 100
        assert np.isfinite([float(row["log_likelihood"]), float(row["elbo"])]).all()
        assert float(row["kl"]) > 0
    text = (tmp_path / "results" / "table.md").read_text()
    assert CHOSEN in text
    assert STACKED in text
    with (tmp_path / "results" / "weights.csv").open() as file:
        weights = list(csv.DictReader(file))
    assert len(weights) == 2 * FAST.splits
    for split in range(FAST.splits):
        given = [float(row["weight"]) for row in weights if int(row["split"]) == split]
        assert sum(given) == pytest.approx(1.0, abs=2e-6)
    assert "VI (Graves)" in text
    assert f"{FAST.test_samples} weight samples" in text
    assert (tmp_path / "results" / "results.png").stat().st_size > 10_000
    about = json.loads((tmp_path / "results" / "results.json").read_text())
    assert about["settings"]["steps"] == FAST.steps

    # The second run has one unit to do and repeats it to the same numbers.
    held, kept = json.loads(files[0].read_text()), files[1].read_text()
    files[0].unlink()
    capsys.readouterr()
    assert run.main(arguments(tmp_path)) == 0
    assert "1 of 2 units are done" in capsys.readouterr().out
    again = json.loads(files[0].read_text())
    for left, right in zip(held["rows"], again["rows"], strict=True):
        assert left["log_likelihood"] == right["log_likelihood"]
    assert files[1].read_text() == kept

    kept = kept.replace('"steps": 20', '"steps": 21')
    files[1].write_text(kept)
    with pytest.raises(ValueError, match=r"other settings \(steps 21 there, 20 asked"):
        run.main(arguments(tmp_path))


def test_members_hold_every_split_twice(tmp_path):
    write_set(tmp_path / "protein", num_splits=3)
    found = members("protein", str(tmp_path), FULL)
    assert [(m.split, m.final) for m in found] == [
        (0, False), (1, False), (2, False), (0, True), (1, True), (2, True)
    ]  # fmt: skip
    data = np.loadtxt(tmp_path / "protein" / "data.txt")
    test = np.loadtxt(tmp_path / "protein" / "index_test_1.txt", dtype=int)
    np.testing.assert_allclose(found[4].targets, data[test, 2:], rtol=1e-6)
    for chooser, final in zip(found[:3], found[3:], strict=True):
        # What is chosen by never meets the test part, nor does it train on its validation rows.
        own = final.data.to_own_units(final.data.y_train).round(3).ravel().tolist()
        trained = chooser.data.to_own_units(chooser.data.y_train).round(3).ravel().tolist()
        held = chooser.targets.round(3).ravel().tolist()
        assert sorted(trained + held) == sorted(own)


def test_sets_with_several_targets_are_refused(tmp_path):
    write_set(tmp_path / "two", num_targets=2)
    with pytest.raises(ValueError, match="set two must have one target, got 2"):
        members("two", str(tmp_path), FULL)


# --- The choice -------------------------------------------------------------------------------


def result(title, split, part, log_likelihood, rmse=1.0):
    return Result("yacht", title, split, part, 10, log_likelihood, rmse, 0.9, -1.0)


RESULTS = [
    result("a", 0, "valid", -1.0), result("a", 0, "test", -3.0, 2.0),
    result("a", 1, "valid", -4.0), result("a", 1, "test", -5.0, 1.0),
    result("b", 0, "valid", -2.0), result("b", 0, "test", -0.1, 9.0),
    result("b", 1, "valid", -3.0), result("b", 1, "test", -7.0, 4.0),
]  # fmt: skip


def test_each_split_chooses_by_its_own_validation_rows():
    picked = {(r.split, r.part): r for r in chosen(RESULTS)}
    assert picked[0, "test"].log_likelihood == -3.0  # a, though b is better on test
    assert picked[1, "test"].log_likelihood == -7.0  # b
    assert {r.title for r in picked.values()} == {CHOSEN}
    assert choices([*RESULTS, *chosen(RESULTS)], "yacht") == {"a": 1, "b": 1}


def test_candidates_that_a_set_lacks_are_not_chosen():
    concrete = [r._replace(set="concrete") for r in RESULTS if r.title == "b"]
    picked = {(r.set, r.split): r for r in chosen([*RESULTS, *concrete]) if r.part == "test"}
    assert picked["yacht", 0].log_likelihood == picked["concrete", 0].log_likelihood == -0.1


def test_summaries_are_means_and_standard_errors():
    rows = {r.title: r for r in summaries([*RESULTS, *chosen(RESULTS)])}
    assert rows["a"].log_likelihood == -4.0
    assert rows["a"].log_likelihood_se == pytest.approx(1.0)  # sd √2 over √2
    assert rows[CHOSEN].rmse == 3.0
    assert rows[CHOSEN].valid_log_likelihood == -2.0


def test_tables_say_what_was_reached_and_what_not():
    mixed = [
        result(STACKED, 0, "test", -1.5, 8.0)._replace(elbo=None),
        result(STACKED, 1, "test", 0.5, 8.0)._replace(elbo=None),
    ]
    weights = [
        Weights("yacht", 0, {"a": 1.0, "b": 0.0}, False),
        Weights("yacht", 1, {"a": 0.5, "b": 0.5}, True),
    ]
    results = [*RESULTS, *chosen(RESULTS), *mixed]
    text = table(summaries(results), results, weights, {"test_samples": 10, "valid_samples": 5})
    assert "| **chosen on validation data** | ours, whole KL | −5.000 ± 2.000 |" in text
    assert "| log-likelihood at least | −1.00: **no** |" in text
    assert "| RMSE below VI (Graves) | 6.89: yes |" in text
    # The rule added later has a table of its own, and says in every row that it was.
    assert "| log-likelihood at least | −1.00: yes |" in text.split("added when")[1]
    assert f"| {STACKED} | ours, whole KL; rule added later | −0.500 ± 1.000 |" in text
    assert f"| {STACKED} | – / 90.0 % / – |" in text
    assert "| a | 0.75 |" in text
    assert "second by at most one standard error* | 1 |" in text
    assert "−1.449 ± 0.086 (sd)" in text


# --- Stacking ---------------------------------------------------------------------------------


def test_stacking_weights_in_closed_form():
    """Two predictives with densities (3, 1) and (1, 2) at two rows: w = 3/4."""
    weights = stacking_weights(np.log([[3.0, 1.0], [1.0, 2.0]]))
    np.testing.assert_allclose(weights, [0.75, 0.25], atol=1e-4)
    # Predictives that exclude each other get their shares of the rows, however small a density.
    alone = np.where(np.eye(3)[[0, 0, 1, 2, 2, 2]].T > 0, -900.0, -2000.0)
    np.testing.assert_allclose(stacking_weights(alone), [2 / 6, 1 / 6, 3 / 6], atol=1e-12)
    # A factor per row changes nothing; one that is worse at every row gets nothing.
    shifted = np.log([[3.0, 1.0], [1.0, 2.0]]) + np.array([50.0, -7.0])
    np.testing.assert_allclose(stacking_weights(shifted), weights)
    np.testing.assert_allclose(stacking_weights([[0.0, -1.0], [-0.5, -2.0]]), [1, 0], atol=1e-4)
    np.testing.assert_array_equal(stacking_weights([[-3.0, -4.0]]), [1.0])


@pytest.mark.parametrize("spread", [0.05, 0.3, 2.0])
def test_stacking_weights_are_those_of_a_direct_optimiser(spread):
    random = np.random.RandomState(0)
    target = random.standard_t(4, 200)
    loc, scale = random.normal(0, spread, (6, 200)), np.linspace(0.6, 1.6, 6)[:, None]
    log_densities = norm.logpdf(target, loc, scale)
    densities = np.exp(log_densities)
    direct = minimize(
        lambda w: -np.mean(np.log(w @ densities)),
        np.full(6, 1 / 6),
        method="SLSQP",
        bounds=[(0, 1)] * 6,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
        options={"ftol": 1e-12},
    )
    weights = stacking_weights(log_densities)
    assert weights.sum() == pytest.approx(1.0)
    assert np.mean(np.log(weights @ densities)) == pytest.approx(-direct.fun, abs=1.1e-5)
    np.testing.assert_allclose(weights, direct.x, atol=5e-3)


@pytest.mark.parametrize("given", [[1.0, 2.0], np.zeros((2, 0)), [[0.0, -np.inf]]])
def test_stacking_weights_refuse_what_has_no_likelihood(given):
    with pytest.raises(ValueError, match=r"log_densities must be finite, \[K, N\] with K >= 1"):
        stacking_weights(given)


def normal_points(loc, scale, target):
    """What a normal predictive gives at its targets."""
    loc = np.broadcast_to(np.float64(loc), np.shape(target))
    return Points(
        np.array(target), norm.logpdf(target, loc, scale), loc, norm.cdf(target, loc, scale)
    )


# Valid: at split 0 only a is at its targets, at split 1 only b. Test: known from SciPy.
POINTS = {
    ("yacht", "a", 0, "valid"): normal_points(0.0, 1.0, [0.1, -0.2]),
    ("yacht", "b", 0, "valid"): normal_points(50.0, 1.0, [0.1, -0.2]),
    ("yacht", "a", 1, "valid"): normal_points([0.0, 50.0], 1.0, [0.0, 0.0]),
    ("yacht", "b", 1, "valid"): normal_points([50.0, 0.0], 1.0, [0.0, 0.0]),
    ("yacht", "a", 0, "test"): normal_points(1.0, 2.0, [1.5, 6.0, -1.0]),
    ("yacht", "b", 0, "test"): normal_points(7.0, 0.1, [1.5, 6.0, -1.0]),
    ("yacht", "a", 1, "test"): normal_points(0.0, 1.0, [-1.9, 0.3, 3.0, 6.5]),
    ("yacht", "b", 1, "test"): normal_points(4.0, 1.0, [-1.9, 0.3, 3.0, 6.5]),
}


def test_a_split_is_stacked_by_its_own_validation_rows_and_reported_on_test():
    found, weights = stacked(RESULTS, POINTS)
    assert [(r.title, r.split, r.part, r.samples) for r in found] == [
        (STACKED, 0, "test", 10), (STACKED, 1, "test", 10)
    ]  # fmt: skip
    assert weights[0].of == pytest.approx({"a": 1.0, "b": 0.0}, abs=1e-4)
    assert weights[1].of == pytest.approx({"a": 0.5, "b": 0.5})
    first = POINTS["yacht", "a", 0, "test"]
    assert found[0].log_likelihood == pytest.approx(first.log_density.mean(), abs=1e-4)
    assert found[0].rmse == pytest.approx(np.sqrt((0.5**2 + 5**2 + 2**2) / 3), abs=1e-3)
    assert found[0].coverage_95 == pytest.approx(2 / 3)
    # Split 1: half of N(0, 1) and half of N(4, 1). Its mean is 2 at every row, and −1.9 and 6.5,
    # outside the 95 % interval of either normal alone, are at CDFs of 0.014 and 0.997.
    target = np.array([-1.9, 0.3, 3.0, 6.5])
    density = (norm.pdf(target) + norm.pdf(target, 4)) / 2
    cdf = (norm.cdf(target) + norm.cdf(target, 4)) / 2
    assert found[1].log_likelihood == pytest.approx(np.log(density).mean())
    assert found[1].rmse == pytest.approx(np.sqrt(np.mean((target - 2) ** 2)))
    assert found[1].coverage_95 == np.mean((cdf > 0.025) & (cdf < 0.975)) == 0.5
    # The lead: at split 0 about 1250 nats of both rows, at split 1 the rows cancel.
    assert [w.close for w in weights] == [False, True]
    row = summaries(found)[0]
    assert (row.splits, row.valid_log_likelihood, row.elbo) == (2, None, None)


def test_candidates_that_a_set_lacks_are_not_stacked():
    only = [r._replace(set="concrete") for r in RESULTS if r.title == "b"]
    points = POINTS | {("concrete", *k[1:]): v for k, v in POINTS.items() if k[1] == "b"}
    _, weights = stacked([*RESULTS, *only], points)
    assert [(w.of, w.close) for w in weights] == [({"b": 1.0}, False)] * 4


def test_candidates_of_other_rows_are_not_stacked():
    other = POINTS | {("yacht", "b", 1, "test"): normal_points(0.0, 1.0, [1.0, 2.0, 3.0, 4.0])}
    with pytest.raises(ValueError, match="the same test rows of yacht, split 1; the data have"):
        stacked(RESULTS, other)


def test_points_are_what_the_metrics_are_means_of(tmp_path):
    write_set(tmp_path / "protein", num_splits=1)
    member = members("protein", str(tmp_path), FULL)[1]
    random = np.random.RandomState(0)
    loc = random.normal(size=(7, 5, 1)).astype(np.float32)  # two rows of padding
    scale = random.uniform(0.5, 1.5, size=(7, 5, 1)).astype(np.float32)
    row = _metrics(member, loc, scale)
    points = Points.from_row(row)
    assert points.target.shape == (3,)
    assert points.log_density.mean() == pytest.approx(row["log_likelihood"])
    assert np.sqrt(np.mean((points.mean - points.target) ** 2)) == pytest.approx(row["rmse"])
    assert np.mean(np.abs(points.pit - 0.5) <= 0.475) == row["coverage_95"]
    json.dumps(row)


def test_units_without_points_are_refused(tmp_path):
    unit = Unit("yacht", CANDIDATES[0], FULL, tmp_path, None)
    unit.file.parent.mkdir()
    asked = dataclasses.asdict(FULL)
    unit.file.write_text(json.dumps({"asked": asked, "rows": [{"split": 0}]}))
    for reader in (unit.results, lambda: read(unit.file)):
        with pytest.raises(ValueError, match=r"must hold the predictions of single rows.*delete"):
            reader()


# --- Published results and the figure ---------------------------------------------------------


def test_every_published_row_has_every_set():
    for row in PUBLISHED:
        assert set(row.log_likelihood) == set(row.rmse) == set(GOALS) == set(run.SETS)


def test_the_figure_takes_sets_without_published_numbers(tmp_path):
    rows = [r._replace(set="energy") for r in summaries(RESULTS)]
    draw(rows, tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 10_000


# --- Candidates and the command line ----------------------------------------------------------


@pytest.mark.parametrize("candidate", CANDIDATES, ids=lambda c: c.name)
def test_candidates_differ_by_name_and_build(candidate):
    assert [c.name for c in CANDIDATES].count(candidate.name) == 1
    assert candidate.make_likelihood().num_outputs(1) == 1 + (candidate.noise == "heteroscedastic")
    trainable = candidate.make_prior().get_config().get("trainable", False)
    assert trainable == (candidate.prior == "learned")
    assert isinstance(candidate, Candidate)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--fast"], "--fast needs --output"),
        (["--fast", "--output=x"], "--fast needs --output and --root"),
        (["--sets=,"], "--sets must name at least one set"),
        (["--workers=0"], "--workers: must be at least 1, got 0"),
    ],
)
def test_unusable_options(given, message, capsys):
    with pytest.raises(SystemExit):
        run.parse(given)
    assert message in capsys.readouterr().err
