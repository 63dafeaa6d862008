"""Launchers as users start them: as processes, in the folder of the repository."""

import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture
def start():
    """start("local", "--workers=2", …): a launcher's process, killed after the test."""
    processes = []

    def run(launcher, *arguments, cwd=ROOT, **variables):
        process = subprocess.Popen(
            [sys.executable, "-m", f"launch.{launcher}", *map(str, arguments)],
            cwd=cwd,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        return process

    yield run
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture
def launch(start):
    """launch("local", …): (exit code, standard output, standard error) of a launcher that ended."""

    def run(launcher, *arguments, timeout=120, **options):
        process = start(launcher, *arguments, **options)
        out, err = process.communicate(timeout=timeout)
        return process.returncode, out, err

    return run


@pytest.fixture
def fake_program(tmp_path, monkeypatch):
    """fake_program("sbatch", "echo 17"): a shell script of that name, first on the PATH."""
    folder = tmp_path / "programs"

    def make(name, body):
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(f"#!/bin/sh\n{body}\n")
        (folder / name).chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    return make
