"""The study of the variational families: its cases, its tables, and one small run."""

import pytest

from bnn import posteriors
from experiments.families import cases, run

KL = {"MeanFieldNormal": [2.0, 0.0], "CouplingFlow": [0.5, 0.01]}


def rows(value):
    names = ("log_likelihood", "elbo", "seconds")
    return {"rows": [{name: value + d for name in names} for d in (0.0, 0.2)]}


def test_every_family_of_the_library_is_compared():
    made = {type(make(0.05)).__name__ for make in cases.FAMILIES.values()}
    public = {getattr(posteriors, name) for name in posteriors.__all__}
    families = {
        kind.__name__
        for kind in public
        if isinstance(kind, type) and issubclass(kind, posteriors.Posterior)
    }
    assert made == families - {"Posterior"}
    assert len({c.name for c in cases.CANDIDATES}) == len(cases.FAMILIES)


def test_tables():
    assert "| `CouplingFlow` | 0.5000 ± 0.0100 |  |" in run.linear_table(KL)
    results = {("boston", "Point"): rows(-3.0), ("boston", "MeanFieldNormal"): rows(-2.5)}
    text = run.table(results, ["boston"], "log_likelihood")
    assert "| `MeanFieldNormal` | **−2.400 ± 0.100** |" in text
    assert "| `Point` | −2.900 ± 0.100 |" in text
    assert "`Point`" not in run.table(results, ["boston"], "elbo")
    assert "| `Point` | −2.9 |" in run.table(results, ["boston"], "seconds")


@pytest.mark.slow
def test_the_whole_study_small(tmp_path, monkeypatch):
    """Two families on a set in the layout; what is there is not measured again."""
    from tests.experiments.test_uci import write_set

    write_set(tmp_path / "uci" / "bostonHousing")
    monkeypatch.setattr(run, "CANDIDATES", cases.CANDIDATES[:2])
    arguments = ["--sets=bostonHousing", f"--data_dir={tmp_path}", f"--root={tmp_path / 'work'}"]
    arguments += [f"--output={tmp_path}", "--fast"]
    assert run.main(arguments) == 0
    text = (tmp_path / "README.md").read_text()
    assert text.count("| `MeanFieldNormal` |") == 4
    monkeypatch.setattr(run, "run_candidate", None)
    assert run.main([*arguments, "--report"]) == 0
    assert (tmp_path / "README.md").read_text() == text
