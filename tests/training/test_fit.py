import importlib
import os
import signal
import time
import types

import numpy as np
import pytest

from bnn.training import InterruptedRunError, Plan, fit
from bnn.training.pace import Pace

PLAN = Plan(num_train=12, batch_size=4, epochs=5, report_every=1.6)  # 15 steps


def train(job, report=None, *, plan=PLAN, first_step=0, steps=None):
    """Fits a job; the reports by step."""
    reports = {}

    def take(step, values):
        reports[step] = values
        if report is not None:
            report(step)

    fit(
        steps or job.steps,
        plan,
        state=job.state,
        trained=job.toy.trained,
        checkpoints=job.checkpoints,
        averages=job.averages,
        first_step=first_step,
        report=take,
    )
    return reports


FIT = importlib.import_module("bnn.training.fit")  # the package's `fit` is the function


@pytest.fixture(autouse=True)
def _longest_calls(monkeypatch):
    """Calls of the full length, however slow the machine is."""

    class Longest:
        def __init__(self, most):
            self.count = most

        def took(self, count, seconds):
            pass

    monkeypatch.setattr(FIT, "Pace", Longest)


class Recording:
    """Compiled steps that keep every call's history, and may do something after a call."""

    def __init__(self, steps, after=None):
        self._steps, self._after = steps, after
        self.calls, self.histories = [], []

    def __getattr__(self, name):
        return getattr(self._steps, name)

    def __call__(self, first_step, num_steps):
        history = self._steps(first_step, num_steps)
        self.calls.append((first_step, num_steps))
        self.histories.append(history)
        if self._after is not None:
            self._after(first_step + num_steps)
        return history


def saved_steps(job):
    folder = job.checkpoints._folder
    return sorted(int(p.stem.split("-")[1]) for p in folder.glob("*.index"))


def test_reports_are_means_of_the_steps_since_the_last_and_the_latest_kl(make_job):
    job = make_job()
    steps = Recording(job.steps)
    reports = train(job, steps=steps)
    assert list(reports) == PLAN.report_steps == [5, 10, 14, 15]
    loss = np.concatenate([h.loss for h in steps.histories])
    nll, kl, kernel = (
        np.concatenate([h.metrics[name] for h in steps.histories])
        for name in ("nll", "kl", "kl/0_dense/kernel")
    )
    first = 0
    for step, values in reports.items():
        assert values["loss"] == pytest.approx(np.mean(loss[first:step], dtype=np.float64), rel=0)
        assert values["nll"] == pytest.approx(np.mean(nll[first:step], dtype=np.float64), rel=0)
        assert values["kl"] == float(kl[step - 1])
        first = step
    assert reports[14]["kl/0_dense/kernel"] == float(kernel[13])
    assert list(reports[14]) == ["loss", "nll", "kl", "kl/0_dense/kernel", "kl/0_dense/bias"]


def test_no_call_crosses_a_report_or_is_longer_than_allowed(make_job):
    job = make_job()
    steps = Recording(job.steps)
    train(job, steps=steps)
    assert steps.calls == [(0, 4), (4, 1), (5, 4), (9, 1), (10, 4), (14, 1)]


def test_the_state_is_saved_as_the_best_where_the_reports_score_is_the_lowest(make_job):
    job = make_job()
    scores = {5: 3.0, 10: 1.0, 14: 2.0, 15: None}
    fit(
        job.steps,
        PLAN,
        state=job.state,
        trained=job.toy.trained,
        checkpoints=job.checkpoints,
        averages=job.averages,
        first_step=0,
        report=lambda step, values: scores[step],
    )
    assert job.checkpoints.best == (10, 1.0)
    assert make_job().checkpoints.restore(at_most=14) == 10


def test_calls_grow_to_about_a_second():
    pace = Pace(100)
    assert pace.count == 1
    pace.took(1, 30.0)  # compiles
    counts = []
    for _ in range(9):
        counts.append(pace.count)
        pace.took(pace.count, 0.02 * pace.count)
    assert counts == [1, 2, 4, 8, 16, 32, 50, 50, 50]
    pace.took(1, 0.02)  # a report cut it short
    assert pace.count == 50
    pace.took(50, 10.0)  # the machine became slow
    assert pace.count == 5
    for _ in range(9):
        pace.took(pace.count, 1e-6)
    assert pace.count == 100


