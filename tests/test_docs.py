"""The documentation does what it says: its code runs, its bindings and files exist.

A page's fenced blocks are taken in their order, in an empty folder: `python` runs in one namespace
per page, or, with `title="name.py"`, becomes a module of that name that is imported; `gin` and
`toml` are parsed against the names that are registered, `sh` commands against the modules, flags
and bindings that there are. A title stands for the file that later blocks read.
"""

import functools
import importlib
import importlib.util
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

import gin
import pytest

from bnn.runs.configuration import parse
from launch.sweep_file import read_sweep
from launch.tune_file import Range, read_search

ROOT = pathlib.Path(__file__).parents[1]
PAGES = ROOT / "docs" / "pages"
NAMES = sorted(str(p.relative_to(PAGES)) for p in PAGES.rglob("*.md"))
CODE = [name for name in NAMES if "```" in (PAGES / name).read_text()]
# They train or compile for more than about five seconds.
SLOW = {"index.md", "keras.md", "model.md", "runs.md"}
FENCE = re.compile(r'^```(\w*)(?: title="([^"]+)")?\n(.*?)^```$', re.DOTALL | re.MULTILINE)
INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
COMMANDS = ("bnn", "launch", "experiments")
# What a block needs that calls this, beside what bnn itself needs.
EXTRAS = {"data.csv(": "pandas", "image_folder(": "PIL", "save_img(": "PIL"}


def blocks(name):
    """(language, title, text) of a page's fenced blocks."""
    return FENCE.findall((PAGES / name).read_text())


def prose(name):
    """A page without its blocks."""
    return FENCE.sub("", (PAGES / name).read_text())


@functools.cache
def flags():
    """Every flag that the command lines define, from their sources."""
    sources = [*(ROOT / "launch").glob("*.py"), *(ROOT / "experiments").rglob("*.py")]
    sources += [ROOT / "bnn" / f for f in ("run.py", "command_line.py")]
    sources += [ROOT / "bnn" / room / "__main__.py" for room in ("apply", "replay", "report")]
    text = "\n".join(source.read_text() for source in sources)
    return set(re.findall(r'"(?:--)?([a-z][\w-]*)"', text))


def commands(text):
    """The words of every `python -m` command of a shell block."""
    lines = text.replace("\\\n", " ").splitlines()
    found = [shlex.split(line, comments=True) for line in lines]
    return [w[w.index("-m") :] for w in found if "-m" in w and "python" in w[w.index("-m") - 1]]


def check_command(words):
    """The module, its flags, the gin files and the bindings of a command exist."""
    module, arguments = words[1], words[2:]
    if module.split(".")[0] in COMMANDS:
        assert importlib.util.find_spec(module), module
        given = {word[2:].partition("=")[0] for word in arguments if word.startswith("--")}
        assert given - {""} <= flags(), f"{module} has no flag {given - flags()}"
    values = [w.partition("=")[::2] for w in arguments if w.startswith("--gin_")]
    files = [value for name, value in values if name == "--gin_file"]
    for file in files:
        assert (ROOT / file).is_file() or pathlib.Path(file).is_file(), file
    if values:
        here = [file if pathlib.Path(file).is_file() else str(ROOT / file) for file in files]
        parse_alone(here, [v for n, v in values if n == "--gin_bindings"])


def parse_alone(files, bindings=()):
    """Parses gin files as `bnn.run` does, and forgets them."""
    gin.clear_config()
    try:
        parse(files, bindings)
    finally:
        gin.clear_config()


def check_sweep(file, text):
    """A sweep's file, and the bindings of all its points."""
    path, root = pathlib.Path(file), pathlib.Path("runs")
    path.write_text(text)
    if "{low = " in text:
        search = read_search(path)
        low = {
            n: each.low if isinstance(each, Range) else each[0] for n, each in search.space.items()
        }
        points = [search.point("trial", low, root)]
    else:
        points = read_sweep(path).points(root)
    for point in points:
        check_command(["-m", "bnn.run", *point.arguments])


def installed(module):
    """Whether a module of an extra is there."""
    return importlib.util.find_spec(module) is not None


def pages():
    """Pages with code; those that train are slow."""
    marks = {name: [pytest.mark.slow] if name in SLOW else [] for name in CODE}
    return [pytest.param(name, marks=marks[name], id=name) for name in CODE]


