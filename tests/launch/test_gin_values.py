import ast

import pytest

from launch.gin_values import check_binding, check_name, gin_text, readable, short_names


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1, "1"),
        (-0.5, "-0.5"),
        (1e-3, "0.001"),
        (True, "True"),
        ([1, [2.5, "@Point()"]], "[1, [2.5, @Point()]]"),
        ("@Flipout()", "@Flipout()"),
        ("@kl/LinearWarmup()", "@kl/LinearWarmup()"),
        ("%rate", "%rate"),
        ("'relu'", "'relu'"),
        ("None", "None"),
        (" (200, 200) ", "(200, 200)"),
        ("{'a': @b.C(), 'd': [1]}", "{'a': @b.C(), 'd': [1]}"),
    ],
)
def test_values_are_written_as_gin_has_them(value, text):
    assert gin_text("a.b", value) == text


def test_gin_reads_what_is_written():
    import gin

    for value in (1, 2.5e-7, True, [1, "'a'"], "(200, 200)", "{'a': None}"):
        text = gin_text("a.b", value)
        assert gin.config.parse_value(text) == ast.literal_eval(text)


@pytest.mark.parametrize("value", ["relu", "Flipout()", "@", "__import__('os')", "1 +", "@a() b"])
def test_what_is_no_gin_value_is_refused(value):
    with pytest.raises(ValueError, match=r"a.b: .* is not a gin value; write a string with quotes"):
        gin_text("a.b", value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), None, {"a": 1}])
def test_what_gin_has_no_text_for_is_refused(value):
    with pytest.raises(ValueError, match=r"a.b: .* is not a value that gin knows; give a number"):
        gin_text("a.b", value)


def test_names():
    assert check_name("kl/a.b/Constant.value") == "kl/a.b/Constant.value"
    assert check_binding("run.epochs = 3") == "run.epochs"
    with pytest.raises(ValueError, match="'run epochs' is not a gin parameter, such as"):
        check_name("run epochs")
    with pytest.raises(ValueError, match=r"'run.epochs' must be of the form 'name = value'"):
        check_binding("run.epochs")


def test_short_names_tell_the_names_apart():
    assert short_names(["run.estimator", "kl/Linear.value", "rate/Linear.value", "rate"]) == {
        "run.estimator": "estimator",
        "kl/Linear.value": "kl.Linear.value",
        "rate/Linear.value": "rate.Linear.value",
        "rate": "rate",
    }


@pytest.mark.parametrize(
    ("value", "name"),
    [("@Flipout()", "Flipout"), ("(32, 16)", "32_16"), ("1e-05", "1e-05"), ("''", "_")],
)
def test_values_in_names_of_files(value, name):
    assert readable(value) == name
