"""Bad command lines of the other programs, and damaged files of a run."""

_OK = ["--gin_file={D}", "--workdir=v"]
# Module, arguments, what is named.
TOOLS = [
    *(("bnn.replay", arguments, named) for arguments, named in [
        ([], "--workdir"),
        (["--workdir=run"], "--step"),
        (["--step=1"], "--workdir"),
        (["--workdir=run", "--step=x"], "--step"),
        (["--workdir=run", "--step=1.5"], "--step"),
        (["--workdir=run", "--step=-1"], "step"),
        (["--workdir=run", "--step=100000"], "step"),
        (["--workdir=run", "--step=1", "more"], "more"),
        (["--workdir=run", "--step=1", "--nope"], "nope"),
        (["--workdir=nowhere", "--step=1"], "nowhere"),
        (["--workdir=foreign", "--step=1"], "foreign"),
        (["--workdir=bytes.gin", "--step=1"], "bytes.gin"),
        (["--workdir=run", "--step=1", "--gin_bindings=run.epochz = 1"], "epochz"),
        (["--workdir=run", "--step=1", "--gin_bindings=run.epochs = ["], "run.epochs"),
        (["--workdir=run", "--step=1", "--gin_bindings=run.seed = 'x'"], "run.seed"),
    ]),
    *(("bnn.report", arguments, named) for arguments, named in [
        ([], "--output"),
        (["run"], "--output"),
        (["--output=o"], "name at least one run"),
        (["nowhere", "--output=o"], "nowhere"),
        (["foreign", "--output=o"], "foreign"),
        (["bytes.gin", "--output=o"], "bytes.gin"),
        (["run", "--output=bytes.gin"], "bytes.gin"),
        (["run", "--output=bytes.gin/x"], "bytes.gin"),
        (["run", "--output=foreign_report"], "foreign_report"),
        (["run", "--output=/proc/x"], "/proc/x"),
        (["run", "--output=o", "--baseline=nope"], "nope"),
        (["run", "--output=o", "--nope=1"], "nope"),
        (["run", "--output=o", "--out_of_distribution=nope"], "nope"),
    ]),
    *(("launch.local", arguments, named) for arguments, named in [
        ([], "--"),
        (_OK, "--gin_file"),
        (["--workers=0", "--", *_OK], "--workers"),
        (["--workers=two", "--", *_OK], "--workers"),
        (["--workers=20000", "--", *_OK], "--workers"),
        (["--restarts=-1", "--", *_OK], "--restarts"),
        (["--grace=-1", "--", *_OK], "--grace"),
        (["--grace=nan", "--", *_OK], "--grace"),
        (["--start_timeout=x", "--", *_OK], "--start_timeout"),
        (["--gpus_per_worker=4", "--", *_OK], "GPUs"),
        (["--nope", "--", *_OK], "--nope"),
        (["--"], "--gin_file"),
        (["--", "--gin_file={D}"], "--workdir"),
        (["--", "--gin_file=nowhere.gin", "--workdir=v"], "nowhere.gin"),
        (["--", "--gin_file={D}", "--workdir="], "--workdir"),
        (["--", "--gin_file={D}", "--workdir=a\nb"], "--workdir"),
        (["--", *_OK, "--data_dir=nowhere"], "--data_dir"),
    ]),
    *(("launch.slurm", arguments, named) for arguments, named in [
        (["--dry_run", "--", *_OK], "--time"),
        (["--dry_run", "--time=soon", "--", *_OK], "time"),
        (["--dry_run", "--time=60", "--nodes=0", "--", *_OK], "--nodes"),
        (["--dry_run", "--time=60", "--port=80", "--", *_OK], "--port"),
        (["--dry_run", "--time=60", "--port=70000", "--", *_OK], "port"),
        (["--dry_run", "--time=60", "--signal=WHAT@x", "--", *_OK], "signal"),
        (["--dry_run", "--time=60", "--array=x", "--", *_OK], "array"),
        (["--dry_run", "--time=60", "--output=a\nb", "--", *_OK], "output"),
        (["--dry_run", "--time=60", "--sbatch=--mem=1\n--uid=0", "--", *_OK], "sbatch"),
        (["--time=60"], "--"),
    ]),
    *(("launch.sweep", arguments, named) for arguments, named in [
        ([], "FILE"),
        (["nowhere.toml", "--dry_run"], "nowhere.toml"),
        (["bytes.gin", "--dry_run"], "bytes.gin"),
        (["bracket.toml", "--dry_run"], "bracket.toml"),
        (["nothing.toml", "--dry_run"], "gin_file"),
        (["grid.toml", "--dry_run"], "grid"),
        (["nogin.toml", "--dry_run"], "nowhere.gin"),
        (["names.toml", "--dry_run"], ".."),
        (["huge.toml", "--dry_run"], "1000000000000"),
        (["fine.toml", "--root=a\nb", "--dry_run"], "--root"),
        (["fine.toml", "--backend=cloud"], "--backend"),
        (["fine.toml", "--cores=x", "--dry_run"], "--cores"),
        (["fine.toml", "--root=bytes.gin/x"], "bytes.gin"),
    ]),
]  # fmt: skip
FILES = {
    "bracket.toml": b"a = [\n",
    "nothing.toml": b"",
    "grid.toml": b'gin_file = "{D}"\ngrid = 3\n',
    "nogin.toml": b'gin_file = "nowhere.gin"\n',
    "names.toml": b'gin_file = "{D}"\n[[list]]\nname = ".."\nrun.epochs = 1\n',
    "huge.toml": b'gin_file = "{D}"\n[grid]\n'
    + b"".join(b"p%d.a = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]\n" % i for i in range(12)),
    "fine.toml": b'gin_file = "{D}"\n',
    "foreign_report/report.md": b"my own report",
    "foreign_report/figures/mine.png": b"mine",
}
# File of a run, what it is made to hold (None: a folder stands there), and which program is asked.
DAMAGED = [
    *(
        (name, content, module)
        for name in ("results.json", "config.gin", "data.json")
        for content in (b"", b"\xff\xfe\0", b"[1]", b"{", b"[" * 5000, b"import os\nos.nope = 1")
        for module in ("bnn.run", "bnn.replay", "bnn.report")
        if (name, module) != ("results.json", "bnn.replay")
    ),
    *(
        (name, content, module)
        for name in ("metrics.jsonl", "predictions/test.npz", "arguments.json")
        for content in (b"", b"\xff\xfe\n\0", b"[1]\n[2]\n")
        for module in ("bnn.run", "bnn.report")
    ),
    *(
        (name, None, module)
        for name in ("results.json", "config.gin", "metrics.jsonl")
        for module in ("bnn.run", "bnn.report")
    ),
    *(
        (name, b"damaged", module)
        for name in ("checkpoints/*.index", "checkpoints/*.data*")
        for module in ("bnn.run", "bnn.replay")
    ),
]
