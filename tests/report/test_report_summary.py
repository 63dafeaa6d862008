"""Who is best, by which test, and whether training had ended; who has an infinite loss loses."""

import json
import re

import numpy as np
import pytest

from bnn import metrics
from bnn.report import build_report, sections
from bnn.report.comparisons import compare, compare_all
from bnn.report.convergence import convergence, slope
from bnn.report.document import Table
from bnn.report.groups import group_runs
from bnn.report.runs import read_runs
from bnn.report.summary import summary
from bnn.report.verdicts import verdict_of_not_finite
from bnn.runs.prediction_file import Predictions, load_predictions


def grouped(*folders):
    return group_runs(read_runs(folders).runs)["toy"]


def rows_of(blocks):
    [table] = [block for block in blocks if isinstance(block, Table)]
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]


def with_test(folder, **values):
    file = folder / "results.json"
    results = json.loads(file.read_text())
    results["test"] |= values
    file.write_text(json.dumps(results))


def four_seeds(write_run, **options):
    return [
        write_run(f"{e}{s}", estimator=e, seed=s, labels_seed=7, quality=q, **options)
        for s in range(4)
        for e, q in (("Flipout", 2.0), ("Mean", 4.0))
    ]


@pytest.mark.parametrize("value", [float("inf"), "Infinity", "NaN", None])
def test_an_infinite_metric_loses(write_run, value):
    """Left out, as it was, the verdict stayed "better over 3 seeds"."""
    folders = four_seeds(write_run)
    with_test(folders[1], nll=value)
    flipout, mean = grouped(*folders)
    nll, error, *_ = rows_of(compare([flipout, mean], flipout))
    assert nll["verdict"] == "worse: not finite in 1 of 4 runs"
    assert (nll["difference"], nll["95 %, test examples"], nll["p"]) == ("+∞", "–", "–")
    assert error["verdict"].startswith("better: over test examples and over 4 seeds")
    nll, *_ = rows_of(compare([mean, flipout], mean))
    assert nll["verdict"] == "better: the baseline's is not finite in 1 of 4 runs"
    assert nll["difference"] == "−∞"


def test_words_for_what_is_not_finite():
    assert verdict_of_not_finite(0, 1, 1) == "worse: not finite in 1 of one run"
    assert verdict_of_not_finite(2, 0, 5) == "better: the baseline's is not finite in 2 of 5 runs"
    assert verdict_of_not_finite(1, 3, 5) == (
        "undecided: not finite in 3 of 5 runs, the baseline's in 1"
    )


def test_rows_of_the_data_decide_which_interval_there_is(write_run):
    """Two splits: with rows a bootstrap over them, without rows the t interval alone, in words."""
    folders = [
        write_run(f"{e}{s}", estimator=e, split=s) for e in ("Flipout", "Mean") for s in range(2)
    ]
    groups = grouped(*folders)
    [paragraph, *_] = compare(groups, groups[0])
    [nll, *_] = rows_of(compare(groups, groups[0]))
    assert nll["95 %, test examples"] == "–"
    assert nll["verdict"].endswith("over 2 splits")
    assert "did not keep which rows of the data their test sets hold" in paragraph.text
    for folder in folders:
        path = folder / "predictions" / "test.npz"
        rows = np.arange(60) + 60 * int(folder.name[-1])
        Predictions(**{**vars(load_predictions(path)), "rows": rows}).save(path)
    groups = grouped(*folders)
    [paragraph, *_] = compare(groups, groups[0])
    [nll, *_] = rows_of(compare(groups, groups[0]))
    assert " to " in nll["95 %, test examples"]
    assert "did not keep" not in paragraph.text
    for folder in folders:  # the same numbers for other examples identify nothing
        path = folder / "predictions" / "test.npz"
        Predictions(**{**vars(load_predictions(path)), "rows": np.arange(60)}).save(path)
    groups = grouped(*folders)
    assert rows_of(compare(groups, groups[0]))[0]["95 %, test examples"] == "–"


def records(losses, every=10):
    return [{"step": every * i, "loss": float(v)} for i, v in enumerate(losses)]


def test_the_slope_of_a_line_in_closed_form():
    found = slope(records(1.0 - 0.01 * np.arange(50)), 100)
    assert found.change == pytest.approx(-0.01 * 9)  # ten reports, nine steps between them
    assert found.error == pytest.approx(0.0, abs=1e-9)
    assert found.moved == pytest.approx(0.49)
    assert found.sign == -1
    alone = [{"step": i, "nll": 2.0, "kl": 100.0 * i} for i in range(50)]
    assert slope(alone, 1000).change == pytest.approx(0.1 * 9)  # nll + kl / N
    assert slope(alone, 1000).sign == 1


