import pytest

ARGUMENTS = ["--gin_file=gin_configs/digits.gin", "--workdir=runs/two"]


def test_a_job_is_submitted_and_its_number_printed(launch, fake_program, tmp_path):
    fake_program("sbatch", f'cat > {tmp_path}/script; echo "$@" > {tmp_path}/options; echo "17;c"')
    output = tmp_path / "logs" / "%j.out"
    code, out, err = launch("slurm", "--time=60", f"--output={output}", "--", *ARGUMENTS)
    assert (code, out) == (0, "17\n")
    assert f"output: {output}" in err
    assert output.parent.is_dir()
    assert (tmp_path / "options").read_text() == "--parsable\n"
    script = (tmp_path / "script").read_text()
    assert script.startswith("#!/bin/bash\n#SBATCH --job-name=two\n")
    assert "--workdir=runs/two" in script


def test_a_dry_run_prints_the_script_and_submits_nothing(launch, fake_program, tmp_path):
    fake_program("sbatch", f"touch {tmp_path}/called")
    options = ["--time=60", "--nodes=2", "--partition=big", "--mem=8G", "--dry-run"]
    code, out, _ = launch("slurm", *options, "--", *ARGUMENTS)
    assert code == 0
    assert "#SBATCH --nodes=2\n" in out
    assert "#SBATCH --partition=big\n#SBATCH --mem=8G\n" in out
    assert not (tmp_path / "called").exists()


def test_arrays(launch):
    arguments = ["--gin_file=gin_configs/digits.gin", "--workdir=runs/a/{array}"]
    code, out, _ = launch("slurm", "--time=60", "--array=0-9%2", "--dry_run", "--", *arguments)
    assert code == 0
    assert "#SBATCH --array=0-9%2\n" in out
    assert "'--workdir=runs/a/{array}'" in out


@pytest.mark.parametrize(
    ("options", "arguments", "message"),
    [
        (["--time=1h"], ARGUMENTS, "error: time '1h' is not one of Slurm's forms"),
        ([], ARGUMENTS, "the following arguments are required: --time"),
        (["--time=60"], ARGUMENTS[:1], "error: the arguments of bnn.run lack --workdir"),
        (
            ["--time=60", "--array=0-3"],
            ARGUMENTS,
            "error: all elements of the array would share --workdir=runs/two; give each its own",
        ),
        (
            ["--time=60"],
            [*ARGUMENTS, "--gin_bindings=run.seed = {array}"],
            "has {array}, which only --array replaces",
        ),
    ],
)
def test_wrong_commands_say_what_is_wrong(launch, options, arguments, message):
    code, out, err = launch("slurm", *options, "--dry_run", "--", *arguments)
    assert (code, out) == (2, "")
    assert message in err


def test_without_slurm_it_says_so(launch, tmp_path):
    code, out, err = launch("slurm", "--time=60", "--", *ARGUMENTS, PATH=str(tmp_path))
    assert (code, out) == (1, "")
    assert "error: sbatch is not on the PATH: submit from a login node" in err
    assert "--dry_run" in err


def test_what_sbatch_refuses_is_shown(launch, fake_program):
    fake_program("sbatch", "echo 'sbatch: error: invalid partition specified: x' >&2; exit 1")
    code, _, err = launch("slurm", "--time=60", "--", *ARGUMENTS)
    assert code == 1
    assert "error: sbatch refused the job: sbatch: error: invalid partition specified: x" in err
