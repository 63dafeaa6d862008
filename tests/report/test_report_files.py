"""What stands in the files of a report."""

import re
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

from bnn.report import build_report, sections
from bnn.report.document import Figure, Heading, Items, Paragraph, Table
from bnn.report.html import to_html
from bnn.report.markdown import to_markdown
from tests.report.pages import Page, table_below

CONFIGS = Path(__file__).parents[2] / "gin_configs"


@pytest.fixture
def images(tmp_path):
    matplotlib.image.imsave(tmp_path / "a.png", np.zeros((20, 40, 3)))
    return tmp_path


BLOCKS = [
    Heading("Title <1>", 1),
    Paragraph("Some `code` & <b>text</b>."),
    Items(["one", "two"]),
    Table(
        ["model", "x | y", "words"], [["a|b", "1.0", "so"]], text_columns=["words"], best=[(0, 1)]
    ),
    Figure("a.png", 'A caption [1] with "quotes". More.'),
    Figure("a.png", "Another."),
]


def test_markdown():
    assert to_markdown(BLOCKS).splitlines() == [
        "# Title \\<1\\>",
        "",
        "Some `code` \\& \\<b\\>text\\</b\\>.",
        "",
        "- one",
        "- two",
        "",
        "| model | x \\| y | words |",
        "| --- | ---: | --- |",
        "| a\\|b | **1.0** | so |",
        "",
        '![A caption \\[1\\] with "quotes"](figures/a.png)',
        "",
        '*A caption \\[1\\] with "quotes". More.*',
        "",
        "![Another.](figures/a.png)",
        "",
        "*Another.*",
    ]


def test_html_is_whole_escaped_and_refers_to_nothing_outside(images):
    text = to_html(BLOCKS, images)
    page = Page(text)
    assert "<title>Title &lt;1&gt;</title>" in text
    assert "Some <code>code</code> &amp; &lt;b&gt;text&lt;/b&gt;." in text
    assert "<td class=number><b>1.0</b></td><td>so</td>" in text
    assert len(page.sources) == 2
    assert all(source.startswith("data:image/png;base64,") for source in page.sources)
    assert text.count('<div class="figures">') == 1  # figures that follow each other share a row
    assert 'width="19"' in text  # 40 pixels at 200 to an inch, in pixels of CSS


def test_a_row_of_the_wrong_length():
    with pytest.raises(ValueError, match=r"rows must have 2 cells, one for each column, got \["):
        Table(["a", "b"], [["1"]])


def test_a_report_of_everything(write_run, tmp_path):
    for seed in (0, 1):
        for estimator in ("Flipout", "Mean"):
            write_run(
                f"sweep/{estimator}{seed}",
                seed=seed,
                estimator=estimator,
                out_of_distribution=["letters"],
            )
            write_run(
                f"sweep/value{estimator}{seed}",
                make=write_run.regression,
                data="curve",
                split=seed,
                estimator=estimator,
            )
    write_run("sweep/tempered", kl_weight=0.1)
    write_run("sweep/single", num_samples=1, estimator="Flipout")
    output = tmp_path / "out"
    page = build_report([tmp_path / "sweep"], output, title="Estimators")
    assert page == output / "report.html"
    names = [".bnn-report.json", "figures", "report.html", "report.md"]
    assert sorted(p.name for p in output.iterdir()) == names
    markdown = (output / "report.md").read_text()
    linked = set(re.findall(r"\(figures/(.*?)\)", markdown))
    assert linked == {p.name for p in (output / "figures").iterdir()}
    kinds = ("learning", "risk-coverage", "nll-by-samples", "reliability", "entropy", "sites")
    for kind in (*kinds, "quantiles", "predictions"):
        assert any(kind in name for name in linked), kind
    found = Page(page.read_text())
    assert len(found.sources) == len(re.findall(r"\(figures/", markdown))
    for heading in ("# Estimators", "## toy", "## curve", "### Out of distribution", "## Origin"):
        assert f"\n{heading}\n" in f"\n{markdown}"


def test_every_table_states_samples_and_kl_weight(write_run, tmp_path, no_figures):
    folders = [write_run("a", out_of_distribution=["x"]), write_run("b", kl_weight=0.1)]
    build_report(folders, tmp_path / "out")
    markdown = (tmp_path / "out" / "report.md").read_text()
    headers = re.findall(r"^\| (model|folder) \|(.*)$", markdown, re.MULTILINE)
    assert len(headers) == 5
    for _, columns in headers:
        assert re.search(r"\bS\b", columns), columns
        assert "posterior" in columns
    rows = table_below(markdown, "### Quality")
    assert [row["posterior"] for row in rows] == ["whole KL", "tempered, KL x 0.1"]


