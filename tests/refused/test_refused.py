"""Bad inputs of every kind are refused by name: no traceback, no hang, no foreign file changed.

The tables stand in the modules whose names end in `rows`. The everyday suite takes a sample of them
in this process; all of them, each program in a process of its own, are slow.
Each message names the argument or file, says what is required, shows the value and gives a remedy.
"""

import ast
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import gin
import pytest
from absl import flags
from absl import logging as absl_logging
from absl.testing import flagsaver

import bnn.experiment
import bnn.run
from bnn.runs.bindings import check_bindings
from bnn.runs.kinds import kinds
from tests.refused import (
    data_rows,
    gin_data_rows,
    gin_model_rows,
    gin_training_rows,
    many,
    rows,
    tool_rows,
)

_REQUIRED = re.compile(
    r"\b(must|needs?|cannot|can't|could not|couldn't|no|not|none|doesn't|unknown|missing|expected|"
    r"unexpected|ambiguous|denylisted|invalid|required|holds|differ|changed|damaged|non-boolean|"
    r"unable|is a (?:file|link|folder|text)|refuses|is for|imports the module|suffice|error|"
    r"unrecognized|already|nothing)\b",
    re.IGNORECASE,
)
_REMEDY = re.compile(
    r"\b(write|use|give|name|names|delete|restore|choose|start|correct|create|set|pass|convert|"
    r"repair|fill|raise|lower|leave|remove|rename|allow|build|put|see|wait|install|add|usual|load|"
    r"swap|did you mean|good start|--help|--helpshort|usage|try|for example|download|fetch|run|"
    r"available|such as|quote|take|keep|drop|make|shorten|change)\b",
    re.IGNORECASE,
)

PARTS = 8  # of the long test: each of them is minutes


def literal(text):
    """A value of a gin file as a message shows it."""
    try:
        return repr(ast.literal_eval(text))
    except (ValueError, SyntaxError):
        return text


def gin_rows():
    """(bindings, parameter, value as shown) of the tables of single values."""
    return [
        (f"{owner}.{parameter} = {text}", f"{owner.rpartition('.')[2]}.{parameter}", literal(text))
        for table in (gin_data_rows, gin_model_rows, gin_training_rows)
        for owner, parameters in table.BAD_VALUES.items()
        for parameter, texts in parameters.items()
        for text in texts
    ]


def command_rows(folder):
    """(arguments, named, shown) of every row of bnn.run but those of damaged runs."""
    start = [f"--gin_file={rows.DIGITS}"]
    found = [
        ([*start, f"--workdir=new{i}", f"--gin_bindings={bindings}"], named, shown)
        for i, (bindings, named, shown) in enumerate([*gin_rows(), *rows.BINDINGS])
    ]
    found += [
        ([a.replace("{D}", rows.DIGITS) for a in arguments], named, shown)
        for arguments, named, shown in rows.COMMANDS
    ]
    found += [
        ([*start, f"--workdir={workdir}", "--gin_bindings=run.tracker = None"], named, shown)
        for workdir, named, shown in rows.WORKDIRS
    ]
    for number, (make, bindings, named) in enumerate(data_rows.DATA):
        place = folder / f"data{number}"
        place.mkdir()
        make(place)
        bindings = bindings.replace("{folder}", str(place))
        found.append(([*start, f"--workdir=set{number}", f"--gin_bindings={bindings}"], named, ""))
    return found


@pytest.fixture
def place(tmp_path):
    """A folder with the files of the tables and other people's, in which the programs run."""
    folder = tmp_path / "place"
    for name, content in {**rows.FILES, **tool_rows.FILES}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content.replace(b"{D}", rows.DIGITS.encode()))
    (folder / "loop").symlink_to("loop")
    (folder / "to_foreign").symlink_to("foreign")
    (folder / "locked_by_link").mkdir()
    (folder / "locked_by_link" / ".lock").symlink_to(folder / "foreign" / "thesis.tex")
    return folder


