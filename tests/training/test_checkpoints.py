import os
import re
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
import tensorflow as tf

from bnn.training import CheckpointMismatchError, Checkpoints, DamagedCheckpointError


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


def test_the_newest_is_restored_and_three_are_kept(make_job):
    job = make_job()
    for step in (2, 8, 9, 10):
        job.toy.bias.assign([float(step)])
        job.checkpoints.save(step)
    folder = job.checkpoints._folder
    kept = sorted(p.name for p in folder.glob("*.index"))
    assert kept == ["ckpt-10.index", "ckpt-8.index", "ckpt-9.index"]
    assert tf.train.latest_checkpoint(str(folder)) == str(folder / "ckpt-10")
    assert not list(folder.glob("ckpt-2.*"))
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
    (folder / "ckpt-4.index.tempstate123").write_bytes(b"half")
    (folder / ".checkpoint.18415.tmp").write_bytes(b"half")
    (folder / "best").mkdir()
    (folder / "best" / ".checkpoint.18415.tmp").write_bytes(b"half")
    again = make_job()
    assert again.checkpoints.restore() == 4
    assert stale.exists()  # another process may be saving
    again.checkpoints.sweep()
    assert not list((folder / "best").iterdir())
    assert sorted(p.name for p in folder.iterdir()) == [
        "best",
        "checkpoint",
        "ckpt-4.data-00000-of-00001",
        "ckpt-4.index",
    ]
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
    wide = keras.Variable([[1.0, 2.0]], name="wide")
    with pytest.raises(CheckpointMismatchError) as caught:
        Checkpoints(tmp_path, {"model": [wide, two]}).restore()
    assert f"checkpoint {tmp_path / 'ckpt-1'} is of another model" in str(caught.value)
    assert "model/0 wide: the checkpoint has (1,), the model needs (1, 2)" in str(caught.value)
    assert re.search(r"model/1 .*: the checkpoint has nothing, the model", str(caught.value))
    with pytest.raises(CheckpointMismatchError, match=r"model/0 .*the model needs None"):
        Checkpoints(tmp_path, {"optimizer": [one]}).restore()


def test_a_checkpoint_of_another_configuration_is_refused_with_the_difference(tmp_path):
    variable = keras.Variable([1.0])

    def checkpoints(**about):
        return Checkpoints(tmp_path, {"model": [variable]}, about=about)

    checkpoints(configuration="a = 1\nb = 2", noise="shared").save(1)
    assert checkpoints(noise="shared").restore() == 1
    variable.assign([5.0])
    with pytest.raises(CheckpointMismatchError) as caught:
        checkpoints(configuration="a = 1\nb = 3", noise="shared").restore()
    assert "is of another run: its configuration differs" in str(caught.value)
    assert "-b = 2\n+b = 3" in str(caught.value)
    assert "a = 1" not in str(caught.value)
    with pytest.raises(CheckpointMismatchError, match="its noise differs"):
        checkpoints(noise="independent on 2 replicas").restore()
    assert float(variable[0]) == 5.0  # refused before anything was changed


