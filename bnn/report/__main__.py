"""Writes the report of finished runs.

Example:
  python -m bnn.report runs/digits runs/flipout --output=reports/digits
  python -m bnn.report runs/estimators --output=reports/estimators --baseline=estimator=Flipout
  python -m bnn.report runs/mnist --output=reports/mnist --out_of_distribution=kmnist

Every argument is the folder of a run, or a folder with those of several, such as a sweep's. Exit
codes: 0 done, 1 error.
"""

from __future__ import annotations

from collections.abc import Sequence

from absl import app, flags

from bnn import command_line

_OUTPUT = flags.DEFINE_string(
    "output", None, "Folder for report.html, report.md and figures/.", required=True
)
_BASELINE = flags.DEFINE_string(
    "baseline",
    None,
    "Model, or run folder's name, that others are compared with; the first where absent.",
)
_SKIP = flags.DEFINE_bool("skip_unfinished", False, "Leave unfinished runs out.")
_OTHERS = flags.DEFINE_multi_string(
    "out_of_distribution",
    [],
    "Image set in the layout of MNIST that runs which classify are tested against, such as kmnist; "
    "repeatable.",
)
_IMPORT = flags.DEFINE_multi_string(
    "import",
    [],
    "Module whose code --out_of_distribution may run where a run's configuration names it; "
    "repeatable.",
)
_TITLE = flags.DEFINE_string("title", "Report", "Title of the report.")
flags.adopt_module_key_flags(command_line)


def main(argv: Sequence[str]) -> int:
    """Reads the flags and writes the report; the process's exit code."""
    from bnn.report.command import write

    command_line.use_data_dir()
    return write(
        argv[1:],
        _OUTPUT.value,
        traceback=command_line.wants_traceback(),
        rephrase=command_line.name_flag,
        baseline=_BASELINE.value,
        skip_unfinished=_SKIP.value,
        out_of_distribution=_OTHERS.value,
        imports=_IMPORT.value,
        title=_TITLE.value,
    )


if __name__ == "__main__":
    app.run(main)
