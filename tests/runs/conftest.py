"""A finished run that tests of runs share, whose folder they leave as it is; the command line."""

import gin
import pytest
from absl import flags, logging
from absl.testing import flagsaver

import bnn.experiment
import bnn.run
from tests.runs.command_line import DIGITS
from tests.runs.toy_runs import arguments


@pytest.fixture(scope="session")
def plain_run(tmp_path_factory, cheap):
    """Folder and results of a cheap run that nothing stopped."""
    workdir = tmp_path_factory.mktemp("plain") / "run"
    with cheap():
        return workdir, bnn.experiment.run(workdir, **arguments())


@pytest.fixture
def command(monkeypatch, clean_gin, capsys):
    """command(workdir, *flags, file=…): runs the command line in this process.

    Returns exit code, standard output and error.
    """
    monkeypatch.setattr("gin.config._LOCATION_PREFIXES", [""])
    monkeypatch.setenv("BNN_DATA_DIR", "")  # noted, so that it is put back
    monkeypatch.delenv("BNN_DATA_DIR")
    verbosity = logging.get_verbosity()

    def run(workdir, *options, file=DIGITS):
        gin.clear_config()
        files = [f"--gin_file={file}"] if file is not None else []
        argv = ["bnn.run", f"--workdir={workdir}", *files, *options]
        with flagsaver.flagsaver():
            rest = flags.FLAGS(argv)
            code = bnn.run.main(rest)
        written = capsys.readouterr()
        return code, written.out, written.err

    yield run
    flags.FLAGS.unparse_flags()
    logging.set_verbosity(verbosity)
