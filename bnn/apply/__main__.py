"""Predicts with a trained run: a table, array, folder of images or texts in, a table out.

Example:
  python -m bnn.apply --workdir=runs/flats --inputs=new.csv --output=answers.csv

Inputs are what the run's data came from: a CSV or Parquet file (whose columns the output keeps), a
.npy array, a folder of image files, or a .txt file with a text in every line. The output, .csv or
.parquet, has a row for each: the mean in the target's units with its interval, or every class's
probability; total, aleatoric and epistemic uncertainty, which of numbers are variances, in squares
of the target's unit, and of classes entropies in nats; and the Monte-Carlo error of each. A CSV
file has the separator and decimal point of the run's own. Where the inputs have columns of the true
values, too, it says the RMSE and what the intervals hold. Nothing is written but the output, which
must not exist yet. Exit codes: 0, 1 error.
"""

from __future__ import annotations

from collections.abc import Sequence

from absl import app, flags

from bnn import command_line
from bnn.apply import answers, beside_truth, checked_output, csv_form, read_inputs, write

_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run.", required=True)
_INPUTS = flags.DEFINE_string(
    "inputs", None, "File or folder of inputs, as the run's source has them.", required=True
)
_OUTPUT = flags.DEFINE_string("output", None, "File to write: .csv or .parquet.", required=True)
_LEVEL = flags.DEFINE_float(
    "level", None, "Mass of the central interval of targets that are numbers; 0.9 where absent."
)
_NUM_SAMPLES = flags.DEFINE_integer(
    "num_samples", None, "Functions of the posterior; as many as of the run's metrics where absent."
)
_IMPORT = flags.DEFINE_multi_string(
    "import",
    [],
    "Module that the recorded configuration may import, beside those of bnn; repeatable.",
)
flags.adopt_module_key_flags(command_line)


def main(argv: Sequence[str]) -> int:
    """Restores the run, predicts and writes the table; the exit code."""
    if not command_line.start(argv):
        return 2
    try:
        output = checked_output(_OUTPUT.value)
        kept, inputs = read_inputs(_INPUTS.value)
        from bnn.runs.restore import restore

        run = restore(_WORKDIR.value, imports=_IMPORT.value)
        frame = answers(run, kept, inputs, _LEVEL.value, num_samples=_NUM_SAMPLES.value)
        write(frame, output, **csv_form(run))
    except command_line.errors() as error:
        return command_line.explain(error)
    print(f"{len(frame)} rows with {', '.join(map(str, frame.columns))}: {output}")
    for line in beside_truth(frame, _LEVEL.value):
        print(line)
    return 0


def entry() -> None:
    """Runs the command line."""
    app.run(main)


if __name__ == "__main__":
    entry()