def files(folder):
    """Digests and links of everything below a folder."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = os.readlink(path)
        else:
            content = path.read_bytes() if path.is_file() else b"folder"
            found[name] = hashlib.sha256(content).hexdigest()
    return found


def fault(answer, named, shown):
    """What is wrong with an answer to a bad input, or None."""
    message = answer["err"]
    if answer["fault"]:
        return f"traceback: {answer['fault'].strip().splitlines()[-1]}"
    if answer["seconds"] > many.LIMIT:
        return f"{answer['seconds']:.0f} seconds"
    if answer["code"] in (0, None):
        return "was not refused"
    if "Traceback" in message:
        return "traceback"
    if named not in message:
        return f"does not name {named!r}"
    if shown not in message:
        return f"does not show {shown!r}"
    if not _REQUIRED.search(message):
        return "says no requirement"
    return None if _REMEDY.search(message) else "has no remedy"


def faults(asked, answers):
    """The rows with a wrong answer, as lines."""
    found = []
    for (arguments, named, shown), answer in zip(asked, answers, strict=True):
        wrong = fault(answer, named, shown)
        if wrong is not None:
            found.append(f"{arguments[-2:]}: {wrong}\n    {answer['err'][:400]}")
    return found


def ask(module, asked, place, limit=many.LIMIT):
    """Answers of a program in one process to all rows."""
    asked = [arguments for arguments, *_ in asked]
    questions, answers = place.parent / "questions.json", place.parent / "answers.json"
    questions.write_text(json.dumps(asked))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "COLUMNS": "100"}
    environment.setdefault("BNN_DATA_DIR", str(place))
    done = subprocess.run(
        [sys.executable, many.__file__, module, str(questions), str(answers), str(limit)],
        cwd=place,
        env=environment,
        capture_output=True,
        timeout=1800,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    return json.loads(answers.read_text())


def test_the_tables_are_long():
    tables = (gin_rows(), rows.BINDINGS, rows.COMMANDS, rows.WORKDIRS, data_rows.DATA)
    tables += (tool_rows.TOOLS, tool_rows.DAMAGED)
    assert sum(map(len, tables)) >= 300
    assert all(len(table) >= 20 for table in tables)


@pytest.mark.parametrize("number", range(8))
def test_a_sample_of_the_rows_is_refused_by_name(place, clean_gin, monkeypatch, number):
    """Another one every time that the tables change; in this process."""
    monkeypatch.chdir(place)
    monkeypatch.setattr("gin.config._LOCATION_PREFIXES", [""])
    monkeypatch.setattr("sys.path", [*sys.path])
    monkeypatch.setenv("BNN_DATA_DIR", str(place))

    def entry(argv):
        gin.clear_config()
        with flagsaver.flagsaver():
            return bnn.run.main(flags.FLAGS(["bnn.run", *argv]))

    asked = [row for row in command_rows(place.parent) if "--workdir=" in str(row[0][1:2])]
    asked = [row for row in asked if not set(row[0]) & {"--workdir=new", "--traceback=maybe"}]
    bindings = [row for row in asked if "gin_bindings" in row[0][-1]][number::181]
    before, verbosity = files(place), absl_logging.get_verbosity()
    try:
        answers = [many.answer(entry, arguments) for arguments, *_ in bindings]
    finally:
        flags.FLAGS.unparse_flags()
        absl_logging.set_verbosity(verbosity)
    found = faults(bindings, answers)
    assert not found, "\n".join(found)
    assert files(place) == before


def test_a_good_value_is_not_refused(clean_gin):
    """Of every parameter of everything that is registered: its default."""
    count = 0
    for selector, configurable in gin.config._REGISTRY._selector_map.items():
        for parameter, (_, default) in kinds(configurable.wrapped).items():
            plain = isinstance(default, (bool, int, float, str, tuple, type(None)))
            if plain and parameter not in (configurable.denylist or ()) and selector[:4] != "gin.":
                gin.bind_parameter(f"{selector}.{parameter}", default)
                count += 1
    check_bindings()
    assert count > 400


def test_a_value_of_another_kind_is_refused_for_every_parameter(clean_gin):
    """Of everything that is registered, what others register included; where a kind is known."""
    refused = 0
    for selector, configurable in gin.config._REGISTRY._selector_map.items():
        for parameter, (kind, _) in kinds(configurable.wrapped).items():
            if kind not in (bool, int, float, str) or selector.startswith("gin."):
                continue
            if parameter in (configurable.denylist or ()):
                continue
            gin.clear_config()
            gin.bind_parameter(f"{selector}.{parameter}", {"a": 1})
            name = f"{selector.rpartition('.')[2]}.{parameter}"
            got = r".*got \{'a': 1\}; in gin write for example "
            with pytest.raises(ValueError, match=f"^{re.escape(name)} must be {got}"):
                check_bindings()
            refused += 1
    assert refused > 250


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_every_row_of_run_is_refused_by_name(place, part):
    asked = command_rows(place.parent)[part::PARTS]
    before = files(place)
    answers = ask("bnn.run", asked, place)
    found = faults(asked, answers)
    assert not found, f"{len(found)} of {len(asked)}:\n" + "\n".join(found)
    assert files(place) == before


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a run that has ended, and its command."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    small = {"batch_size": 240, "epochs": 1, "tracker": None, "num_predict_samples": 2}
    options = [f"--gin_file={rows.DIGITS}", "--gin_bindings=mlp.hidden = ()"]
    options += [f"--gin_bindings=run.{name} = {value}" for name, value in small.items()]
    subprocess.run(
        [sys.executable, "-m", "bnn.run", f"--workdir={folder}", *options],
        check=True,
        capture_output=True,
        timeout=600,
        cwd=Path(rows.DIGITS).parents[1],
    )
    return folder, options


@pytest.mark.slow
@pytest.mark.parametrize("module", sorted({module for module, *_ in tool_rows.TOOLS}))
def test_every_row_of_another_program_is_refused_by_name(place, finished, module):
    shutil.copytree(finished[0], place / "run")
    before = files(place)
    asked = [
        ([a.replace("{D}", rows.DIGITS) for a in arguments], named, "")
        for name, arguments, named in tool_rows.TOOLS
        if name == module
    ]
    found = faults(asked, ask(module, asked, place))
    assert not found, f"{len(found)} of {len(asked)}:\n" + "\n".join(found)
    assert files(place) == before


@pytest.mark.slow
@pytest.mark.parametrize("module", ["bnn.run", "bnn.replay", "bnn.report"])
def test_damaged_files_of_a_run_are_named_or_not_needed(place, finished, module):
    """Refused with the file's name; or done without it, which may be said; never a traceback."""
    source, options = finished
    asked = []
    for number, (name, content, program) in enumerate(tool_rows.DAMAGED):
        if program != module:
            continue
        folder = place / f"run{number}"
        shutil.copytree(source, folder)
        for file in sorted(folder.glob(name)) or [folder / name]:
            file.unlink(missing_ok=True)
            file.mkdir() if content is None else file.write_bytes(content)
        arguments = {
            "bnn.run": [f"--workdir=run{number}", *options],
            "bnn.replay": [f"--workdir=run{number}", "--step=3"],
            "bnn.report": [f"run{number}", f"--output=report{number}"],
        }[module]
        place_named = f"{number}" if name in ("config.gin",) else name.partition("/")[0]
        asked.append((arguments, place_named, ""))
    before = files(place / "foreign")
    answers = ask(module, asked, place, limit=300)  # what is whole is trained and replayed
    found = []
    for (arguments, named, _), answer in zip(asked, answers, strict=True):
        wrong = fault(answer, named, "")
        done = answer["code"] in (0, 3) and not answer["fault"] and "Traceback" not in answer["err"]
        if wrong is not None and not done:
            found.append(f"{arguments[:2]} {named}: {wrong}\n    {answer['err'][:400]}")
    assert not found, f"{len(found)} of {len(asked)}:\n" + "\n".join(found)
    assert files(place / "foreign") == before
