import os
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
import tensorflow as tf

from bnn.training import Checkpoints


def test_nothing_to_restore(make_job, tmp_path):
    assert make_job().checkpoints.restore() is None


def test_round_trip_of_all_state_with_the_optimizers(make_job, same_bits):
    job = make_job()
    job.steps(0, 3)
    job.averages.variable.assign([1.5, 2.5, 3.0])
    path = job.checkpoints.save(3)
    assert path.name == "ckpt-3"
    assert path.with_suffix(".index").is_file()
    again = make_job()
    assert int(again.optimizer.iterations) == 0
    assert again.checkpoints.restore() == 3
    assert int(again.optimizer.iterations) == 3
    same_bits(again.values, job.values)
    np.testing.assert_array_equal(again.averages.variable, [1.5, 2.5, 3.0])
    job.steps(3, 4)
    again.steps(3, 4)
    same_bits(again.values, job.values)


def test_the_newest_is_restored_and_two_are_kept(make_job):
    job = make_job()
    for step in (2, 9, 10):
        job.toy.bias.assign([float(step)])
        job.checkpoints.save(step)
    folder = job.checkpoints._folder
    assert sorted(p.name for p in folder.glob("*.index")) == ["ckpt-10.index", "ckpt-9.index"]
    again = make_job()
    assert again.checkpoints.restore() == 10
    assert float(again.toy.bias[0]) == 10.0


def test_a_moved_folder_can_be_restored(make_job, tmp_path):
    job = make_job("here")
    job.toy.bias.assign([5.0])
    job.checkpoints.save(4)
    (tmp_path / "here").rename(tmp_path / "there")
    again = make_job("there")
    assert again.checkpoints.restore() == 4
    assert float(again.toy.bias[0]) == 5.0


def test_what_a_killed_save_left_behind_is_swept_and_not_restored(make_job):
    job = make_job()
    job.checkpoints.save(4)
    folder = job.checkpoints._folder
    stale = folder / "ckpt-7_temp"
    stale.mkdir()
    (stale / "part-00000-of-00001.data-00000-of-00001").write_bytes(b"half")
    (folder / "ckpt-7.data-00000-of-00001").write_bytes(b"not yet in the list")
    again = make_job()
    assert again.checkpoints.restore() == 4
    assert not stale.exists()
    again.checkpoints.save(7)
    assert make_job().checkpoints.restore() == 7


def test_a_failed_save_leaves_the_last_one(make_job, monkeypatch):
    job = make_job()
    job.toy.bias.assign([1.0])
    job.checkpoints.save(4)

    def fail(*args, **kwargs):
        raise OSError("no space left on device")

    job.toy.bias.assign([2.0])
    with monkeypatch.context() as patch:
        patch.setattr(tf.train.Checkpoint, "_write", fail)
        patch.setattr(tf.train.Checkpoint, "write", fail)
        with pytest.raises(OSError, match="no space left"):
            job.checkpoints.save(5)
    again = make_job()
    assert again.checkpoints.restore() == 4
    assert float(again.toy.bias[0]) == 1.0


def test_state_of_another_shape_is_refused(tmp_path):
    one, two = keras.Variable([1.0]), keras.Variable([2.0])
    Checkpoints(tmp_path, {"model": [one]}).save(1)
    with pytest.raises(AssertionError):
        Checkpoints(tmp_path, {"model": [one, two]}).restore()


def test_parts_without_variables_take_no_room(tmp_path):
    variable = keras.Variable([1.0])
    Checkpoints(tmp_path, {"model": [variable], "likelihood": []}).save(1)
    variable.assign([0.0])
    assert Checkpoints(tmp_path, {"model": [variable], "method": []}).restore() == 1
    assert float(variable[0]) == 1.0


_SAVES_FOR_EVER = """
import sys, tensorflow as tf
from pathlib import Path
from bnn.training import Checkpoints
variable = tf.Variable(tf.zeros([500_000]))
checkpoints = Checkpoints(Path(sys.argv[1]), {"model": [variable]})
step = checkpoints.restore() or 0
while True:
    step += 1
    variable.assign(tf.fill([500_000], float(step)))
    checkpoints.save(step)
    print(step, flush=True)
"""


@pytest.mark.slow
def test_a_process_killed_while_saving_leaves_a_whole_checkpoint(tmp_path):
    for delay in (0.0, 0.003, 0.01, 0.02):
        process = subprocess.Popen(
            [sys.executable, "-c", _SAVES_FOR_EVER, str(tmp_path)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        seen = [int(process.stdout.readline()) for _ in range(3)][-1]
        time.sleep(delay)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
        variable = tf.Variable(tf.zeros([500_000]))
        step = Checkpoints(tmp_path, {"model": [variable]}).restore()
        assert step >= seen
        np.testing.assert_array_equal(variable, np.float32(step))
