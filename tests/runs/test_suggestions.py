"""A name that gin does not know is answered with the nearest that it does."""

import collections
import pathlib
import re

import gin
import pytest

import bnn.experiment
from bnn.runs.configuration import find, parse

CONFIG = str(pathlib.Path(__file__).parents[2] / "gin_configs" / "digits.gin")


@pytest.mark.parametrize(
    ("binding", "answer"),
    [
        ("run.epoch = 3", "save_seconds. Did you mean epochs?"),
        ("run.optimizer = @Flipoot()", "Did you mean Flipout?"),
        ("VariationalInference.estimater = 1", "Did you mean estimator?"),
        ("VariationalInferense.estimator = 1", "Did you mean VariationalInference?"),
        ("learning_rate/Cosin.value = 1", "Did you mean Cosine"),
        ("run.method = @map()", "Did you mean MAP"),
        ("run.optimizer = @posteriors.Pont()", "Did you mean bnn.posteriors.Point?"),
        ("run.optimizer = @zzzzqqqq()", "import my_module"),
        ("run.optimizer = Adam", "Write a text with quotes, 'Adam', and an object with its sign"),
    ],
)
@pytest.mark.usefixtures("clean_gin")
def test_the_nearest_name_is_said(binding, answer):
    with pytest.raises(ValueError, match=r"No conf|Configurable|a value of Python") as caught:
        parse([CONFIG], [binding])
    first = str(caught.value).splitlines()[0]
    assert answer in first
    assert binding in str(caught.value) or "'Adam'" in str(caught.value)


@pytest.mark.usefixtures("clean_gin")
def test_a_name_like_no_other_has_no_guess():
    with pytest.raises(ValueError, match="doesn't have a parameter named 'qqqq'") as caught:
        parse([CONFIG], ["run.qqqq = 3"])
    assert "Did you mean" not in str(caught.value)
    gin.clear_config()
    parse([CONFIG], ["run.epochs = 3"])
    assert gin.query_parameter("run.epochs") == 3


def _shared():
    """Names that several parts of bnn have, with their places."""
    places = collections.defaultdict(list)
    for selector in gin.config._REGISTRY._selector_map:
        if selector.startswith("bnn."):
            places[selector.rpartition(".")[2]].append(selector.removeprefix("bnn."))
    return {name: sorted(found) for name, found in places.items() if len(found) > 1}


def test_the_page_on_gin_names_what_several_parts_share():
    page = (pathlib.Path(CONFIG).parents[1] / "docs/pages/gin.md").read_text(encoding="utf-8")
    line = page.partition("Where several parts share a name")[2].partition("\n- ")[0]
    assert set(re.findall(r"`([\w.]+)`", line)) == {p for ps in _shared().values() for p in ps}


@pytest.mark.parametrize("form", ["run.method = @{}()", "{}.scale = 1.0"])
@pytest.mark.parametrize("name", sorted(_shared()))
@pytest.mark.usefixtures("clean_gin")
def test_a_name_that_several_parts_share_is_answered_with_their_places(name, form):
    """No part is taken for another; each of the places that are named is read."""
    places = _shared()[name]
    with pytest.raises(ValueError, match=rf"Ambiguous .*; write {' or '.join(places)}\."):
        parse([CONFIG], [form.format(name)])
    for place in places:
        gin.clear_config()
        with pytest.raises(ValueError, match=rf"run\.data must be a Dataset .* got @{place}\(\)"):
            parse([CONFIG], [f"run.data = @{place}()"])


def test_shipped_files_are_found_in_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shipped = pathlib.Path(bnn.experiment.__file__).parent / "gin_configs" / "digits.gin"
    assert find("gin_configs/digits.gin") == find("digits.gin") == str(shipped)
    assert find("gin_configs/data/digits.gin") == str(shipped.parent / "data" / "digits.gin")
    (tmp_path / "digits.gin").write_text("")
    assert find("digits.gin") == "digits.gin"  # one's own goes before it
    for wrong in ("gin_configs/../__init__.py", "/gin_configs/digits.gin", "nowhere.gin"):
        with pytest.raises(FileNotFoundError, match=r"does not exist; .*digits\.gin"):
            find(wrong)