def test_a_signal_waits_for_no_more_than_a_second_of_a_slow_model(make_job, monkeypatch):
    monkeypatch.setattr(FIT, "Pace", Pace)
    job = make_job(steps_per_call=100)

    def slow(step):
        time.sleep(0.3)
        if step >= 5:
            os.kill(os.getpid(), signal.SIGUSR1)

    plan = Plan(num_train=12, batch_size=4, epochs=50, report_every=50)
    with pytest.raises(InterruptedRunError) as caught:
        train(job, plan=plan, steps=Recording(job.steps, slow))
    assert caught.value.exit_code == 42
    (step,) = saved_steps(job)
    assert step <= 10


def test_steps_per_call_change_nothing(make_job, same_bits):
    jobs = [make_job(f"{n}", steps_per_call=n) for n in (1, 2, 3, 100)]
    reports = [train(job) for job in jobs]
    for job, report in zip(jobs, reports, strict=True):
        assert report == reports[0]
        same_bits(job.values, jobs[0].values)


def test_the_end_is_saved(make_job, same_bits):
    job = make_job()
    train(job)
    assert saved_steps(job) == [15]
    again = make_job()
    assert again.checkpoints.restore() == 15
    same_bits(again.values, job.values)


def test_a_finished_training_is_not_continued(make_job, same_bits):
    job = make_job()
    train(job)
    before = job.values
    assert train(job, first_step=15) == {}
    same_bits(job.values, before)


def test_saves_about_once_a_minute_also_within_a_long_report_interval(make_job, monkeypatch):
    job = make_job(steps_per_call=2)
    now = [0.0]
    monkeypatch.setattr(FIT, "time", types.SimpleNamespace(monotonic=lambda: now[0]))

    def pass_time(step):
        del step
        now[0] += 25.0

    saves = []
    save = job.checkpoints.save
    job.checkpoints.save = lambda step: saves.append(step) or save(step)
    plan = Plan(num_train=12, batch_size=4, epochs=5, report_every=5)
    train(job, plan=plan, steps=Recording(job.steps, pass_time))
    assert saves == [6, 12, 15]


SIGNALS = {
    signal.SIGINT: 130,
    signal.SIGTERM: 42,
    signal.SIGUSR1: 42,
    signal.SIGHUP: 42,
}


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_a_signal_during_a_report_stops_the_run_after_saving(make_job, number):
    job = make_job()

    def stop(step):
        if step == 10:
            os.kill(os.getpid(), number)

    with pytest.raises(
        InterruptedRunError, match=rf"stopped by {number.name} after step 10; the state is saved"
    ) as caught:
        train(job, stop)
    assert caught.value.exit_code == SIGNALS[number]
    assert saved_steps(job) == [10]


@pytest.fixture(scope="module")
def whole_run(job_class, tmp_path_factory):
    """Reports and state of a run that was not stopped."""
    job = job_class(tmp_path_factory.mktemp("whole"))
    return train(job), job.values


@pytest.mark.parametrize(
    ("steps_per_call", "stop_at", "stops_at"), [(4, 2, 4), (4, 5, 5), (4, 9, 9), (2, 6, 7)]
)
def test_resuming_a_stopped_run_gives_the_bits_of_one_that_was_not(
    make_job, same_bits, whole_run, steps_per_call, stop_at, stops_at
):
    expected, values = whole_run

    def stop(step):
        if step >= stop_at:
            os.kill(os.getpid(), signal.SIGTERM)

    first = make_job("stopped", steps_per_call=steps_per_call)
    with pytest.raises(InterruptedRunError) as caught:
        train(first, steps=Recording(first.steps, stop))
    second = make_job("stopped", steps_per_call=steps_per_call)
    resumed = second.checkpoints.restore()
    assert f"after step {resumed};" in str(caught.value)
    assert resumed == stops_at
    reports = train(second, first_step=resumed)
    assert list(reports) == [step for step in PLAN.report_steps if step > resumed]
    assert reports == {step: expected[step] for step in reports}
    same_bits(second.values, values)


def test_a_signal_in_the_last_call_lets_the_run_end(make_job):
    job = make_job()

    def stop(step):
        if step == 15:
            os.kill(os.getpid(), signal.SIGTERM)

    assert list(train(job, stop))[-1] == 15
    assert saved_steps(job) == [15]


def test_the_handlers_are_put_back(make_job):
    before = {number: signal.getsignal(number) for number in SIGNALS}
    inside = {}

    def look(step):
        inside.update({number: signal.getsignal(number) for number in SIGNALS})

    train(make_job(), look)
    assert all(inside[number] != before[number] for number in SIGNALS)
    assert {number: signal.getsignal(number) for number in SIGNALS} == before
