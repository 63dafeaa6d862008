"""The container files and W&B's sweep: what they name is there, and what they start is a run."""

import os
import pathlib
import re
import stat
import subprocess

import gin
import pytest

from bnn.runs.configuration import parse

ROOT = pathlib.Path(__file__).parents[2]
CONTAINERS = ROOT / "launch" / "containers"


@pytest.mark.parametrize("name", ["Dockerfile", "bnn.def"])
def test_a_container_has_what_the_package_is_built_of(name):
    """The same as tests/test_package.py builds from, each there, and a Python that is supported."""
    text = (CONTAINERS / name).read_text()
    copied = set(re.findall(r"^ +(\S+) /opt/bnn/\S+$", text, re.M))
    for line in re.findall(r"^COPY (.*) \S+$", text, re.M):
        copied |= set(line.split())
    assert copied == {"pyproject.toml", "README.md", "LICENSE", "gin_configs", "bnn", "launch"}
    assert all((ROOT / path).exists() for path in copied)
    minor = int(re.search(r"python:3\.(\d+)-slim", text)[1])
    low, high = re.search(r">=3\.(\d+),<3\.(\d+)", (ROOT / "pyproject.toml").read_text()).groups()
    assert int(low) <= minor < int(high)
    assert "not been built by us" in " ".join(text.replace("#", " ").split())


def test_wandbs_agent_starts_a_run_by_its_bindings(tmp_path, clean_gin):
    """Its command as W&B fills it in, with a program in Python's place that shows its arguments."""
    yaml = pytest.importorskip("yaml")
    sweep = yaml.safe_load((ROOT / "launch" / "wandb_sweep.yaml").read_text())
    chosen = {
        name: each.get("value", each["values"][-1] if "values" in each else each.get("min"))
        for name, each in sweep["parameters"].items()
    }
    filled = {
        "${env}": ["/usr/bin/env"],
        "${args_no_hyphens}": [f"{name}={value}" for name, value in chosen.items()],
    }
    command = [word for part in sweep["command"] for word in filled.get(part, [part])]
    program = tmp_path / "python"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    environ = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "WANDB_RUN_ID": "abc"}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    words = done.stdout.splitlines()
    assert words[:2] == ["-m", "bnn.run"]
    assert "--workdir=runs/wandb/abc" in words
    bindings = [w.removeprefix("--gin_bindings=") for w in words if w.startswith("--gin_bindings=")]
    assert len(bindings) == len(chosen)
    parse([str(ROOT / "gin_configs" / "digits.gin")], bindings)
    assert gin.query_parameter("run.batch_size") == 128
    assert gin.query_parameter("MeanFieldNormal.initial_scale") == 0.005
