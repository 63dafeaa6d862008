"""What all tests share: quiet logs, fixed seeds, three ways to run a function, the z-score gate.

Statistical tests compare a Monte-Carlo estimate with its exact value in standard errors, over fixed
seeds, so that a test either always passes or always fails. Over all seeds a right implementation
exceeds `Z_LIMIT` once in 5e8 comparisons; with fewer than 1e4 comparisons in the suite its
false-alarm rate is below 2e-5. Tests by p-value use `P_LIMIT` and number fewer than 100, which
adds less than 1e-5.
"""

import contextlib
import os

# Before TensorFlow is imported. Convolutions with the channels first run on CPUs by oneDNN alone,
# which TensorFlow switches on by itself only where the processor has AVX-512 VNNI.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import gin
import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.long_tests import mark

Z_LIMIT = 6.0
P_LIMIT = 1e-7
MODES = {
    "eager": lambda function: function,
    "graph": tf.function,
    "xla": lambda function: tf.function(function, jit_compile=True),
}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Marks the tests of `tests/long_tests.txt`, before pytest chooses by marks."""
    mark(items)


@pytest.fixture(autouse=True)
def _seeds():
    """Keras initializers and shuffles give the same numbers in every run and order of tests."""
    keras.utils.set_random_seed(0)


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    """A folder that a program called in this process sets, as `--data_dir`, ends with its test."""
    for name in ("BNN_DATA_DIR", "BNN_DATA_DIR_FROM"):
        before = os.environ.get(name)
        monkeypatch.setenv(name, before or "")  # noted, so that it is put back
        if before is None:
            monkeypatch.delenv(name)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(params=MODES)
def mode(request):
    """One way to run a function, as a decorator; the test runs once in each."""
    return MODES[request.param]


@pytest.fixture
def modes():
    """modes(function, *args): the results of all three ways, by name."""

    def run(function, *args):
        return {name: wrap(function)(*args) for name, wrap in MODES.items()}

    return run


@pytest.fixture
def z_limit():
    return Z_LIMIT


@pytest.fixture
def p_limit():
    return P_LIMIT


@pytest.fixture
def assert_mean():
    """assert_mean(samples, expected): samples `[N, …]` have this mean, elementwise as z-scores."""

    def check(samples, expected):
        samples = np.asarray(samples, np.float64)
        error = samples.std(axis=0, ddof=1) / np.sqrt(len(samples))
        assert np.all(error > 0), "samples without spread have no standard error"
        z = (samples.mean(axis=0) - expected) / error
        assert np.max(np.abs(z)) < Z_LIMIT, f"z-scores {z}"

    return check


@pytest.fixture
def clean_gin():
    """No bindings and no operative parameters of other tests, before and after."""
    gin.clear_config()
    yield
    gin.clear_config()


@contextlib.contextmanager
def _cheap():
    def predict(model, inputs, num_samples=32, *, functions, **options):
        del options
        outputs = []
        for sample in range(num_samples):
            with functions.at(sample, functions.arguments):
                outputs.append(model(inputs, training=False))
        return tf.nest.map_structure(lambda *each: tf.stack(each), *outputs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bnn.methods.method.predict", predict)
        patch.setattr("bnn.runs.results.draw_figures", lambda *args: {})
        tf.config.run_functions_eagerly(True)
        try:
            yield
        finally:
            tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="session")
def cheap():
    """`with cheap(): …`: runs without what takes seconds: tracing, compiling, drawing figures.

    Their numbers are those of other runs to rounding.
    """
    return _cheap


@pytest.fixture
def cheap_runs():
    """The runs of this test are cheap."""
    with _cheap():
        yield
