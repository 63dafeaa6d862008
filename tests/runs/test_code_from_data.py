"""A folder from elsewhere runs no code: its configuration names what is registered, no more."""

import json
import sys

import gin
import pytest

from bnn.runs.restore import restore

GOOD = """
run.data = @digits()
run.model = @mlp
run.likelihood = @Categorical()
run.method = @VariationalInference()
VariationalInference.estimator = @Flipout()
run.optimizer = @keras.optimizers.Adam()
run.epochs = 1
run.batch_size = 240
"""
PROGRAM = "import pathlib\npathlib.Path(__file__).with_name('ran').touch()\n"
FUNCTION = "import pathlib\ndef make(place):\n    pathlib.Path(place).touch()\n"


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder in which modules are found that say by a file that they ran."""
    (tmp_path / "evil_module.py").write_text(PROGRAM)
    (tmp_path / "evil_function.py").write_text(FUNCTION)
    (tmp_path / "evil.gin").write_text("import evil_module\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in ("evil_module", "evil_function"):
        sys.modules.pop(name, None)


def run_folder(place, config):
    folder = place / "run"
    folder.mkdir()
    (folder / "config.gin").write_text(config)
    (folder / "results.json").write_text(json.dumps({"task": "classification"}))
    return folder


MADE = "run.data = @from_function()\n"
CODE = {
    "an import": ("import evil_module\n", r"imports the module evil_module.*--import=evil_module"),
    "an import from": ("from evil_module import a\n", r"imports the module evil_module"),
    "an indented import": ("  import evil_module\n", r"imports the module evil_module|indent"),
    "an import after a page break": ("\fimport evil_module\n", r"imports the module evil_module"),
    "a relative import": ("import .evil_module\n", r"imports the module \.evil_module"),
    "an include": ("include '{place}/evil.gin'\n", r"has no line \"include"),
    "gin's own registration": ("from __gin__ import dynamic_registration\n", r"has no line"),
    "a function for the data": (
        MADE + "from_function.function = 'evil_function:make'\nfrom_function.place = '{place}/ran'",
        r"from_function\.function = 'evil_function:make'.*allow it with --import=evil_function",
    ),
    "a function of Python's own": (
        MADE + "from_function.function = 'pathlib:Path.touch'\nfrom_function.self = '{place}/ran'",
        r"would run the code of its module",
    ),
    "a command": (
        MADE + "from_function.function = 'os.system'\nfrom_function.command = 'touch {place}/ran'",
        r"allow it with --import=os",
    ),
    "a function by a macro": (
        MADE + "f = 'os:system'\nfrom_function.function = %f\n"
        "from_function.command = 'touch {place}/ran'",
        r"allow it with --import=os",
    ),
    "a function in a scope": (
        "run.data = @a/from_function()\na/from_function.function = 'os:system'\n"
        "from_function.command = 'touch {place}/ran'",
        r"a/from_function\.function = 'os:system'",
    ),
    "a value that calls": (
        "run.seed = __import__('os').system('touch {place}/ran')\n",
        "__import__",
    ),
    "an object by a dict": (
        "mlp.activation = {'module': 'evil_module', 'class_name': 'A', 'config': {}}\n",
        r"mlp\.activation describes an object of another module by a dict",
    ),
    "an object by a dict in a list": (
        "x = [{'class_name': 'evil_module>A'}]\nmlp.activation = %x\n",
        r"describes an object of another module by a dict",
    ),
}


@pytest.mark.parametrize("kind", CODE)
def test_a_recorded_configuration_runs_no_code(place, clean_gin, kind):
    text, words = CODE[kind]
    text = text.replace("{place}", str(place))
    with pytest.raises(ValueError, match=words):
        restore(run_folder(place, GOOD + text))
    assert not (place / "ran").exists()
    assert "evil_module" not in sys.modules


def test_what_the_caller_allows_runs(place, clean_gin):
    """The measure sees code that runs."""
    text = "import evil_module\n" + GOOD
    with pytest.raises(FileNotFoundError, match="must hold a checkpoint"):
        restore(run_folder(place, text), imports=["evil_module"])
    assert (place / "ran").exists()


def test_a_function_that_the_caller_allows_runs(place, clean_gin):
    text = "from_function.function = 'evil_function:make'\nfrom_function.place = '{place}/ran'"
    text = MADE + text.replace("{place}", str(place))
    with pytest.raises(ValueError, match=r"must give a bnn\.data\.Dataset"):
        restore(run_folder(place, GOOD + text), imports=["evil_function"])
    assert (place / "ran").exists()


def test_gin_has_its_own_configuration_afterwards(place, clean_gin):
    gin.parse_config("priors.Normal.scale = 7.0")
    held = gin.config_str()
    with pytest.raises(ValueError, match="imports the module"):
        restore(run_folder(place, "import evil_module\n" + GOOD))
    assert gin.config_str() == held
