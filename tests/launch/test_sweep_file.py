import pathlib

import pytest

from launch.sweep_file import read_sweep

HEAD = 'gin_file = "gin_configs/digits.gin"\n'
ROOT = pathlib.Path("runs/s")


@pytest.fixture
def read(tmp_path, monkeypatch):
    """read("[grid]…"): the sweep of a file with this text below a gin_file."""
    monkeypatch.chdir(pathlib.Path(__file__).parents[2])

    def parse(text, head=HEAD):
        (tmp_path / "s.toml").write_text(head + text)
        return read_sweep(tmp_path / "s.toml")

    return parse


def bindings(point):
    return [a.removeprefix("--gin_bindings=") for a in point.arguments if "gin_bindings" in a]


def test_a_file_without_choices_is_one_run(read):
    [point] = read('bindings = ["run.epochs = 2"]\narguments = ["--data_dir=d"]\n').points(ROOT)
    assert point.arguments == [
        "--gin_file=gin_configs/digits.gin",
        "--gin_bindings=run.epochs = 2",
        "--data_dir=d",
        "--workdir=runs/s/run",
    ]


def test_a_grid_has_every_combination(read):
    text = """
    seeds = 2
    [grid]
    run.estimator = ["@Flipout()", "@LocalReparameterization()"]
    "learning_rate/Cosine.value" = [0.1, 1]
    """
    points = read(text).points(ROOT)
    assert len(points) == 8
    assert len({point.name for point in points}) == 8
    assert points[0].name == "estimator=Flipout,value=0.1,seed=0"
    assert points[0].choices == {"estimator": "@Flipout()", "value": "0.1"}
    assert points[0].arguments[-1] == "--workdir=runs/s/estimator=Flipout,value=0.1,seed=0"
    assert bindings(points[-1]) == [
        "run.estimator = @LocalReparameterization()",
        "learning_rate/Cosine.value = 1",
        "run.seed = 1",
    ]


def test_zipped_lists_go_side_by_side_and_combine_with_the_grid(read):
    text = """
    grid.run.batch_size = [8, 16]
    [[zip]]
    run.epochs = [1, 2]
    "Adam.beta_1" = [0.9, 0.8]
    [[zip]]
    run.report_every = [5, 6]
    """
    chosen = [tuple(p.choices.values()) for p in read(text).points(ROOT)]
    assert len(chosen) == 8
    assert {c[1:3] for c in chosen} == {("1", "0.9"), ("2", "0.8")}
    assert {c[0] for c in chosen} == {"8", "16"}
    assert {c[3] for c in chosen} == {"5", "6"}


def test_a_list_names_its_items(read):
    text = """
    seeds = [3, 7]
    [[list]]
    name = "MAP"
    run.estimator = "@Mean()"
    mlp.kernel_posterior = "@Point()"
    [[list]]
    run.estimator = "@Flipout()"
    """
    points = read(text).points(ROOT)
    assert [p.name for p in points] == [
        "MAP,seed=3",
        "MAP,seed=7",
        "estimator=Flipout,seed=3",
        "estimator=Flipout,seed=7",
    ]
    assert points[0].choices == {"name": "MAP"}
    assert bindings(points[1]) == [
        "run.estimator = @Mean()",
        "mlp.kernel_posterior = @Point()",
        "run.seed = 7",
    ]


def test_names_do_not_change_when_values_are_added(read):
    few = {p.name for p in read("grid.run.epochs = [1, 2]").points(ROOT)}
    many = {p.name for p in read("grid.run.epochs = [3, 2, 1]").points(ROOT)}
    assert few < many


def test_long_names_are_cut_and_stay_apart(read):
    values = ", ".join(f"[{', '.join(['123456'] * 30)}, {i}]" for i in range(3))
    names = [p.name for p in read(f"grid.mlp.hidden = [{values}]").points(ROOT)]
    assert len(set(names)) == 3
    assert max(map(len, names)) == 120


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("grids = 1", "s.toml: unknown key 'grids'; a sweep has gin_file, bindings, arguments"),
        ("a = ", "s.toml: Invalid value"),
        ("grid.run.f = [@Mean()]", r"line 2, column 15\); TOML has gin's text in quotes, a value"),
        ("grid.kl/Cosine.value = [1]", 'and a name with a slash such as "kl/LinearWarmup.value"'),
        ("grid.run.epochs = 3", r"\[grid\]: run.epochs must be a list of alternatives, got 3"),
        ("grid.run.epochs = []", r"\[grid\]: run.epochs must be a list of alternatives, got \[\]"),
        ("grid.run.f = ['relu']", r"run.f: 'relu' is not a gin value; .* \"'relu'\""),
        ("grid.run.f = [2020-01-01]", "is not a value that gin knows"),
        ("grid = 3", "grid must be a table of bindings, got 3"),
        ("zip = 3", r"zip must be written as \[zip\] or \[\[zip\]\], got 3"),
        ("[zip]\na.b = [1]\na.c = [1, 2]", r"lists of one length: a.b has 1, a.c has 2"),
        ("list = []", r"\[\[list\]\] is empty"),
        ("[[list]]\nname = 3", "name must be a string, got 3"),
        ("seeds = 0", "seeds must be how many, at least 1, or a list of different integers, got 0"),
        ("seeds = [1, 1]", "seeds must be how many"),
        ("seeds = true", "seeds must be how many"),
        ("bindings = 'run.epochs'", "binding 'run.epochs' must be of the form"),
        ("bindings = 3", "bindings must be a string or a list of strings, got 3"),
        ("bindings = 'a.b = 1'\ngrid.a.b = [1]", "a.b is bound twice; one binding would silently"),
        ("seeds = 2\ngrid.run.seed = [1]", "run.seed is bound twice"),
        ("grid.a.b = [1, 1]", "two runs have the name 'b=1'"),
    ],
)
def test_what_is_wrong_in_a_file_is_said(read, text, message):
    with pytest.raises(ValueError, match=message):
        read(text).points(ROOT)


def test_files_that_do_not_exist(read, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"the sweep's file .*none.toml does not exist"):
        read_sweep(tmp_path / "none.toml")
    with pytest.raises(FileNotFoundError, match=r"gin_file none.gin does not exist"):
        read("", head='gin_file = "none.gin"')
    with pytest.raises(ValueError, match="gin_file is missing; name one"):
        read("", head="")