def test_means_and_errors_are_those_of_the_runs(write_run, tmp_path, no_figures):
    folders = [write_run(f"r{seed}", seed=seed) for seed in range(4)]
    build_report(folders, tmp_path / "out")
    markdown = (tmp_path / "out" / "report.md").read_text()
    [row] = table_below(markdown, "### Quality")
    from bnn.report.runs import read_runs

    values = np.array([run.test["nll"] for run in read_runs(folders)[0]])
    mean, error = (float(part) for part in row["NLL, nats"].split(" ± "))
    assert mean == pytest.approx(values.mean(), abs=0.1 * error)
    assert error == pytest.approx(values.std(ddof=1) / 2, rel=0.05)
    assert row["runs"] == "4 seeds"
    runs = table_below(markdown, "### Runs")
    assert [run["repetition"] for run in runs] == [f"seed={seed}" for seed in range(4)]
    assert float(runs[0]["NLL, nats"]) == pytest.approx(values[0], rel=1e-3)
    assert "Paired comparisons" not in markdown


def test_one_weight_sample_is_not_reported_as_the_model(write_run, tmp_path):
    build_report([write_run("a", num_samples=1)], tmp_path / "out")
    markdown = (tmp_path / "out" / "report.md").read_text()
    for heading in ("### Quality", "### Calibration", "### Runs"):
        [row] = table_below(markdown, heading)
        values = list(row.values())
        place = values.index("not the model: 1 weight sample")
        assert set(values[place + 1 :]) <= {"–"}
    assert "Raise `run.num_predict_samples`." in markdown
    assert "reliability" not in markdown


def test_a_deterministic_model_is_its_one_sample(write_run, tmp_path, no_figures):
    sites = [{"name": "k", "size": 3, "kl": 2.0, "median_snr": None}]
    changes = {"ledger": {"sites": sites}}
    point = write_run("a", num_samples=1, estimator="Mean", changes=changes)
    unknown = write_run("b", num_samples=1, estimator="Flipout", changes=changes)
    build_report([point, unknown], tmp_path / "out")
    markdown = (tmp_path / "out" / "report.md").read_text()
    mean, other = table_below(markdown, "### Quality")
    assert float(mean["NLL, nats"]) > 0
    assert other["error, %"] == "not the model: 1 weight sample"


def test_a_run_that_diverged_at_once_has_no_curve(write_run, tmp_path):
    folder = write_run("a")
    (folder / "metrics.jsonl").write_text('{"step": 1, "epoch": 1.0, "nll": null}\n')
    build_report([folder], tmp_path / "out")
    names = {p.name for p in (tmp_path / "out" / "figures").iterdir()}
    assert not any("learning" in name for name in names)
    assert any("risk-coverage" in name for name in names)


def test_detection_is_of_the_scores_in_the_folder(write_run, tmp_path, no_figures):
    from bnn import metrics
    from bnn.runs.prediction_file import load_predictions

    folder = write_run("a", out_of_distribution=["letters"])
    build_report([folder], tmp_path / "out")
    markdown = (tmp_path / "out" / "report.md").read_text()
    rows = table_below(markdown, "### Out of distribution")
    assert [row["score"] for row in rows] == [
        "maximum probability",
        "entropy",
        "mutual information",
    ]
    files = folder / "predictions"
    inside = load_predictions(files / "test.npz").scores["entropy"]
    outside = load_predictions(files / "out_of_distribution" / "letters.npz").scores["entropy"]
    expected = metrics.detection(inside, outside)
    assert float(rows[1]["AUROC, %"]) == pytest.approx(100 * expected.auroc, abs=0.01)
    assert float(rows[1]["FPR95, %"]) == pytest.approx(100 * expected.fpr95, abs=0.01)


def test_more_models_than_a_figure_holds_are_spread_over_several(write_run, tmp_path, monkeypatch):
    monkeypatch.setattr(sections, "MAX_SINGLE", 1)
    folders = [write_run(f"r{n}", estimator=f"E{n}") for n in range(9)]
    build_report(folders, tmp_path / "out")
    names = {p.name for p in (tmp_path / "out" / "figures").iterdir()}
    assert {"toy_learning_1.png", "toy_learning_2.png"} <= names
    assert sum("reliability" in name for name in names) == 1
    markdown = (tmp_path / "out" / "report.md").read_text()
    assert "drawn for the first 1 of 9; name fewer runs" in markdown


def test_a_failure_leaves_the_earlier_report(write_run, tmp_path, monkeypatch, no_figures):
    folder, output = write_run("a"), tmp_path / "out"
    build_report([folder], output)
    before = sorted(p.name for p in output.rglob("*"))

    def broken(data, groups, folder):
        (folder / "half.png").write_bytes(b"half")
        raise OSError("no space left")

    monkeypatch.setattr(sections, "joint_figures", broken)
    with pytest.raises(OSError, match="no space left"):
        build_report([folder], output)
    assert sorted(p.name for p in output.rglob("*")) == before


def test_unfinished_runs_are_named_in_the_report(write_run, tmp_path, no_figures):
    done, half = write_run("done"), write_run("half", seed=1)
    (half / "results.json").unlink()
    build_report([done, half], tmp_path / "out", skip_unfinished=True)
    assert "Left out, unfinished: `half`." in (tmp_path / "out" / "report.md").read_text()
