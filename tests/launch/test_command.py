import subprocess
import sys

import pytest

from launch.command import Parser, at_least, check_arguments, values_of


def parser():
    made = Parser("Runs.", "launcher [--restarts=N] -- <arguments>")
    made.add_argument("--restarts", type=at_least(0), default=0)
    made.add_argument("--dry_run", action="store_true")
    return made


def test_what_follows_the_dashes_is_left_as_it_stands():
    options, rest = parser().parse_command(
        ["--dry-run", "--restarts=2", "--", "--gin-file=a b", "--", "--dry_run=x"]
    )
    assert (options.restarts, options.dry_run) == (2, True)
    assert rest == ["--gin-file=a b", "--", "--dry_run=x"]


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--restarts=1"], "write the arguments of the run after --, as in: launcher"),
        (["--restarts=-1", "--"], "must be an integer of at least 0, got '-1'"),
        (["--restarts=x", "--"], "must be an integer of at least 0, got 'x'"),
        (["--restart=1", "--"], "unrecognized arguments: --restart=1"),
    ],
)
def test_wrong_options_say_what_is_right(argv, message, capsys):
    with pytest.raises(SystemExit, match="2"):
        parser().parse_command(argv)
    assert message in capsys.readouterr().err


def test_values_are_found_in_both_spellings():
    arguments = ["--gin_file=a=b", "--gin_file", "c", "x", "--workdir"]
    assert values_of(arguments, "gin_file") == ["a=b", "c"]
    assert values_of(arguments, "workdir") == []


def test_arguments_that_a_run_would_refuse_are_refused_now(tmp_path):
    gin = tmp_path / "a.gin"
    gin.touch()
    check_arguments("bnn.run", [f"--gin_file={gin}", "--workdir=w"])
    check_arguments("bnn.run", ["--help"])
    check_arguments("another.module", [])
    with pytest.raises(ValueError, match=r"lack --workdir; add --workdir=runs/digits after the --"):
        check_arguments("bnn.run", [f"--gin_file={gin}"])
    with pytest.raises(ValueError, match=r"the arguments of bnn.run lack --gin_file"):
        check_arguments("bnn.run", ["--workdir=w"])
    with pytest.raises(FileNotFoundError, match=r"--gin_file=no.gin does not exist; the shipped"):
        check_arguments("bnn.run", ["--gin_file=no.gin", "--workdir=w"])


def test_launchers_start_without_tensorflow():
    modules = "launch.local, launch.slurm, launch.slurm_task, launch.sweep"
    code = f"import sys, {modules}; print([m for m in ('tensorflow', 'bnn') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
