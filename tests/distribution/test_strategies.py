"""What can be said of strategies in one process: errors, before anything is lost."""

import json
import types

import keras
import pytest

import bnn
from bnn import experiment
from bnn.training import Mirrored, MultiWorker, OneDevice, Strategy, check_layers, strategies


class Replicas(Strategy):
    """As many replicas as one says, without devices."""

    def __init__(self, count, shared_noise=False):
        super().__init__(shared_noise)
        self.count = count

    @property
    def num_replicas(self):
        return self.count


def test_one_device_changes_nothing():
    strategy = OneDevice()
    optimizer = keras.optimizers.SGD()
    assert strategy.num_replicas == 1
    assert strategy.workers.is_chief
    assert strategy.adopt(optimizer) is optimizer
    with strategy.scope():
        strategy.check_batch(7)


def test_a_batch_that_does_not_divide_is_refused_with_ones_that_do():
    Replicas(4).check_batch(12)
    with pytest.raises(ValueError, match=r"a multiple of the 4 replicas.* got 10; use 8 or 12\."):
        Replicas(4).check_batch(10)
    with pytest.raises(ValueError, match=r"got 3; use 4 or 4\."):
        Replicas(4).check_batch(3)


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        (Replicas(1), Replicas(4, shared_noise=True), True),
        (Replicas(2, shared_noise=True), Replicas(4, shared_noise=True), True),
        (Replicas(1), Replicas(2), False),
        (Replicas(2), Replicas(4), False),
        (Replicas(2), Replicas(2, shared_noise=True), False),
        (Replicas(1, shared_noise=True), Replicas(1), True),
    ],
)
def test_runs_continue_elsewhere_where_the_noise_is_the_same(left, right, same):
    assert (left.describe() == right.describe()) == same


@pytest.mark.parametrize("count", [0, 65, 2.0, "2"])
def test_unfit_numbers_of_logical_cpus(count):
    with pytest.raises(ValueError, match="logical_cpus must be an integer from 1 to 64 or None"):
        Mirrored(logical_cpus=count)


def test_logical_cpus_after_tensorflow_has_started_are_refused():
    keras.Variable(0.0)
    with pytest.raises(RuntimeError, match=r"logical_cpus must be set before TensorFlow has start"):
        Mirrored(logical_cpus=64)


def test_without_gpus_mirrored_is_one_device_and_says_so(monkeypatch, caplog):
    monkeypatch.setattr(strategies.tf.config, "list_physical_devices", lambda kind: [])
    with caplog.at_level("WARNING"):
        assert Mirrored().num_replicas == 1
    assert "Mirrored found no GPU and trains on one device" in caplog.text


def test_a_second_strategy_of_another_size_is_refused(monkeypatch):
    monkeypatch.setattr(strategies, "_STARTED", {"Mirrored over 2 devices": object()})
    made = strategies._start("Mirrored over 2 devices", None)
    assert made is strategies._STARTED["Mirrored over 2 devices"]
    with pytest.raises(RuntimeError, match=r"trains with Mirrored over 2 devices and cannot"):
        strategies._start("Mirrored over 4 devices", None)


def test_several_workers_need_their_variable(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(ValueError, match=r"needs the variable TF_CONFIG.*python -m launch\.local"):
        MultiWorker()


WORKERS = {"worker": ["a:1", "b:2"]}


def test_workers_that_would_each_train_the_whole_run_are_refused(monkeypatch):
    """Without its binding the second worker was told to wait for the first, which was ended."""
    session = types.SimpleNamespace(strategy=OneDevice())
    one = {"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 0}}
    for text in ("", "of another program", json.dumps(one)):
        monkeypatch.setenv("TF_CONFIG", text)
        session.strategy.check_workers()
    monkeypatch.setenv("TF_CONFIG", json.dumps({**one, "cluster": WORKERS}))
    with pytest.raises(
        ValueError, match=r"names 2 workers, got OneDevice: .*= @MultiWorker\(\), or"
    ):
        experiment._train(session, [])


UNUSABLE = [
    "two",
    "[]",
    json.dumps({"cluster": WORKERS}),
    json.dumps({"cluster": WORKERS, "task": {"type": "worker", "index": 2}}),
    json.dumps({"cluster": WORKERS, "task": {"type": "ps", "index": 0}}),
]


@pytest.mark.parametrize("text", UNUSABLE)
def test_an_unusable_description_of_the_workers_is_shown(monkeypatch, text):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(ValueError, match=r'TF_CONFIG must be \{"cluster"') as caught:
        MultiWorker()
    assert repr(text) in str(caught.value)


REFUSED = {
    "BatchNormalization": (keras.layers.BatchNormalization, "statistics would be those of each"),
    "Dropout": (lambda: keras.layers.Dropout(0.5), "random masks would be the same"),
    "GaussianNoise": (lambda: keras.layers.GaussianNoise(0.5), "random masks would be the same"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_layers_that_would_go_wrong_silently_are_refused(kind):
    make, reason = REFUSED[kind]
    layer = make()
    inner = keras.Sequential([keras.Input((4,)), layer])
    model = keras.Sequential([keras.Input((4,)), inner, bnn.layers.Dense(2)])
    check_layers(model, 1)
    with pytest.raises(ValueError, match=reason) as caught:
        check_layers(model, 2)
    assert f"layer {layer.name!r} ({kind}) cannot be trained on 2 replicas" in str(caught.value)
    assert "@OneDevice()" in str(caught.value)


def test_a_stateful_layer_is_refused_by_runs():
    layer = bnn.layers.GRU(3, stateful=True)
    inputs = keras.Input(batch_shape=(4, 5, 2))
    model = keras.Model(inputs, keras.layers.Dense(2)(layer(inputs)))
    with pytest.raises(ValueError, match=r"must not be stateful.* random order.*stateful=False"):
        check_layers(model, 1)


def test_other_layers_are_not_refused():
    layers = [keras.layers.LayerNormalization(), bnn.layers.Dense(2), keras.layers.ReLU()]
    check_layers(keras.Sequential([keras.Input((4,)), *layers]), 4)
