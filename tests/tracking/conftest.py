import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from wandb_file import read_run_file
from wandb_server import Server

from bnn.tracking import RunInfo


@pytest.fixture
def run_info(tmp_path: Path) -> Callable[..., RunInfo]:
    """Makes the description of a run in `tmp_path/run`, changed by keywords."""

    def make(**changes: Any) -> RunInfo:
        workdir = tmp_path / "run"
        workdir.mkdir(exist_ok=True)
        fields = {
            "workdir": workdir,
            "name": "digits-0",
            "config": "run.seed = 0\nrun.num_steps = 30\n",
            "config_values": {"run.seed": 0, "run.num_steps": 30, "run.data": "@digits()"},
        }
        return RunInfo(**{**fields, **changes})

    return make


@pytest.fixture
def read_wandb() -> Callable[[Path], dict[str, Any]]:
    """Reads the one W&B run file below a folder: config, history, summary, exit code, artifacts."""

    def read(folder: Path) -> dict[str, Any]:
        import wandb

        wandb.teardown()  # waits for the service to have written the file
        (path,) = folder.rglob("run-*.wandb")
        return read_run_file(path)

    return read


@pytest.fixture
def server() -> Iterator[Server]:
    fake = Server()
    yield fake
    fake.close()


@pytest.fixture
def own_wandb(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No key, settings or session of the machine; wandb reads its environment anew."""
    from wandb_runs import end_session

    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    end_session()
    yield
    end_session()
