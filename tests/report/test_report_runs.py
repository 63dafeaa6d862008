"""Runs from folders, groups of them, and pairs of groups."""

import json
import re

import numpy as np
import pytest

from bnn import metrics
from bnn.report.comparisons import choose_baseline, compare
from bnn.report.document import Paragraph, Table
from bnn.report.groups import group_runs
from bnn.report.pairing import over_runs, pair_runs
from bnn.report.runs import metric, read_runs
from bnn.report.statistics import paired_t
from bnn.report.tables import repetitions, summary_table
from bnn.report.tasks import TASKS, Column


def message(text):
    return f"^{re.escape(text)}"


def test_a_folder_is_read(write_run):
    folder = write_run("a", seed=3, kl_weight=0.1, out_of_distribution=["letters"])
    [run], left_out, _ = read_runs([folder])
    assert left_out == []
    assert (run.name, run.data, run.task, run.num_samples) == ("a", "toy", "classification", 6)
    assert run.posterior == "tempered, KL x 0.1"
    assert run.bindings["run.seed"] == "3"
    assert [record["step"] for record in run.records] == [10, 20, 30]
    predictions = run.predictions()
    assert predictions.losses["nll"].mean() == pytest.approx(run.test["nll"])
    assert list(run.out_of_distribution()) == ["letters"]
    likelihoods = predictions.log_probs[:, np.arange(60), predictions.targets]
    limit = metrics.nll_by_num_samples(likelihoods).limit
    assert metric(run, "nll_limit") == pytest.approx(limit)
    assert metric(run, "nll") == run.test["nll"]
    assert np.isnan(metric(run, "rmse"))


def test_regressions_get_the_interval_score(write_run):
    [run], _, _ = read_runs([write_run("a", make=write_run.regression)])
    kept = run.predictions()
    expected = metrics.interval_score(kept.loc, kept.scale, kept.targets, 0.95)
    assert metric(run, "interval_score_95") == pytest.approx(expected, rel=1e-9)
    assert run.task == "regression"


def test_runs_below_a_sweep_are_found_once(write_run, tmp_path):
    first, second = write_run("sweep/b/seed=1", seed=1), write_run("sweep/a")
    (tmp_path / "sweep" / "summary.csv").write_text("")
    runs, _, _ = read_runs([tmp_path / "sweep", first, tmp_path / "sweep" / "a"])
    assert [run.path for run in runs] == [second, first]


def test_what_is_no_run(tmp_path, write_run):
    with pytest.raises(FileNotFoundError, match=message(f"{tmp_path / 'x'} does not exist; name")):
        read_runs([tmp_path / "x"])
    (tmp_path / "file").write_text("")
    with pytest.raises(
        ValueError, match=message(f"{tmp_path / 'file'} is a file; name the folder")
    ):
        read_runs([tmp_path / "file"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        ValueError,
        match=message(
            f"{tmp_path / 'empty'} is not the folder of a run, and there is none below it: no "
            "config.gin. Name a run's --workdir or a sweep's root."
        ),
    ):
        read_runs([write_run("a"), tmp_path / "empty"])


def test_unfinished_runs(write_run):
    done, half = write_run("done"), write_run("half", seed=1)
    (half / "results.json").unlink()
    with pytest.raises(
        ValueError,
        match=message(
            f"1 of 2 runs have not finished: {half}; start their command again to finish them, or "
            "leave them out with --skip_unfinished."
        ),
    ):
        read_runs([done, half])
    runs, left_out, _ = read_runs([done, half], skip_unfinished=True)
    assert [run.path for run in runs] == [done]
    assert left_out == [half]
    with pytest.raises(ValueError, match=message("none of 1 runs has finished, so there is noth")):
        read_runs([half], skip_unfinished=True)


def test_damaged_results(write_run):
    folder = write_run("a")
    file = folder / "results.json"
    file.write_text('{"data": ')
    with pytest.raises(ValueError, match=message(f"{file} is not JSON (") + ".*run the experi"):
        read_runs([folder])
    file.write_text(json.dumps({"data": "toy", "seed": 0}))
    with pytest.raises(
        ValueError,
        match=message(f"{file} lacks test, num_predict_samples, so it is not of a run of bnn"),
    ):
        read_runs([folder])


def grouped(*folders):
    return group_runs(read_runs(folders).runs)


def test_runs_group_by_all_but_seed_split_and_paths(write_run):
    groups = grouped(
        write_run("c", seed=2),
        write_run("a", seed=10, data_dir="/elsewhere"),
        write_run("b", estimator="Mean"),
        write_run("d", seed=10, split=1),
    )
    flipout, mean = groups["toy"]
    assert (flipout.name, mean.name) == ("estimator=Flipout", "estimator=Mean")
    assert [run.name for run in flipout.runs] == ["c", "a", "d"]  # 2 before 10, as numbers
    assert flipout.has_splits
    assert not mean.has_splits
    np.testing.assert_array_equal(flipout.values("nll"), [r.test["nll"] for r in flipout.runs])


@pytest.mark.parametrize("change", [{"kl_weight": 0.1}, {"num_samples": 5}])
def test_kl_weights_and_numbers_of_samples_never_mix(write_run, change):
    groups = grouped(write_run("a"), write_run("b", seed=1, **change))
    assert len(groups["toy"]) == 2


def test_a_posterior_that_only_the_results_name_is_not_mixed_in(write_run):
    changed = write_run("b", seed=1, changes={"posterior": "tempered, KL x 0.5"})
    groups = grouped(write_run("a"), changed)
    assert [group.first.posterior for group in groups["toy"]] == ["whole KL", "tempered, KL x 0.5"]


def test_data_sets_are_apart(write_run):
    groups = grouped(write_run("a"), write_run("b", data="other"))
    assert list(groups) == ["toy", "other"]
    assert groups["toy"][0].name == "VariationalInference, Flipout"


def test_the_same_run_twice(write_run):
    first, second = write_run("a"), write_run("b")
    with pytest.raises(
        ValueError,
        match=message(
            f"{first} and {second} are the same experiment with the same repetition (run.seed = "
            "0, toy.split = 0); counting it twice would make the standard error too small. Name "
            "only one of them."
        ),
    ):
        grouped(first, second)


def test_pairs_have_the_same_seed_and_split(write_run):
    first = [write_run(f"a{s}", seed=s) for s in (0, 1, 2)]
    second = [write_run(f"b{s}", seed=s, estimator="Mean") for s in (1, 2, 3)]
    flipout, mean = grouped(*first, *second)["toy"]
    pairs = pair_runs(flipout, mean)
    assert [(a.name, b.name) for a, b in pairs] == [("a1", "b1"), ("a2", "b2")]


def rows_of(blocks):
    [table] = [block for block in blocks if isinstance(block, Table)]
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]


