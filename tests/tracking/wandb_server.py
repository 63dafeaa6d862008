"""A W&B server on loopback that can be made to fail.

Example:
  python tests/tracking/wandb_server.py 500

As a command it prints its address, gives the named answer, and takes a new one from every line of
its standard input, whose end is its own. `closed` names a port on which nothing listens.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Server:
    """Understands what a run sends, and answers as it is told.

    Attributes:
      answer: "ok", an HTTP status such as "500", or "hang"; may change at any time.
      url: for WANDB_BASE_URL.
      history: the rows of metrics that have arrived.
      queries: the GraphQL queries that have arrived.
      artifacts: the variables of the artifacts that have arrived.
    """

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
        """Ends the server; requests that it let hang are answered."""
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


def closed_port() -> int:
    """A port of loopback on which nothing listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def main() -> None:
    """Serves until the standard input ends."""
    answer = sys.argv[1]
    if answer == "closed":
        print(f"http://127.0.0.1:{closed_port()}", flush=True)
        return
    server = Server()
    server.answer = answer
    print(server.url, flush=True)
    for line in sys.stdin:
        server.answer = line.strip()
    server.close()


if __name__ == "__main__":
    main()
