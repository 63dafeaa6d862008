import importlib.util

import pytest

from bnn.figures import learning_curve
from bnn.tracking import TensorBoard

INSTALLED = importlib.util.find_spec("tensorboard") is not None


def test_a_missing_package_names_the_extra(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"pip install 'bnn\[tensorboard\]'"):
        TensorBoard()


@pytest.mark.skipif(not INSTALLED, reason="needs the extra bnn[tensorboard]")
def test_scalars_figures_and_text_read_back(run_info):
    from tensorboard.backend.event_processing import event_accumulator
    from tensorboard.util import tensor_util

    run = run_info()
    image = run.workdir / "curve.png"
    learning_curve([{"step": 1, "nll": 1.0}, {"step": 2, "nll": 0.5}], image)
    tracker = TensorBoard()
    tracker.start(run)
    tracker.log(10, {"loss": 0.5})
    tracker.log(20, {"loss": 0.25})
    tracker.figure("curve", image, 20)
    tracker.finish({"nll": 0.1})
    events = event_accumulator.EventAccumulator(str(run.workdir / "tensorboard"))
    events.Reload()
    tensors = {tag: events.Tensors(tag) for tag in events.Tags()["tensors"]}
    loss = [(e.step, tensor_util.make_ndarray(e.tensor_proto).item()) for e in tensors["loss"]]
    assert loss == [(10, 0.5), (20, 0.25)]
    assert [event.step for event in tensors["curve"]] == [20]
    assert b"run.seed = 0" in tensors["config"][0].tensor_proto.string_val[0]
    assert b'"nll": 0.1' in tensors["results"][0].tensor_proto.string_val[0]