def test_a_comparison_of_seeds(write_run):
    folders = []
    for seed in range(4):
        folders.append(write_run(f"a{seed}", seed=seed, labels_seed=7))
        folders.append(
            write_run(f"b{seed}", seed=seed, estimator="Mean", quality=4.0, labels_seed=7)
        )
    groups = grouped(*folders)["toy"]
    blocks = compare(groups, groups[0])
    rows = rows_of(blocks)
    assert [row["metric"] for row in rows] == ["NLL, nats", "error, %", "Brier", "ECE"]
    nll = rows[0]
    assert nll["verdict"] == "better: over test examples and over 4 seeds"
    assert (nll["S"], nll["posterior"]) == ("6", "whole KL")
    expected = np.mean(groups[1].values("nll") - groups[0].values("nll"))
    assert float(nll["difference"].replace("−", "-")) == pytest.approx(expected, rel=0.1)
    assert "(" not in nll["p"]
    assert rows[3]["95 %, test examples"] == "–"  # no mean over examples
    assert "4 comparisons" in blocks[0].text


def test_a_comparison_of_splits_is_corrected(write_run):
    folders = []
    for split in range(5):
        for name, quality in (("Flipout", 2.0), ("Mean", 2.2)):
            folders.append(
                write_run(
                    f"{name}{split}",
                    make=write_run.regression,
                    split=split,
                    estimator=name,
                    quality=quality,
                )
            )
    groups = grouped(*folders)["toy"]
    rows = rows_of(compare(groups, groups[0]))
    assert [row["metric"] for row in rows] == ["NLL, nats", "RMSE", "CRPS"]
    corrected, plain = rows[0]["p"].rstrip(")").split(" (")
    assert float(corrected) > float(plain)
    assert "splits" in rows[0]["verdict"] or rows[0]["verdict"] == "no difference shown"


def test_seeds_on_one_split_are_no_repetitions_of_it(write_run):
    """Two splits of three seeds each are two pairs with the seeds' means, not six."""
    folders = [
        write_run(f"{e}{split}{seed}", estimator=e, split=split, seed=seed)
        for e in ("A", "Bc")
        for split in (0, 1)
        for seed in (0, 1, 2)
    ]
    first, second = grouped(*folders)["toy"]
    assert repetitions(first) == "2 splits, 6 runs"
    means = [
        [np.mean([r.test["nll"] for r in group.runs if r.bindings["toy.split"] == s]) for s in "01"]
        for group in (first, second)
    ]
    assert sorted(first.repeated("nll")) == pytest.approx(sorted(means[0]))
    corrected, plain = over_runs(pair_runs(first, second), TASKS["classification"].losses[0], True)
    expected = paired_t(*means)
    assert plain.number == corrected.number == 2
    assert plain == pytest.approx(expected)
    assert corrected == pytest.approx(paired_t(*means, overlap=60 / 540))