@pytest.fixture
def folder(tmp_path, monkeypatch, clean_gin):
    """An empty current folder with the shipped gin files, on the path and taken off it again."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("gin.config._LOCATION_PREFIXES", [""])
    monkeypatch.setenv("WANDB_MODE", "offline")
    shutil.copytree(ROOT / "gin_configs", tmp_path / "gin_configs")
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    yield tmp_path
    for module in set(sys.modules) - before:
        if str(getattr(sys.modules[module], "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[module]


@pytest.mark.parametrize("name", pages())
@pytest.mark.usefixtures("folder")
def test_the_blocks_of_a_page_do_what_they_say(name, capsys):
    names: dict = {"__name__": "docs"}
    for number, (language, title, text) in enumerate(blocks(name)):
        assert language, f"block {number} of {name} has no language; text is called `text`"
        if title and language != "toml":
            pathlib.Path(title).parent.mkdir(parents=True, exist_ok=True)
            pathlib.Path(title).write_text(text)
        if language == "python" and title:
            importlib.import_module(pathlib.Path(title).stem)
        elif language == "python":
            if any(call in text and not installed(EXTRAS[call]) for call in EXTRAS):
                continue
            exec(compile(text, f"{name}, block {number}", "exec"), names)  # our own page
        elif language == "gin":
            file = pathlib.Path(title or f"block_{number}.gin")
            if not title:
                known = "" if "include" in text else "import bnn.experiment\n"
                file.write_text(known + text)
            parse_alone([str(file)])
        elif language == "toml":
            check_sweep(title or "sweep.toml", text)
        elif language == "sh":
            for words in commands(text):
                check_command(words)
        else:
            assert language == "text", f"{name} has a block of {language}, which nothing checks"
    capsys.readouterr()


@pytest.mark.parametrize("name", CODE)
def test_every_fence_is_a_block_that_is_checked(name):
    fences = re.findall(r"^\s*```", (PAGES / name).read_text(), re.MULTILINE)
    assert len(fences) == 2 * len(blocks(name))


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_somewhere(name):
    for target in re.findall(r"\]\(([^)]+)\)", prose(name)):
        if target.startswith("https://"):
            continue
        file, _, anchor = target.partition("#")
        page = (PAGES / name).parent / file if file else PAGES / name
        assert page.is_file(), f"{name} links to {target}"
        if anchor:
            titles = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
            slugs = {re.sub(r"[\s_]+", "-", re.sub(r"[^\w\s-]", "", t.lower())) for t in titles}
            assert anchor in slugs, f"{name} links to {target}"


@pytest.mark.parametrize("name", NAMES)
def test_named_files_and_objects_exist(name):
    made = {title for _, title, _ in blocks(name)}
    for code in INLINE.findall(prose(name)):
        path = re.fullmatch(r"(?:bnn|docs|experiments|gin_configs|launch|tests)/[\w./-]*", code)
        if path and code not in made:
            assert (ROOT / code).exists(), f"{name} names {code}"
        dotted = re.match(r"(bnn(?:\.\w+)+)", code)
        if dotted:
            assert resolves(dotted[1]), f"{name} names {dotted[1]}"
    for dotted in re.findall(r"^::: ([\w.]+)", prose(name), re.MULTILINE):
        assert resolves(dotted), f"{name} documents {dotted}"


def resolves(dotted):
    """Whether a dotted name is an attribute of what stands before it, or a module."""
    parts = dotted.split(".")
    if reaches(importlib.import_module(parts[0]), parts[1:]):
        return True
    # A function may hide the module of its name, and command lines must not be imported together.
    for depth in range(len(parts), 1, -1):
        module = ".".join(parts[:depth])
        try:
            found = importlib.util.find_spec(module)
        except (ImportError, ValueError):
            continue
        if found:
            rest = parts[depth:]
            return not rest or reaches(importlib.import_module(module), rest)
    return False


def reaches(value, names):
    """Whether each name is an attribute of the one before it."""
    for name in names:
        if not hasattr(value, name):
            return False
        value = getattr(value, name)
    return True


def paragraphs_with_sources(name):
    """(text, sources) of every row, item or paragraph that names a study's README."""
    parts = re.split(r"\n(?=[|*\-\n])", prose(name))
    for part in parts:
        sources = re.findall(r"`(experiments/\w+/README\.md)`", part)
        if sources:
            yield part, sources


