"""A loss that is not finite ends a run with the step and site, and leaves a finite state."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import bnn
from bnn.experiment import run
from bnn.tracking import read_jsonl
from bnn.training import NonFiniteLossError
from tests.runs.toy_runs import arguments, checkpoint_bits


class Explodes(bnn.schedules.Schedule):
    """A learning rate that jumps at step 5 of 12, in the middle of a call."""

    def __init__(self, value):
        self.value = value

    def __call__(self, progress):
        return tf.where(progress > 4.5 / 12, self.value, 0.01)


class Overflows(keras.optimizers.SGD):
    """Takes a rate above 1 for infinity, which a schedule is refused for."""

    def update_step(self, gradient, variable, learning_rate):
        rate = tf.where(learning_rate > 1, np.inf, learning_rate)
        super().update_step(gradient, variable, rate)


def test_an_exploding_run_names_the_step_and_leaves_a_finite_state(tmp_path, cheap_runs):
    def start():
        run(tmp_path, **arguments(optimizer=Overflows(), learning_rate=Explodes(10.0)))

    with pytest.raises(NonFiniteLossError, match=r"0_dense/kernel \(kernel_loc\)") as caught:
        start()
    assert caught.value.step == 5
    assert "non-finite at step 5" in str(caught.value)
    assert not (tmp_path / "results.json").exists()
    bits = checkpoint_bits(tmp_path)
    assert 5 in bits.values()
    numbers = [v for name, v in bits.items() if not name.startswith("about/")]
    assert all(np.isfinite(np.asarray(v, np.float64)).all() for v in numbers)
    assert [r["step"] for r in read_jsonl(tmp_path / "metrics.jsonl")] == [3]
    with pytest.raises(NonFiniteLossError, match="non-finite at step 5"):  # from the checkpoint
        start()


def test_predictions_that_overflow_before_the_loss_does_hide_nothing(tmp_path, cheap_runs):
    """Step 5 makes the weights huge, but finite; the report after it comes before the next loss."""
    options = {"optimizer": keras.optimizers.SGD(), "learning_rate": Explodes(3e38)}
    with pytest.raises(NonFiniteLossError, match="non-finite at step 6") as caught:
        run(tmp_path, **arguments(**options))
    assert caught.value.step == 6
    records = read_jsonl(tmp_path / "metrics.jsonl")
    assert [r["step"] for r in records] == [3, 6]
    assert np.isfinite(records[1]["loss"])
    assert np.isnan(records[1]["accuracy"])
