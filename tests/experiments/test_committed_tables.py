"""Committed tables are the rendering of committed records."""

import csv
import dataclasses
import json
from pathlib import Path

STUDIES = Path(__file__).parents[2] / "experiments"


def between(readme, name):
    return readme.read_text().split(f"<!-- {name} -->\n")[1].split(f"<!-- end of {name} -->")[0]


def test_tables_of_distribution(tmp_path):
    from experiments.distribution import run

    folder = STUDIES / "distribution"
    for part in run.PARTS:
        values = json.loads((folder / "results" / f"{part}.json").read_text())
        assert run.table(part, values) == between(folder / "README.md", part)


def test_tables_of_predictive():
    from experiments.predictive import run

    folder = STUDIES / "predictive"
    for part in run.PARTS:
        values = json.loads((folder / "results" / f"{part}.json").read_text())
        assert run.table(part, values) == between(folder / "README.md", part)


def test_tables_of_methods():
    """All but the classroom's, of whose runs nothing but the table is committed."""
    from experiments.methods import digits, kept, published, uci

    folder = STUDIES / "methods"
    parts = ("digits", "published", "uci_rates", "uci")
    held = {n: json.loads((folder / "results" / f"{n}.json").read_text()) for n in parts}
    made = {
        "digits": digits.table(held["digits"]["rows"]),
        "published images": published.images_table(held["published"]["rows"]),
        "rates": uci.rates_table(held["uci_rates"]["rows"]),
        "published uci": uci.table(held["uci"]["rows"], uci.chosen(held["uci_rates"]["rows"])),
        **{f"{name} provenance": kept.provenance(name, of) for name, of in held.items()},
    }
    del made["uci_rates provenance"]
    for name, text in made.items():
        assert text == between(folder / "README.md", name), name


def test_tables_of_speed():
    from experiments.speed import report

    folder = STUDIES / "speed"
    about = json.loads((folder / "results" / "about.json").read_text())
    parts = report.parts(folder / "results", about)[0]
    for name, text in parts.items():
        assert text == between(folder / "README.md", name), name


def test_tables_of_the_gradient_study():
    """Every table from its CSV file, and every part of the README from its file."""
    from experiments.gradient_estimators import tables

    folder = STUDIES / "gradient_estimators"
    for name, text in tables.readme_parts(folder / "results").items():
        assert text == between(folder / "README.md", name)
    documents = "".join(path.read_text() for path in (folder / "results").glob("part*.md"))
    for path in (folder / "results").glob("*.csv"):
        with path.open(newline="") as file:
            rows = [{k: value_of(v) for k, v in row.items()} for row in csv.DictReader(file)]
        shown = 9 if path.stem == "network_layers" else None
        lines = tables.Table(path.stem, "Title", rows, shown).markdown("").splitlines()
        for line in lines[2:-1]:
            if "---" not in line:  # a column's alignment depends on types that CSV does not keep
                assert f"{line}\n" in documents, (path.stem, line)
        if path.stem != "network_layers":
            assert tables.PROSE[path.stem] in documents


def value_of(text):
    if text == "":
        return None
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text


def test_tables_of_mnist():
    """All but the KL, which `results.json` did not hold when the tables were made."""
    import numpy as np

    from experiments.mnist import tables
    from experiments.mnist.cases import CASES, SETS
    from experiments.mnist.results import Row

    cases = {case.name: case for case in CASES}
    rows = []
    for record in json.loads((STUDIES / "mnist" / "results.json").read_text()):
        case = dataclasses.replace(cases[record["case"]], estimator=record["estimator"])
        values = {name: np.array(record[name]) for name in ("error", "nll", "brier", "ece")}
        rows.append(Row(case, values, record["num_samples"], tuple(record["seeds"]), None))
    readme = STUDIES / "mnist" / "README.md"
    assert tables.goals_table(rows) == between(readme, "goals")
    for data in SETS:
        assert tables.published_table(data) == between(readme, f"{data} published")
        assert tables.rows_table(rows, data, "fixed") == between(readme, f"{data} fixed")
        for part in ("whole", "tempered"):
            held = [line.split(" | ") for line in between(readme, f"{data} {part}").splitlines()]
            text = tables.rows_table(rows, data, part)
            made = [line.split(" | ") for line in text.splitlines()]
            for one, other in zip(held[2:], made[2:], strict=True):
                assert one[:8] + one[9:] == other, "without the column of the KL"


def test_tables_of_uci():
    """All but how many choices were close, for which the densities of single rows are needed."""
    from experiments.uci import results
    from experiments.uci.candidates import CANDIDATES
    from experiments.uci.choice import Result, Summary, chosen
    from experiments.uci.stacking import Weights

    folder = STUDIES / "uci" / "results"
    about = json.loads((folder / "results.json").read_text())
    titles = {candidate.name: candidate.title for candidate in CANDIDATES}
    found, weights = [], {}
    with (folder / "splits.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            row["title"] = titles[row["candidate"]]
            values = {name: value_of(row[name]) for name in Result._fields}
            found.append(Result(**values))
    with (folder / "weights.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            of = weights.setdefault((row["set"], int(row["split"])), {})
            of[row["candidate"]] = float(row["weight"])
    given = [Weights(*key, of, close=False) for key, of in weights.items()]
    rows = [Summary(**row) for row in about["rows"]]
    made = results.document(rows, [*found, *chosen(found)], given, about)
    held = (folder / "table.md").read_text()
    assert between(STUDIES / "uci" / "README.md", "results") == f"\n{held}\n"
    different = [
        (one, other)
        for one, other in zip(held.splitlines(), made.splitlines(), strict=True)
        if one != other
    ]
    assert len(different) == 1
    assert different[0][0].startswith("| *the best leads the second by at most one standard error*")