@pytest.mark.parametrize("name", ["choose.md", "faq.md"])
def test_numbers_with_a_source_stand_in_it(name):
    """Of every paragraph that cites studies, each decimal number stands in one of them."""
    checked = 0
    for part, sources in paragraphs_with_sources(name):
        texts = "\n".join((ROOT / source).read_text() for source in sources)
        for number in re.findall(r"(?<![\w.])\d+\.\d+(?![\w.])", part):
            assert re.search(rf"(?<![\d.]){re.escape(number)}(?!\d)", texts), (
                f"{name}: {number} is not in {', '.join(sources)}:\n{part}"
            )
            checked += 1
    assert checked > 5


def test_every_claim_of_the_decision_page_has_a_source():
    """A table row of the page that decides ends with where its numbers are."""
    lines = prose("choose.md").splitlines()
    claims = [
        line
        for line, below in zip(lines, [*lines[1:], ""], strict=True)
        if line.startswith("| ") and not below.startswith("|---")
    ]
    assert len(claims) > 20
    assert [row for row in claims if "experiments/" not in row and "](" not in row] == []


def test_the_site_lists_every_page():
    nav = (ROOT / "docs" / "mkdocs.yml").read_text()
    assert sorted(re.findall(r": ([\w/]+\.md)", nav)) == NAMES


@pytest.mark.slow
def test_the_module_of_the_gin_page_trains(folder):
    for _, title, text in blocks("gin.md"):
        if title:
            pathlib.Path(title).write_text(text)
    command = [sys.executable, "-m", "bnn.run", "--gin_file=skip.gin", "--workdir=skip"]
    bindings = ["run.epochs = 1", "run.tracker = None", "run.num_predict_samples = 2"]
    subprocess.run([*command, *(f"--gin_bindings={b}" for b in bindings)], check=True)
    assert (folder / "skip" / "results.json").exists()


@pytest.mark.slow
def test_the_site_builds_without_a_warning_and_asks_nothing_of_the_network(tmp_path):
    """With EXECUTE_TUTORIALS=true every tutorial is executed, in a copy, since they leave files."""
    execute = os.environ.get("EXECUTE_TUTORIALS", "false")
    for module in ("mkdocs", "material", "mkdocstrings", "mkdocs_jupyter", "ipykernel"):
        pytest.importorskip(module, reason="needs MkDocs: pip install 'bnn[docs]'")
    shutil.copytree(ROOT / "docs", tmp_path / "docs", symlinks=True)
    environ = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    environ |= {"PYTHONPATH": str(ROOT), "EXECUTE_TUTORIALS": execute}
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet"]
    places = ["--config-file=docs/mkdocs.yml", f"--site-dir={tmp_path / 'site'}"]
    before = os.times()
    subprocess.run([*command, *places], check=True, cwd=tmp_path, env=environ)
    assert os.times().children_user - before.children_user < 2 * 15 * 60
    built = list((tmp_path / "site").rglob("*.html"))
    assert len(built) > len(NAMES)
    for tutorial in (ROOT / "docs" / "tutorials").glob("*.py"):
        page = tmp_path / "site" / "tutorials" / f"{tutorial.stem}.html"
        executed = 'class="jp-RenderedImage' in page.read_text()
        wanted = execute == "true" and tutorial.stem != "mnist_cnn_from_keras"
        assert executed == wanted, tutorial.stem
    outside = re.compile(r'(?:src|<link[^>]* href)="https?://[^"]*"')
    assert [(f.name, m) for f in built for m in outside.findall(f.read_text())] == []


def test_a_wrong_number_or_name_is_found(monkeypatch):
    text = "NLL 0.0594 and 0.0999 (`experiments/mnist/README.md`)."
    monkeypatch.setattr(sys.modules[__name__], "prose", lambda name: text)
    with pytest.raises(AssertionError, match=r"0\.0999 is not in"):
        test_numbers_with_a_source_stand_in_it("choose.md")
    assert not resolves("bnn.layers.Dence")
    assert not resolves("bnn.nothing")
    assert resolves("bnn.estimators.Flipout.realise")


def test_a_wrong_binding_or_flag_is_found(folder):
    with pytest.raises(ValueError, match="estimater"):
        check_command(["-m", "bnn.run", "--gin_bindings=VariationalInference.estimater = 1"])
    with pytest.raises(AssertionError, match="no flag"):
        check_command(["-m", "bnn.run", "--gin_fil=gin_configs/digits.gin"])