def test_a_mean_of_some_repetitions_says_of_how_many(write_run):
    folders = [write_run(f"r{seed}", seed=seed) for seed in range(3)]
    file = folders[1] / "results.json"
    results = json.loads(file.read_text())
    del results["test"]["ece"]
    file.write_text(json.dumps(results))
    [group] = grouped(*folders)["toy"]
    [row] = summary_table([group], [Column("ece", "ECE"), Column("nll", "NLL")]).rows
    assert row[-2].endswith(" (2 of 3)")
    assert "of 3" not in row[-1]


def test_a_single_pair_says_so(write_run):
    groups = grouped(write_run("a"), write_run("b", estimator="Mean", quality=5.0))["toy"]
    [nll, *_] = rows_of(compare(groups, groups[0]))
    assert nll["95 %, seeds or splits"] == nll["p"] == "–"
    assert nll["verdict"] == "better in this pair of runs; it says nothing of other seeds"


def test_what_is_not_compared_says_why(write_run):
    groups = grouped(write_run("a"), write_run("b", estimator="Mean", seed=5))["toy"]
    assert compare(groups, groups[0]) == [
        Paragraph(
            "Not compared: `estimator=Mean`, because it has no run with the seed and split of a "
            "run of `estimator=Flipout`."
        )
    ]
    groups = grouped(write_run("c"), write_run("d", num_samples=1))["toy"]
    [paragraph] = compare(groups, groups[0])
    assert "was evaluated with one weight sample, which is not the model" in paragraph.text


def test_other_test_examples_under_the_same_name(write_run):
    first, second = write_run("a"), write_run("b", estimator="Mean", labels_seed=99)
    groups = grouped(first, second)["toy"]
    with pytest.raises(
        ValueError,
        match=message(
            f"{first} and {second} are both of data set 'toy', seed and split, but were tested on "
            "different examples (60 and 60 targets); compare runs on the same data, or report each "
            "by itself: what else is predicted from one file is another data set, which csv.name "
            "tells apart."
        ),
    ):
        compare(groups, groups[0])


def test_runs_without_predictions_are_compared_over_seeds(write_run):
    folders = [write_run(f"{e}{s}", estimator=e, seed=s) for e in ("A", "Bc") for s in range(3)]
    for folder in folders:
        (folder / "predictions" / "test.npz").unlink()
    groups = grouped(*folders)["toy"]
    [nll, *_] = rows_of(compare(groups, groups[0]))
    assert nll["95 %, test examples"] == "–"
    assert nll["verdict"].endswith("over 3 seeds")


def test_an_infinite_loss_is_left_out_of_the_bootstrap(write_run):
    from bnn.runs.prediction_file import Predictions, load_predictions

    folder = write_run("a")
    path = folder / "predictions" / "test.npz"
    kept = load_predictions(path)
    broken = {**kept.losses, "nll": np.where(np.arange(60) == 3, np.inf, kept.losses["nll"])}
    Predictions(**{**vars(kept), "losses": broken}).save(path)
    groups = grouped(folder, write_run("b", estimator="Mean"))["toy"]
    rows = rows_of(compare(groups, groups[0]))
    assert [row["metric"] for row in rows] == ["error, %", "Brier"]


def test_baselines(write_run):
    groups = grouped(write_run("a"), write_run("b", estimator="Mean"), write_run("c", data="other"))
    chosen = choose_baseline({"toy": groups["toy"]}, "estimator=Mean")
    assert chosen["toy"].name == "estimator=Mean"
    assert choose_baseline({"toy": groups["toy"]}, "b")["toy"].name == "estimator=Mean"
    assert choose_baseline(groups, None)["toy"].name == "estimator=Flipout"
    with pytest.raises(
        ValueError,
        match=message(
            "baseline must be the name of a model or of a run's folder, got 'x'; the models are "
            "VariationalInference, Flipout; estimator=Flipout; estimator=Mean."
        ),
    ):
        choose_baseline(groups, "x")
    with pytest.raises(
        ValueError,
        match=message(
            "baseline 'b' is of data set 'toy', and runs of 'other' cannot be compared with it; "
            "report on one data set at a time, or name a model that all have."
        ),
    ):
        choose_baseline(groups, "b")
