import json
import struct
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

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
        return _contents(path)

    return read


class FakeServer:
    """A W&B server on loopback; `answer` is "ok", an HTTP status or "hang"."""

    def __init__(self) -> None:
        self.answer = "ok"
        self.history: list[dict[str, Any]] = []
        self.queries: list[str] = []
        self.artifacts: list[dict[str, Any]] = []
        self._released = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if outer.answer == "hang":
                    outer._released.wait()
                status = 200 if outer.answer in ("ok", "hang") else int(outer.answer)
                reply = json.dumps(outer._reply(self.path, body) if status == 200 else {}).encode()
                try:
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(reply)))
                    self.end_headers()
                    self.wfile.write(reply)
                except OSError:  # the client has given up
                    pass

            do_PUT = do_POST

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _reply(self, path: str, body: bytes) -> dict[str, Any]:
        if path == "/":  # an uploaded file
            return {}
        if path.endswith("/file_stream"):
            files = json.loads(body).get("files", {})
            lines = files.get("wandb-history.jsonl", {}).get("content", [])
            self.history += [json.loads(line) for line in lines]
            return {}
        request = json.loads(body)
        if "query Probe" in request["query"]:  # whether the server works at all
            return {"data": {"__typename": "Query"}}
        self.queries.append(request["query"])
        if "viewer" in request["query"]:
            viewer = {"id": "1", "entity": "someone", "username": "someone", "email": "a@b.c"}
            return {"data": {"viewer": {**viewer, "flags": "{}", "teams": {"edges": []}}}}
        if "CreateRunFiles" in request["query"]:
            files = [{"name": n, "uploadUrl": self.url} for n in request["variables"]["files"]]
            return {"data": {"createRunFiles": {"uploadHeaders": [], "files": files}}}
        if "query ArtifactType" in request["query"]:  # of a name that does not exist yet
            return {"data": {"project": None}}
        if "CreateArtifact " in request["query"]:
            self.artifacts.append(request["variables"]["input"])
            sequence = {"latestArtifact": None}
            artifact = {"id": "1", "state": "COMMITTED", "artifactSequence": sequence}
            return {"data": {"createArtifact": {"artifact": artifact}}}
        if "UpsertBucket" not in request["query"]:
            return {"data": {}}
        project = {"id": "1", "name": "bnn", "entity": {"id": "1", "name": "someone"}}
        name = request["variables"]["name"]
        bucket = {"id": "1", "name": name, "displayName": name, "historyLineCount": 0}
        return {"data": {"upsertBucket": {"bucket": {**bucket, "project": project}}}}


@pytest.fixture
def server() -> Iterator[FakeServer]:
    fake = FakeServer()
    yield fake
    fake.close()


def _contents(path: Path) -> dict[str, Any]:
    contents: dict[str, Any] = {"config": {}, "history": [], "summary": {}, "files": []}
    contents["artifacts"] = []
    for record in _records(path):
        kind = record.WhichOneof("record_type")
        if kind == "run":
            contents["run"] = record.run
            contents["config"] |= {
                u.key: json.loads(u.value_json) for u in record.run.config.update
            }
        elif kind == "history":
            contents["history"].append(_values(record.history.item))
        elif kind == "summary":
            contents["summary"] |= _values(record.summary.update)
        elif kind == "files":
            contents["files"] += [file.path for file in record.files.files]
        elif kind == "artifact":
            contents["artifacts"].append(record.artifact)
        elif kind == "exit":
            contents["exit_code"] = record.exit.exit_code
    return contents


def _values(items: Any) -> dict[str, Any]:
    """Returns the values by key, those below a nested key by "outer/inner"."""
    return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items}


def _records(path: Path) -> Iterator[Any]:
    """Yields the records of a LevelDB log: 32 KB blocks of (checksum 4, length 2, type 1, data)."""
    from wandb.proto import wandb_internal_pb2

    data, block, position, parts = path.read_bytes(), 32768, 7, b""
    assert data[:4] == b":W&B"
    while position < len(data):
        left = block - position % block
        if left < 7:  # a block ends in zeros where no header fits
            position += left
            continue
        _, length, kind = struct.unpack_from("<IHB", data, position)
        parts += data[position + 7 : position + 7 + length]
        position += 7 + length
        if kind in (1, 4):  # full, or the last of several
            record = wandb_internal_pb2.Record()
            record.ParseFromString(parts)
            yield record
            parts = b""
