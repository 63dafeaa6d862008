"""N, which divides the KL, is known or asked for."""

import keras
import numpy as np
import pytest
import tensorflow as tf


class Rows(keras.utils.PyDataset):
    def __init__(self, data, size=10, batches=5):
        super().__init__()
        self.data, self.size, self.batches = data, size, batches

    def __len__(self):
        return self.batches

    def __getitem__(self, i):
        return tuple(part[i * self.size : (i + 1) * self.size] for part in self.data)


class Endless(Rows):
    @property
    def num_batches(self):
        return None

    def __getitem__(self, i):
        return super().__getitem__(i % 5)


def fitted(make, *args, **options):
    model = make()
    history = model.fit(*args, verbose=0, shuffle=False, **options).history
    share = (history["loss"][-1] - history["nll"][-1]) / history["kl"][-1]
    return float(model.num_train), 1 / share


def test_of_arrays(make, data):
    assert fitted(make, *data, batch_size=50) == (50, pytest.approx(50, rel=1e-3))


def test_less_the_validation_split(make, data):
    assert fitted(make, *data, batch_size=50, validation_split=0.3)[0] == 35
    given = {"validation_split": 0.3, "validation_data": data}
    assert fitted(make, *data, batch_size=50, **given)[0] == 50


def test_of_datasets_cardinality_times_batch(make, data):
    batched = tf.data.Dataset.from_tensor_slices(data).batch(10)
    assert fitted(make, batched)[0] == 50
    fixed = tf.data.Dataset.from_tensor_slices(data).batch(10, drop_remainder=True)
    assert fitted(make, fixed)[0] == 50


@pytest.mark.parametrize("size", [20, 49, 50, 64])
def test_a_smaller_last_batch_counts_as_what_it_is(data, size):
    """Planted: batches times the first one's size, 60 and 98 of the 50."""
    from bnn.keras_model.data import num_examples

    plain = tf.data.Dataset.from_tensor_slices(data)
    assert num_examples(plain.batch(size), {}) == 50
    assert num_examples(plain.shuffle(50).batch(size).prefetch(1), {}) == 50
    assert num_examples(Rows(data, size, -(-50 // size)), {}) == 50


def test_many_batches_are_not_read_through(data):
    from bnn.keras_model.data import num_examples

    read = []

    def seen(*parts):
        tf.py_function(lambda: read.append(1), [], [])
        return parts

    five = tuple(np.concatenate([part] * 5) for part in data)
    many = tf.data.Dataset.from_tensor_slices(five).batch(2).map(seen)
    assert many.cardinality() == 125
    assert num_examples(many, {}) == 250
    assert len(read) < 10


def test_batches_in_any_order_are_counted_one_by_one(data):
    """Planted: the size of the first batch, which is the small one here, for all but the last."""
    from bnn.keras_model.data import num_examples

    batches = tf.data.Dataset.from_tensor_slices(data).batch(20)
    assert num_examples(batches.skip(2).concatenate(batches.take(2)), {}) == 50


@pytest.mark.parametrize("count", [2, 7])
def test_a_dataset_that_repeats_its_examples_is_asked_for_their_number(make, data, count):
    """Counted k times each, they would divide the KL by k times too much."""
    dataset = tf.data.Dataset.from_tensor_slices(data)
    for repeated in (dataset.repeat(count).batch(10), dataset.batch(10).repeat(count).prefetch(1)):
        with pytest.raises(ValueError, match="num_train must be given: the dataset repeats"):
            make().fit(repeated, verbose=0)
    assert fitted(make, dataset.batch(10).repeat(count), num_train=50)[0] == 50
    assert fitted(make, dataset.repeat(1).batch(10))[0] == 50


def test_of_pydatasets(make, data):
    assert fitted(make, Rows(data))[0] == 50


def test_of_dicts_of_arrays(make, data):
    from bnn.keras_model.data import num_examples

    assert num_examples({"a": data[0], "b": data[0][:, :1]}, {}) == 50


@pytest.mark.parametrize("kind", ["generator", "filtered", "endless", "endless PyDataset"])
def test_is_asked_for_where_it_is_not_known(make, data, kind):
    dataset = tf.data.Dataset.from_tensor_slices(data).batch(10)
    made = {
        "generator": lambda: (tuple(part[:10] for part in data) for _ in range(2)),
        "filtered": lambda: dataset.filter(lambda x, y: True),
        "endless": dataset.repeat,
        "endless PyDataset": lambda: Endless(data),
    }[kind]
    with pytest.raises(ValueError, match=r"num_train must be given.*fit\(\.\.\., num_train="):
        make().fit(made(), verbose=0)
    assert fitted(make, made(), num_train=500, steps_per_epoch=1)[0] == 500


@pytest.mark.parametrize("wrong", [0, -3, 2.5, "many"])
def test_given_it_must_be_a_positive_integer(make, data, wrong):
    with pytest.raises(ValueError, match="num_train must be a positive integer, got"):
        make().fit(*data, num_train=wrong)


def test_an_empty_dataset_is_refused(make, data):
    empty = tf.data.Dataset.from_tensor_slices(data).batch(10).take(0)
    with pytest.raises(ValueError, match=r"num_train must be given|give it examples"):
        make().fit(empty)


def test_steps_per_epoch_counts_the_schedules_progress(make, data):
    model = make()
    dataset = tf.data.Dataset.from_tensor_slices(data).batch(10).repeat()
    model.fit(dataset, steps_per_epoch=3, epochs=2, num_train=50, shuffle=False, verbose=0)
    assert float(model.total_steps) == 6
    assert int(model.step_counter) == 6
    np.testing.assert_allclose(model.kl_weight_at(model.step_counter), 1.0)