def test_noise_around_a_plateau_is_no_slope():
    """False alarms: none of 300 plateaus; power: a fall of a tenth of the way in the last fifth."""
    rng = np.random.default_rng(0)
    plateau = np.exp(-np.arange(100) / 8.0)
    alarms = [slope(records(plateau + 0.05 * rng.normal(size=100)), 100).sign for _ in range(300)]
    assert not any(alarms)
    falling = 1.0 - 0.006 * np.arange(100)
    found = [slope(records(falling + 0.01 * rng.normal(size=100)), 100).sign for _ in range(100)]
    assert found == [-1] * 100


def test_too_few_reports_say_so(write_run):
    assert slope(records([1.0] * 9), 100) is None
    assert slope(records([float("nan")] * 50), 100) is None
    [group] = grouped(write_run("a"))
    assert convergence(group) == "not known: too few reports"
    said = summary("toy", [group], group, {}).text
    assert "Whether training had ended is not known of 1 of 1 model: too few reports" in said


def with_losses(folder, losses):
    lines = [json.dumps(record) + "\n" for record in records(losses)]
    (folder / "metrics.jsonl").write_text("".join(lines))
    return folder


def test_convergence_stands_beside_every_verdict(write_run):
    flat, falling = np.ones(50), 1.0 - 0.01 * np.arange(50)
    folders = [with_losses(write_run(f"a{s}", seed=s, labels_seed=7), flat) for s in range(2)]
    folders += [
        with_losses(write_run(f"b{s}", seed=s, labels_seed=7, estimator="Mean"), loss)
        for s, loss in enumerate((flat, falling))
    ]
    groups = grouped(*folders)
    assert convergence(groups[0]) == "converged"
    words = "still falling in 1 of 2 runs, by 0.090 nats"
    assert convergence(groups[1]) == words
    compared = compare_all(groups, groups[0])
    assert {row["training"] for row in rows_of(compared.blocks)} == {words}
    assert "training converged)" in compared.blocks[0].text
    said = sections.summary("toy", groups, groups[0], compared.verdicts).text
    assert f"Training had not ended: `estimator=Mean` {words}." in said


def test_a_report_begins_with_who_is_best(write_run, tmp_path, monkeypatch):
    monkeypatch.setattr(sections, "joint_figures", lambda *args: [])
    monkeypatch.setattr(sections, "group_figures", lambda *args: [])
    build_report(four_seeds(write_run), tmp_path / "out")
    text = (tmp_path / "out" / "report.md").read_text()
    start = text.split("## Summary\n\n")[1].split("\n\n")[0]
    assert start.startswith(
        "`toy`: 2 models, 8 runs. `estimator=Mean` has the lowest mean test NLL"
    )
    assert "against `estimator=Flipout`: better: over test examples and over 4 seeds." in start
    assert "The test: a paired bootstrap over test rows and a paired t interval" in start
    quality = text.split("### Quality\n\n")[1].split("\n\n")[0].splitlines()
    assert "**" not in quality[2]
    assert quality[3].count("**") >= 6  # error, NLL and Brier of the better model
    build_report(
        four_seeds(lambda n, **o: write_run(f"x{n}", **o)),
        tmp_path / "again",
        baseline="estimator=Mean",
    )
    text = (tmp_path / "again" / "report.md").read_text()
    assert "The others are compared with it: `estimator=Flipout` worse: over test" in text


def test_the_nearest_coverage_is_the_best_and_sharpness_has_none(write_run):
    from bnn.report.tables import summary_table
    from bnn.report.tasks import TASKS

    folders = [write_run(n, make=write_run.regression, estimator=n) for n in ("A", "Bc", "Cde")]
    for folder, coverage in zip(folders, (0.99, 0.94, 0.85), strict=True):
        with_test(folder, coverage_95=coverage, sharpness=coverage)
    table = summary_table(grouped(*folders), TASKS["regression"].calibration, estimator=False)
    column = list(table.columns).index("coverage of 95 %, %")
    assert (1, column) in table.best
    assert not any(c == list(table.columns).index("sharpness") for _, c in table.best)


def test_the_summary_says_how_many_targets_the_intervals_hold(write_run):
    """By the predictions, where the results do not say it; of a classification nothing."""
    folder = write_run("a", make=write_run.regression)
    predictions = load_predictions(folder / "predictions" / "test.npz")
    transform = metrics.mixture_cdf(predictions.loc, predictions.scale, predictions.targets)
    inside = 100 * np.mean(np.abs(transform - 0.5) <= 0.475)
    groups = grouped(folder)
    said = summary("toy", groups, groups[0], {}).text
    found = re.search(
        r"nats of targets in their own units\. Its 95 % intervals hold (.+) % of", said
    )
    assert float(found[1]) == pytest.approx(inside, rel=1e-3)
    with_test(folder, coverage_95=0.125)
    groups = grouped(folder)
    assert "hold 12.50 % of the test" in summary("toy", groups, groups[0], {}).text
    classes = grouped(write_run("b"))
    assert "intervals" not in summary("toy", classes, classes[0], {}).text


