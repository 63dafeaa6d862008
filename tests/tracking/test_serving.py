import socket
import time

import pytest
from wandb_server import closed_port

from bnn.tracking.serving import why_not_serving


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("answer", ["ok", "400", "401", "403", "404"])
def test_any_answer_but_a_server_error_is_one(server, answer):
    server.answer = answer
    assert why_not_serving(server.url, attempts=1) is None
    assert why_not_serving(server.url + "/", attempts=1) is None


@pytest.mark.parametrize("answer", ["500", "502", "503"])
def test_server_errors_are_named(server, answer):
    server.answer = answer
    assert why_not_serving(server.url, attempts=1) == f"{server.url} answers {answer}"


def test_a_server_that_hangs_is_given_up(server):
    server.answer = "hang"
    begin = time.monotonic()
    reason = why_not_serving(server.url, attempts=1, timeout=0.2)
    assert reason is not None
    assert "0.2 s" in reason or "timed out" in reason
    assert time.monotonic() - begin < 20


def test_a_closed_port_is_refused():
    assert "refused" in why_not_serving(f"http://127.0.0.1:{closed_port()}", attempts=1)


def test_a_server_that_recovers_is_found(server, monkeypatch):
    server.answer = "503"
    monkeypatch.setattr(time, "sleep", lambda seconds: setattr(server, "answer", "ok"))
    assert why_not_serving(server.url) is None


def test_what_is_no_web_server_is_none():
    with socket.create_server(("127.0.0.1", 0)) as other:
        url = f"http://127.0.0.1:{other.getsockname()[1]}"
        other.settimeout(0)  # takes connections and never reads
        assert why_not_serving(url, attempts=1, timeout=0.2) is not None
    assert why_not_serving("no url", attempts=1) is not None
