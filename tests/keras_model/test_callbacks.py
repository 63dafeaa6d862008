"""Keras's callbacks work as they are."""

import keras
import numpy as np
import pytest

import bnn


class StopAt(keras.callbacks.Callback):
    """Dies at the end of an epoch."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epoch:
            raise KeyboardInterrupt


def test_logs_name_loss_nll_kl_and_metrics_also_of_the_validation(make, data):
    model = make(metrics=["accuracy"])
    history = model.fit(*data, epochs=2, validation_data=data, verbose=0).history
    own = {"loss", "nll", "kl", "accuracy"}
    assert set(history) == own | {f"val_{name}" for name in own}
    assert all(len(values) == 2 for values in history.values())


def test_the_training_logs_are_of_one_epoch_each(make, data):
    model = make(optimizer=keras.optimizers.SGD(0.0))
    history = model.fit(*data, batch_size=50, epochs=2, shuffle=False, verbose=0).history
    assert history["kl"][0] == history["kl"][1]
    assert history["nll"][0] != history["nll"][1]  # another draw, and no mean over both
    alone = make(optimizer=keras.optimizers.SGD(0.0))
    alone.step_counter.assign(1)
    second = alone.fit(*data, batch_size=50, shuffle=False, verbose=0).history
    assert history["nll"][1] == second["nll"][0]


def test_early_stopping_watches_val_nll_downwards(make, data):
    rising = make(optimizer=keras.optimizers.SGD(-0.05))  # uphill
    stop = keras.callbacks.EarlyStopping("val_nll", patience=1, restore_best_weights=True)
    history = rising.fit(*data, epochs=20, validation_data=data, callbacks=[stop], verbose=0)
    assert len(history.history["nll"]) == 2
    falling = make(optimizer=keras.optimizers.SGD(0.05))
    stop = keras.callbacks.EarlyStopping("val_nll", patience=1)
    history = falling.fit(*data, epochs=4, validation_data=data, callbacks=[stop], verbose=0)
    assert len(history.history["nll"]) == 4


def test_model_checkpoint_keeps_the_best_by_val_nll(make, data, tmp_path):
    path = tmp_path / "best.keras"
    model = make(optimizer=keras.optimizers.SGD(-0.05))
    keep = keras.callbacks.ModelCheckpoint(path, monitor="val_nll", save_best_only=True)
    history = model.fit(*data, epochs=3, validation_data=data, callbacks=[keep], verbose=0).history
    best = keras.models.load_model(path)
    results = best.evaluate(*data, return_dict=True, verbose=0)
    assert results["nll"] == pytest.approx(min(history["val_nll"]), rel=1e-5)


def test_reduce_lr_on_plateau_takes_a_falling_val_nll_for_progress(make, data):
    rates = []
    for rate in (-0.05, 0.02):  # uphill, downhill
        model = make(optimizer=keras.optimizers.SGD(rate))
        reduce = keras.callbacks.ReduceLROnPlateau("val_nll", factor=0.5, patience=1, min_lr=-1.0)
        model.fit(*data, epochs=3, validation_data=data, callbacks=[reduce], verbose=0)
        rates.append(float(model.optimizer.learning_rate))
    assert rates == pytest.approx([-0.0125, 0.02])


def test_terminate_on_nan(make, data):
    x, y = data
    bad = x.copy()
    bad[30] = np.nan
    model = make()
    stop = keras.callbacks.TerminateOnNaN()
    history = model.fit(bad, y, batch_size=25, epochs=3, callbacks=[stop], verbose=0)
    assert len(history.epoch) == 1


def test_learning_rate_scheduler(make, data):
    model = make()
    schedule = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)
    model.fit(*data, epochs=2, callbacks=[schedule], verbose=0)
    assert float(model.optimizer.learning_rate) == pytest.approx(0.0025)


def test_backup_and_restore_resumes_to_the_same_bits(make, data, tmp_path):
    options = {"batch_size": 25, "epochs": 4, "shuffle": False, "verbose": 0}
    ramp = bnn.schedules.LinearWarmup(fraction=0.5)
    straight = make(kl_weight=ramp)
    straight.fit(*data, **options)
    backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
    with pytest.raises(KeyboardInterrupt):
        make(kl_weight=ramp).fit(*data, callbacks=[StopAt(2), backup], **options)
    resumed = make(kl_weight=ramp)
    backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
    history = resumed.fit(*data, callbacks=[backup], **options)
    assert history.epoch == [2, 3]
    assert int(resumed.step_counter) == 8
    for a, b in zip(straight.variables, resumed.variables, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy(), err_msg=a.path)