KILOWATT_HOURS = {"task": "heads", "target_units": {"load": "kWh"}}


def of_heads(rng, quality, num_samples, size, labels_seed):
    """A number that is predicted, a count that is not, and a class."""
    load, calls = rng.normal(300.0, 50.0, size), rng.poisson(3.0, size).astype(float)
    left = (np.arange(size) % 3 == 0).astype(float)
    losses = {
        "load/squared_error": np.full(size, 25.0),
        "calls/squared_error": (calls - 3.2) ** 2,
        "left/error": np.zeros(size),
        "nll": np.ones(size),
    }
    targets = np.stack([load, calls, left], axis=1)
    return Predictions("heads", num_samples, targets, losses, {})


def test_several_kinds_of_targets_are_judged_one_by_one(write_run):
    test = {"nll": 1.0, "load/coverage_95": 0.93, "calls/coverage_95": 0.5, "left/error": 0.0}
    [group] = grouped(write_run("a", make=of_heads, test=test, changes=KILOWATT_HOURS))
    said = summary("toy", [group], group, {}).text
    assert "Its 95 % intervals hold 93.00 % of `load`, 50.00 % of `calls`." in said
    words = said[said.index("Target by target, beside a constant:") :]
    assert re.search(
        r"`load` \(kWh\): RMSE 5.00, standard deviation of the targets [45]\d\.\d; ", words
    )
    assert re.search(r"`calls`: RMSE .* targets [\d.]+, no better than a constant; ", words)
    assert "`left`: error 0 %, the most frequent class 33.3 %." in words


def test_a_number_stands_beside_a_constant(write_run):
    """Each of several, and one alone where nothing else says how good its model is."""

    def of_two(rng, quality, num_samples, size, labels_seed):
        targets = rng.normal([300.0, 3.0], [50.0, 1.0], (size, 2))
        losses = {"squared_error/load": np.full(size, 25.0), "squared_error/calls": np.ones(size)}
        losses["squared_error/calls"] *= 4.0
        return Predictions("regression", num_samples, targets, losses, {})

    test = {"nll": 1.0, "rmse/load": 5.0, "rmse/calls": 2.0}
    changes = {"task": "regression", "target_units": {"load": "kWh"}}
    [group] = grouped(write_run("two", make=of_two, test=test, changes=changes))
    said = summary("toy", [group], group, {}).text
    words = said[said.index("Target by target, beside a constant:") :]
    assert re.match(
        r".*`load` \(kWh\): RMSE 5.00, standard deviation of the targets \d\d\.\d; ", words
    )
    assert re.search(r"`calls`: RMSE 2.00, .* targets [\d.]+, no better than a constant\.", words)
    classes = grouped(write_run("a"), write_run("b", estimator="Mean"))
    alone = summary("toy", classes[:1], classes[0], {}).text
    assert re.search(r"Beside a constant: error [\d.]+ %, the most frequent class", alone)
    assert "eside a constant" not in summary("toy", classes, classes[0], {}).text


def test_the_summary_says_whether_models_had_one_budget(write_run):
    """By the gradients that were taken; nothing where a run does not say."""

    def said(*passes):
        changes = [{} if p is None else {"passes_over_the_data": p} for p in passes]
        folders = [
            write_run(f"{len(list(parent.iterdir()))}", estimator="ABC"[i], changes=each)
            for i, each in enumerate(changes)
        ]
        groups = grouped(*folders)
        return summary("toy", groups, groups[0], {}).text

    parent = write_run("first").parent
    assert "Each took the gradients of 40.1 passes over the data." in said(40.09, 40.1)
    found = said(40, 200.0, None)
    assert (
        "Budgets differ: `estimator=A` took the gradients of 40.0 passes over the training data, "
        "`estimator=B` of 200." in found
    )
    assert "gradients" not in said(40.0, 40.0, None)


def test_the_lowest_of_several_is_no_fair_estimate(write_run):
    """With two models there is one comparison, and its interval is what it says."""
    folders = [write_run(n, estimator=n) for n in ("A", "B", "C")]
    words = "Nothing is adjusted for 2 comparisons, and the lowest of 3 means was found on the test"
    groups = grouped(*folders)
    assert words in summary("toy", groups, groups[0], {}).text
    groups = grouped(*folders[:2])
    assert "adjusted" not in summary("toy", groups, groups[0], {}).text
