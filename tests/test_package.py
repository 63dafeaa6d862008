"""The package as others get it: files of the top level, metadata, and the built wheel."""

import importlib.metadata
import os
import pathlib
import re
import shutil
import site
import subprocess
import sys
import tarfile
import zipfile

import pytest

from tests.test_house import FILES

ROOT = pathlib.Path(__file__).parents[1]
FOLDERS = {"bnn", "docs", "experiments", "gin_configs", "launch", "tests", ".ci", ".github"}
TOP = {"pyproject.toml", "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE", "SECURITY.md"}
TOP |= {"CITATION.cff", ".gitignore", ".pre-commit-config.yaml"}


def tracked():
    done = subprocess.run(["git", "-C", ROOT, "ls-files"], capture_output=True, text=True)
    if done.returncode:
        pytest.skip("needs the git repository")
    return done.stdout.splitlines()


def test_the_top_level_holds_what_it_is_meant_to():
    tops = {path.partition("/")[0] for path in tracked()}
    assert tops <= FOLDERS | TOP, f"put them into a room: {tops - FOLDERS - TOP}"
    assert tops >= TOP


def version():
    return re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.M)[1]


def test_one_version_everywhere():
    assert f"version: {version()}\n" in (ROOT / "CITATION.cff").read_text()
    assert f"## [{version()}]" in (ROOT / "CHANGELOG.md").read_text()


def test_the_extras_are_documented():
    text = (ROOT / "pyproject.toml").read_text()
    table = text.split("[project.optional-dependencies]")[1].split("\n[")[0]
    pages = "\n".join(page.read_text() for page in (ROOT / "docs" / "pages").glob("*.md"))
    missing = [name for name in re.findall(r"^(\w+) = ", table, re.M) if f"`{name}`" not in pages]
    assert missing == [], "say in docs/pages/index.md what they are for"


def copy(folder):
    """What is built from: a list of files that an earlier build left would hide what is missing."""
    folder.mkdir()
    for name in ("bnn", "launch", "gin_configs"):
        unwanted = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, folder / name, symlinks=True, ignore=unwanted)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    return folder


def outside():
    """The variables without a path to this tree: pip, too, would take it for the package."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def environment(folder, wheel):
    """A fresh environment with the wheel; what it needs is that of the tests, by a path file."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / "bin" / "python"
    install = [python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", wheel]
    subprocess.run(install, check=True, cwd=folder, env=outside())
    [inside] = folder.glob("lib/python*/site-packages")
    (inside / "others.pth").write_text("\n".join(site.getsitepackages()) + "\n")
    return python


@pytest.mark.slow
def test_the_wheel_trains_outside_of_the_tree(tmp_path):
    """Built from the sdist, so that it lacks nothing either. Paths of the tree are not seen."""
    pytest.importorskip("build", reason="needs build: pip install 'bnn[test]'")
    tree = copy(tmp_path / "tree")
    subprocess.run([sys.executable, "-m", "build", "--outdir", tmp_path, tree], check=True)
    [wheel], [sdist] = tmp_path.glob("*.whl"), tmp_path.glob("*.tar.gz")
    inside = set(zipfile.ZipFile(wheel).namelist())
    sources = {
        str(f.relative_to(ROOT)) for f in FILES if f.relative_to(ROOT).parts[0] != "experiments"
    }
    gin = {
        f"bnn/gin_configs/{f.relative_to(ROOT / 'gin_configs')}"
        for f in (ROOT / "gin_configs").rglob("*.gin")
    }
    wanted = sources | gin | {"bnn/py.typed", "launch/py.typed", "launch/kubernetes/tfjob.yaml"}
    assert wanted <= inside, wanted - inside
    assert {name.partition("/")[0] for name in inside} == {
        "bnn",
        "launch",
        f"bnn-{version()}.dist-info",
    }
    with tarfile.open(sdist) as file:
        assert any(name.endswith("/LICENSE") for name in file.getnames())
    python = environment(tmp_path / "venv", wheel)
    (tmp_path / "mine.gin").write_text("include 'digits.gin'\nrun.epochs = 1\n")

    def run(*words):
        done = subprocess.run(
            [python, *words],
            cwd=tmp_path,
            env={**outside(), "WANDB_MODE": "offline"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    where = run("-c", "import bnn, launch; print(bnn.__file__, launch.__file__, bnn.__version__)")
    assert where.split() == [
        *(
            str(next(python.parents[1].glob(f"lib/*/site-packages/{p}/__init__.py")))
            for p in ("bnn", "launch")
        ),
        version(),
    ]
    assert "python -m bnn.run" in run("-m", "bnn")
    bindings = ["--gin_bindings=run.num_predict_samples = 2", "--gin_bindings=run.tracker = None"]
    run("-m", "bnn.run", "--gin_file=mine.gin", "--workdir=mine", *bindings)
    assert (tmp_path / "mine" / "results.json").exists()
    (tmp_path / "s.toml").write_text('gin_file = "gin_configs/digits.gin"\nseeds = 1\n')
    shown = run("-m", "launch.sweep", "s.toml", "--dry_run")
    assert "--gin_file=gin_configs/digits.gin" in shown


def test_the_metadata_names_the_licence():
    if importlib.metadata.version("bnn") != version():
        pytest.skip("another version is installed")
    text = (ROOT / "pyproject.toml").read_text()
    assert 'license = "Apache-2.0"' in text
    assert "Apache License" in (ROOT / "LICENSE").read_text()[:200]
