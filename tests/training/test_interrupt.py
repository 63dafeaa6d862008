import os
import signal
import threading

import pytest

from bnn.training import InterruptedRunError, StopRequest


def send(number):
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_is_noted_and_ends_nothing(number):
    with StopRequest() as stop:
        assert stop.received is None
        send(number)
        assert stop.received == number


def test_a_second_interrupt_from_the_keyboard_interrupts_at_once():
    before = signal.getsignal(signal.SIGINT)
    with StopRequest():
        send(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            send(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_second_request_from_the_scheduler_is_no_interrupt():
    with StopRequest() as stop:
        send(signal.SIGUSR1)
        send(signal.SIGTERM)
        send(signal.SIGTERM)
        assert stop.received == signal.SIGTERM


@pytest.mark.parametrize("ends_process", [False, True])
def test_what_a_stopped_process_still_receives(ends_process, monkeypatch):
    """It ends by its own exit code; a library's caller has its handlers back."""
    monkeypatch.setattr(StopRequest, "ends_process", ends_process)
    numbers = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)
    before = {number: signal.getsignal(number) for number in numbers}
    try:
        with pytest.raises(InterruptedRunError), StopRequest():
            raise InterruptedRunError(signal.SIGTERM, 3)
        after = {number: signal.getsignal(number) for number in numbers}
        ignored = dict.fromkeys(numbers[:2], signal.SIG_IGN)
        assert after == ({**before, **ignored} if ends_process else before)
        for number, handler in before.items():
            signal.signal(number, handler)
        with pytest.raises(ValueError, match="another"), StopRequest():
            raise ValueError("another")
        assert {number: signal.getsignal(number) for number in numbers} == before
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_a_signal_sent_by_another_thread_is_noted():
    with StopRequest() as stop:
        thread = threading.Thread(target=send, args=(signal.SIGTERM,))
        thread.start()
        thread.join()
        assert stop.received == signal.SIGTERM


def test_elsewhere_than_in_the_main_thread_signals_keep_their_meaning():
    before = signal.getsignal(signal.SIGTERM)
    seen = []

    def run():
        with StopRequest() as stop:
            seen.append((stop.received, signal.getsignal(signal.SIGTERM)))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [(None, before)]
    assert signal.getsignal(signal.SIGTERM) is before
