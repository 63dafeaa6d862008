import importlib.metadata
import platform
import re
import subprocess

import tensorflow as tf

from bnn.runs import provenance


def test_versions_of_what_decides_the_numbers():
    versions = provenance.versions()
    assert versions["python"] == platform.python_version()
    assert versions["tensorflow"] == tf.__version__
    assert set(versions) == {
        *("python", "bnn", "tensorflow", "tensorflow-probability", "keras", "numpy", "gin-config")
    }


def test_a_package_that_is_not_installed_is_named(monkeypatch):
    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    assert provenance.versions()["bnn"] == "not installed as a package"


def git(folder, *arguments):
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.invalid"]
    done = subprocess.run(
        ["git", "-C", str(folder), *identity, *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_the_revision_is_the_commit_and_says_whether_files_differ(tmp_path, monkeypatch):
    source = tmp_path / "bnn" / "runs" / "provenance.py"
    source.parent.mkdir(parents=True)
    source.write_text("first")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message=one")
    git(tmp_path, "tag", "v1")  # a tag's name is no revision
    monkeypatch.setattr(provenance, "__file__", str(source))
    commit = git(tmp_path, "rev-parse", "HEAD")
    assert re.fullmatch("[0-9a-f]{40}", commit)
    assert provenance.git_revision() == commit
    source.write_text("second")
    assert provenance.git_revision() == f"{commit}-dirty"


def test_outside_of_git_the_revision_is_unknown(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "provenance.py"))
    assert provenance.git_revision() == "unknown"


def test_without_git_the_revision_is_unknown(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert provenance.git_revision() == "unknown"
