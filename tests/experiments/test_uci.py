"""The UCI study: one small run of everything, its choice rule and its tables."""

import csv
import json

import numpy as np
import pytest

from experiments.uci import run
from experiments.uci.candidates import CANDIDATES, FAST, FULL, Candidate
from experiments.uci.choice import CHOSEN, Result, choices, chosen, summaries
from experiments.uci.figure import draw
from experiments.uci.published import GOALS, PUBLISHED
from experiments.uci.results import fill
from experiments.uci.splits import members
from experiments.uci.tables import table


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
    options = ["--sets=protein", f"--data_dir={folder}", f"--workdir={folder / 'work'}"]
    return [*options, f"--output={folder / 'out'}", "--fast", "--workers=1", *more]


@pytest.mark.slow
def test_the_whole_study_small(tmp_path, capsys):
    """Any folder in the layout, stopped and continued, to tables and figure."""
    write_set(tmp_path / "uci" / "protein")
    assert run.main(arguments(tmp_path)) == 0
    files = sorted((tmp_path / "work" / "protein").glob("*.json"))
    assert len(files) == 2
    with (tmp_path / "out" / "splits.csv").open() as file:
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
    text = (tmp_path / "out" / "table.md").read_text()
    assert CHOSEN in text
    assert "VI (Graves)" in text
    assert f"{FAST.test_samples} weight samples" in text
    assert (tmp_path / "out" / "results.png").stat().st_size > 10_000
    about = json.loads((tmp_path / "out" / "results.json").read_text())
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
    text = table(
        summaries([*RESULTS, *chosen(RESULTS)]),
        [*RESULTS, *chosen(RESULTS)],
        {"test_samples": 10, "valid_samples": 5},
    )
    assert "| **chosen on validation data** | ours, whole KL | −5.000 ± 2.000 |" in text
    assert "| log-likelihood at least | −1.00: **no** |" in text
    assert "| RMSE below VI (Graves) | 6.89: yes |" in text
    assert "−1.449 ± 0.086 (sd)" in text


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
        (["--fast", "--output=x"], "--fast needs --workdir"),
        (["--sets=,"], "--sets must name at least one set"),
        (["--workers=0"], "--workers must be at least 1, got 0"),
    ],
)
def test_unusable_options(given, message, capsys):
    with pytest.raises(SystemExit):
        run.parse(given)
    assert message in capsys.readouterr().err


def test_the_readme_is_filled_between_its_markers(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text("a\n<!-- results -->\nold\n<!-- end of results -->\nb\n")
    fill(readme, "new")
    assert readme.read_text() == "a\n<!-- results -->\n\nnew\n<!-- end of results -->\nb\n"
    readme.write_text("nothing")
    with pytest.raises(ValueError, match="must hold the markers"):
        fill(readme, "new")
