# %% [markdown]
# # A sweep, and its report
#
# Which of three ways to train a network is better, and is the difference more than the luck of a
# seed? A sweep runs them all, each with two seeds; the report says what can be said. All of it is
# done by commands, which a notebook calls as well as a terminal.

# %%
import csv
import os
import pathlib
import subprocess
import sys
import tempfile

import matplotlib.pyplot as plt

folder = pathlib.Path(tempfile.mkdtemp())


def command(*words):
    """Runs `python -m …` here, and shows the end of what it says."""
    environ = {**os.environ, "WANDB_MODE": "offline"}
    done = subprocess.run(
        [sys.executable, "-m", *words], cwd=folder, env=environ, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    print("\n".join(done.stdout.strip().splitlines()[-6:]))


# %% [markdown]
# ## The file
#
# A sweep is a gin file, which says what all runs share, and the bindings that differ. `[grid]`
# would take all combinations of lists; `[[list]]` names the cases one by one. Strings are gin's own
# text. The runs here are short, and the report will say whether they were too short.

# %%
(folder / "three.toml").write_text(
    """
gin_file = "gin_configs/digits.gin"
bindings = ["run.epochs = 30", "run.report_every = 2", "mlp.hidden = (50,)", "run.tracker = None"]
seeds = 2

[[list]]
name = "whole KL"
VariationalInference.estimator = "@LocalReparameterization()"

[[list]]
name = "KL x 0.1"
"kl/LinearWarmup.value" = 0.1

[[list]]
name = "MAP"
run.method = "@MAP()"
mlp.kernel_posterior = "@Point()"
mlp.bias_posterior = "@Point()"
"""
)
command("launch.sweep", "three.toml", "--root=runs/three", "--dry_run")

# %% [markdown]
# `--dry_run` shows the commands. Without it they run, as many at once as there are cores; the same
# command goes on where a sweep was stopped. On a cluster it is `--backend=slurm`, and an array.

# %%
command("launch.sweep", "three.toml", "--root=runs/three")
with open(folder / "runs/three/results.csv") as file:
    rows = list(csv.DictReader(file))
print(sorted(rows[0]))
assert len(rows) == 6

# %% [markdown]
# ## The report
#
# One page, whose first paragraph answers the question in words: who has the lowest test NLL, and
# whether the paired tests, over test rows and over seeds, bear it out.

# %%
command("bnn.report", "runs/three", "--output=reports/three")
report = (folder / "reports/three/report.md").read_text()
summary = report.split("## Summary")[1].split("\n\n")[1]
print(summary)
assert "6 runs" in summary
assert "lowest mean test NLL" in summary
assert all(name in report for name in ("whole KL", "KL x 0.1", "MAP"))

# %% [markdown]
# Two seeds are few: a t interval on one degree of freedom is wide, so the report seldom calls a
# difference lasting. It is meant to be hard to please. The page itself is `report.html`, one file
# with everything in it; its figures are also files of their own. The numbers of every run are in
# `results.csv`, for figures that are yours:

# %%
figures = sorted(path.name for path in (folder / "reports/three/figures").iterdir())
print(figures)
assert any("learning" in name for name in figures)

names = list(dict.fromkeys(row["name"] for row in rows))
figure, axis = plt.subplots(figsize=(5, 2.2), layout="constrained")
for row in rows:
    axis.plot(float(row["test.nll"]), names.index(row["name"]), "o", color="#0072b2", alpha=0.6)
axis.set_yticks(range(len(names)), names)
axis.margins(y=0.3)
axis.grid(axis="x", alpha=0.3)
axis.set(xlabel="test NLL, nats; one point a seed")
figure.savefig("sweep_and_report.png", dpi=120)
