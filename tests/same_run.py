"""Holds two runs of one configuration against each other, to the bit."""

import json

# Names of the objects, and how often was saved: a run that was stopped saves once more.
_LEFT_OUT = ("_CHECKPOINT", "save_counter")


def assert_same_run(first, second):
    """The runs in two folders have the same reports, times aside, test metrics and weights.

    Returns:
      The numbers of reports and of tensors that are the same.
    """
    reports = [
        [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        for run in (first, second)
    ]
    for one, other in zip(*reports, strict=True):
        one.pop("seconds"), other.pop("seconds")
        assert one == other, f"{one}\n{other}"
    results = [json.loads((run / "results.json").read_text()) for run in (first, second)]
    assert results[0]["test"] == results[1]["test"]
    import tensorflow as tf  # late: it takes seconds

    readers = [
        tf.train.load_checkpoint(tf.train.latest_checkpoint(run / "checkpoints"))
        for run in (first, second)
    ]
    names = [sorted(reader.get_variable_to_shape_map()) for reader in readers]
    assert names[0] == names[1]
    tensors = [name for name in names[0] if not name.startswith(_LEFT_OUT)]
    for name in tensors:
        one, other = (reader.get_tensor(name) for reader in readers)
        assert _bits(one) == _bits(other), name
    return len(reports[0]), len(tensors)


def _bits(value):
    if isinstance(value, bytes):  # a text
        return value
    assert value.dtype != object, "pointers, not values"
    return value.tobytes()
