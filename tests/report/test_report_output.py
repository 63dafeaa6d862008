"""The folder of a report: nothing that is not its own is touched."""

import json
import os
import re

import pytest

from bnn.report.output import MANIFEST, check_output, write_output

FILES = {"report.md": b"text", "figures/a.png": b"picture", "figures/b.png": b"other"}


def contents(folder):
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for p in folder.rglob("*")
        if p.is_file() and p.name != MANIFEST
    }


@pytest.fixture
def output(tmp_path):
    write_output(tmp_path / "out", FILES)
    return tmp_path / "out"


def refused(output, *names):
    shown = re.escape(", ".join(names))
    return pytest.raises(
        ValueError,
        match=rf"^output {re.escape(str(output))} holds something else than a report, or files of "
        rf"one that were changed since \({shown}\); name a new folder with --output, or move these "
        r"files away\.$",
    )


def test_a_report_is_replaced_by_the_next(output):
    assert contents(output) == FILES
    write_output(output, {"report.md": b"new", "figures/c.png": b"third"})
    assert contents(output) == {"report.md": b"new", "figures/c.png": b"third"}
    write_output(output, {"report.md": b"newer"})
    assert not (output / "figures").exists()


FOREIGN = {
    "thesis.tex": lambda o: (o / "thesis.tex").write_text(""),
    ".secret": lambda o: (o / ".secret").write_text(""),
    "figures/mine.png": lambda o: (o / "figures" / "mine.png").write_text(""),
    "notes/": lambda o: (o / "notes").mkdir(),
    "report.md": lambda o: (o / "report.md").write_text("text, and my notes"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_what_is_somebody_elses_is_named_and_left(output, name):
    FOREIGN[name](output)
    before = contents(output)
    with refused(output, name):
        write_output(output, {"report.md": b"new"})
    assert contents(output) == before


def test_a_folder_that_was_never_a_reports(tmp_path):
    """The names of a report's files prove nothing: report.md and figures/ may be anybody's."""
    folder = tmp_path / "paper"
    (folder / "figures").mkdir(parents=True)
    (folder / "figures" / "1.png").write_text("mine")
    (folder / "report.md").write_text("mine")
    with refused(folder, "figures/", "report.md"):
        check_output(folder)


def test_links_are_not_followed(tmp_path, output):
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "a.png").write_bytes(b"picture")
    (foreign / "report.md").write_bytes(b"text")
    (output / "report.md").unlink()
    (output / "report.md").symlink_to(foreign / "report.md")
    with refused(output, "report.md"):
        write_output(output, FILES)
    (output / "report.md").unlink()
    for name in ("a.png", "b.png"):
        (output / "figures" / name).unlink()
    (output / "figures").rmdir()
    (output / "figures").symlink_to(foreign)
    with refused(output, "figures/"):
        write_output(output, FILES)
    assert contents(foreign) == {"a.png": b"picture", "report.md": b"text"}
    (tmp_path / "nowhere").symlink_to(tmp_path / "missing")
    with pytest.raises(ValueError, match=r"nowhere is a link to nothing; name a folder\."):
        check_output(tmp_path / "nowhere")


def test_a_file_in_the_place_of_the_folder(tmp_path):
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(ValueError, match=r"thesis\.tex is a file; name a folder\."):
        check_output(tmp_path / "thesis.tex")


@pytest.mark.parametrize("kill", range(1, 6))
def test_a_report_that_is_killed_half_way_is_replaced_the_next_time(output, monkeypatch, kill):
    """Stopped before each of its five renames: old and new files are both its own."""
    calls = 0

    class Killed(BaseException):
        pass

    def replace(path, target):
        nonlocal calls
        calls += 1
        if calls == kill:
            raise Killed
        return os.replace(path, target)

    monkeypatch.setattr("pathlib.Path.replace", replace)
    new = {"report.md": b"new", "report.html": b"page", "figures/b.png": b"changed"}
    with pytest.raises(Killed):
        write_output(output, new)
    monkeypatch.undo()
    (output / ".bnn-report.0011.tmp").write_bytes(b"half")  # what SIGKILL leaves
    write_output(output, new)
    kept = contents(output)
    assert kept.pop(".bnn-report.0011.tmp") == b"half"
    assert kept == new


DAMAGE = ["{", "[]", '{"format": 2, "files": {}}', '{"format": 1, "files": {"../x": ["a"]}}']


@pytest.mark.parametrize("text", DAMAGE)
def test_a_damaged_list_of_files(output, text):
    (output / MANIFEST).write_text(text)
    with pytest.raises(
        ValueError, match=r"\.bnn-report\.json is no list of a report's files; name a new folder"
    ):
        check_output(output)


def test_the_list_names_every_file(output):
    files = json.loads((output / MANIFEST).read_text())["files"]
    assert sorted(files) == sorted(FILES)
