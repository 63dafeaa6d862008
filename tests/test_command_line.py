"""What TensorFlow says of disks and memory, in words with a remedy."""

import pytest
import tensorflow as tf

from bnn import command_line

PLACE = "{{function_node x}} /runs/a/checkpoints/ckpt-3_temp/part-00000"
SAID = {
    "No space left on device": "free space on that disk",
    "File too large": "ulimit -f",
    "Too many open files": "ulimit -n",
}


@pytest.mark.parametrize("words", SAID)
def test_a_file_that_cannot_be_written(words):
    error = tf.errors.ResourceExhaustedError(None, None, f"{PLACE}; {words} [Op:SaveV2]")
    said = command_line._in_words(error)
    assert said.startswith("a file cannot be written (/runs/a/checkpoints")
    assert SAID[words] in said


def test_memory_that_does_not_suffice():
    text = "OOM when allocating tensor with shape[100000,100000] and type float"
    said = command_line._in_words(tf.errors.ResourceExhaustedError(None, None, text))
    assert said.startswith("the machine's memory does not suffice for a tensor [100000,100000]; l")