def truncate(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def empty(path):
    path.write_bytes(b"")


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[10] ^= 1
    path.write_bytes(bytes(content))


@pytest.mark.parametrize("damage", [truncate, empty, flip_a_bit, os.unlink])
@pytest.mark.parametrize("part", ["index", "data-00000-of-00001"])
def test_a_damaged_checkpoint_falls_back_to_the_one_before_it_by_name(
    make_job, caplog, damage, part
):
    job = make_job()
    for step in (4, 7):
        job.toy.bias.assign([float(step)])
        job.checkpoints.save(step)
    damage(job.checkpoints._folder / f"ckpt-7.{part}")
    again = make_job()
    with caplog.at_level("WARNING"):
        assert again.checkpoints.restore() == 4
    assert float(again.toy.bias[0]) == 4.0
    if (damage, part) != (os.unlink, "index"):  # without an index there is no checkpoint
        assert f"checkpoint {job.checkpoints._folder / 'ckpt-7'} is damaged" in caplog.text
    again.checkpoints.save(5)
    assert make_job().checkpoints.restore() == 5  # the damaged one is gone
    caplog.clear()
    assert make_job().checkpoints.restore() == 5
    assert caplog.text == ""


def test_damage_to_all_checkpoints_is_an_error_and_no_silent_start(make_job):
    job = make_job()
    job.checkpoints.save(4)
    empty(job.checkpoints._folder / "ckpt-4.index")
    with pytest.raises(DamagedCheckpointError, match=r"none of the checkpoints ckpt-4 in .* can"):
        make_job().checkpoints.restore()


def test_a_damaged_list_of_checkpoints_does_not_matter(make_job):
    job = make_job()
    job.checkpoints.save(4)
    (job.checkpoints._folder / "checkpoint").write_bytes(b"model_chec")
    assert make_job().checkpoints.restore() == 4


def test_the_best_is_kept_beside_the_newest_and_its_score_is_part_of_the_state(make_job):
    job = make_job()
    for step, score in ((1, 3.0), (2, float("nan")), (3, 1.0), (4, 2.0)):
        job.toy.bias.assign([float(step)])
        job.checkpoints.offer(step, score)
        job.checkpoints.save(step)
    folder = job.checkpoints._folder
    assert [p.name for p in (folder / "best").glob("*.index")] == ["ckpt-3.index"]
    again = make_job()
    assert again.checkpoints.best is None
    assert again.checkpoints.restore() == 4
    assert again.checkpoints.best == (3, 1.0)
    again.checkpoints.offer(5, 1.5)
    assert again.checkpoints.best == (3, 1.0)


def test_the_best_waits_for_the_next_save_and_is_the_state_that_was_offered(make_job):
    job = make_job()
    job.toy.bias.assign([1.0])
    job.checkpoints.offer(1, 3.0)
    assert not job.checkpoints._folder.exists()
    job.toy.bias.assign([2.0])
    job.checkpoints.offer(2, 1.0)
    job.toy.bias.assign([3.0])
    job.checkpoints.save(3)
    assert float(job.toy.bias[0]) == 3.0
    assert job.checkpoints.best == (2, 1.0)
    again = make_job()
    assert again.checkpoints.restore(at_most=2) == 2
    assert float(again.toy.bias[0]) == 2.0
    assert again.checkpoints.best == (2, 1.0)
    assert again.checkpoints.restore() == 3
    assert float(again.toy.bias[0]) == 3.0
    assert again.checkpoints.best == (2, 1.0)


def test_the_newest_at_or_before_a_step_the_best_included(make_job):
    job = make_job()
    job.toy.bias.assign([2.0])
    job.checkpoints.offer(2, 0.5)
    for step in (5, 6, 7):
        job.toy.bias.assign([float(step)])
        job.checkpoints.save(step)
    again = make_job()
    for at_most, expected in ((1, None), (2, 2), (4, 2), (6, 6), (100, 7)):
        assert again.checkpoints.restore(at_most) == expected
        if expected is not None:
            assert float(again.toy.bias[0]) == expected


@pytest.mark.parametrize("keep", [0, -1, 1.5, None])
def test_unfit_numbers_of_checkpoints(tmp_path, keep):
    with pytest.raises(ValueError, match=r"keep_checkpoints must be an integer of at least 1, got"):
        Checkpoints(tmp_path, {}, keep=keep)


def test_parts_without_variables_take_no_room(tmp_path):
    variable = keras.Variable([1.0])
    Checkpoints(tmp_path, {"model": [variable], "likelihood": []}).save(1)
    variable.assign([0.0])
    assert Checkpoints(tmp_path, {"model": [variable], "method": []}).restore() == 1
    assert float(variable[0]) == 1.0


_SAVES_FOR_EVER = """
import sys, tensorflow as tf
from pathlib import Path
from bnn.training import CheckpointMismatchError, Checkpoints, DamagedCheckpointError
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
