import numpy as np
import pytest
import scipy.stats

from bnn.data import ArrayExamples, Dataset, augmented, training_batches
from bnn.data.augmentation import Crop, Cutout, Draws, Flip, Map, Mixup, Shift
from bnn.data.examples import Example

COUNT = 40


def _images(count: int = COUNT, side: int = 8) -> np.ndarray:
    values = np.arange(1, 1 + count * side * side * 2, dtype=np.float32)
    return values.reshape(count, side, side, 2)


def _apply(augment: Map, rows=None, seed=0, step=0, place=0, images=None) -> np.ndarray:
    images = _images() if images is None else images
    rows = np.arange(len(images)) if rows is None else np.asarray(rows)
    labels = np.zeros(len(rows), np.int32)
    return augment(Example(images[rows], labels), Draws(seed, step, rows, place)).inputs


ALL = [Flip(vertical=True), Crop(2), Shift(2), Cutout(4)]


@pytest.mark.parametrize("augment", ALL, ids=lambda a: type(a).__name__)
def test_an_example_is_augmented_by_seed_step_and_row_alone(augment):
    whole = _apply(augment)
    assert whole.shape == (COUNT, 8, 8, 2)
    assert whole.dtype == np.float32
    rows = [31, 2, 2, 17]  # wherever it stands in its batch
    np.testing.assert_array_equal(_apply(augment, rows), whole[rows])
    for other in ({"seed": 1}, {"seed": 2**40}, {"step": 1}, {"place": 1}):
        assert not np.array_equal(_apply(augment, **other), whole)
    np.testing.assert_array_equal(_apply(augment), whole)


@pytest.mark.parametrize("augment", ALL, ids=lambda a: type(a).__name__)
def test_what_was_given_is_not_changed(augment):
    images = _images()
    _apply(augment, images=images)
    np.testing.assert_array_equal(images, _images())


def test_flips_mirror_half_of_the_images_in_each_direction():
    images = _images(2000, 2)
    out = _apply(Flip(horizontal=True, vertical=True), images=images)
    forms = {
        (False, False): images,
        (True, False): images[:, :, ::-1],
        (False, True): images[:, ::-1],
        (True, True): images[:, ::-1, ::-1],
    }
    found = [(out == form).all(axis=(1, 2, 3)) for form in forms.values()]
    np.testing.assert_array_equal(np.sum(found, axis=0), 1)
    # Four chances of ¼; chi-square with 3 degrees of freedom, false alarm 1e-6.
    counts = np.sum(found, axis=1)
    assert np.square(counts - 500).sum() / 500 < scipy.stats.chi2.isf(1e-6, 3)
    only = _apply(Flip(), images=images)
    assert not (only == forms[False, True]).all(axis=(1, 2, 3)).any()


def test_shifts_move_by_every_distance_equally_often_and_bring_zeros_in():
    images = _images(2000, 5)
    out = _apply(Shift(1), images=images)
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)))
    found = np.stack(
        [
            (out == padded[:, i : i + 5, j : j + 5]).all(axis=(1, 2, 3))
            for i in range(3)
            for j in range(3)
        ]
    )
    np.testing.assert_array_equal(found.sum(axis=0), 1)
    expected = 2000 / 9
    chi_square = np.square(found.sum(axis=1) - expected).sum() / expected
    assert chi_square < scipy.stats.chi2.isf(1e-6, 8)


def test_crops_are_windows_of_the_reflected_image():
    images = _images(200, 5)
    out = _apply(Crop(2), images=images)
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0)), "reflect")
    found = np.stack(
        [
            (out == padded[:, i : i + 5, j : j + 5]).all(axis=(1, 2, 3))
            for i in range(5)
            for j in range(5)
        ]
    )
    assert found.any(axis=0).all()
    assert found.any(axis=1).all()


def test_cutout_takes_one_square_out():
    images = _images(500, 9)
    out = _apply(Cutout(4), images=images)
    hole = (out == 0).all(axis=-1)
    np.testing.assert_array_equal(out[~hole], images[~hole])
    heights, widths = hole.any(axis=2).sum(axis=1), hole.any(axis=1).sum(axis=1)
    np.testing.assert_array_equal(heights * widths, hole.sum(axis=(1, 2)))
    assert heights.max() == 4
    assert heights.min() == 2  # around an edge's pixel


def test_mixup_mixes_inputs_and_targets_alike():
    random = np.random.RandomState(0)
    x, labels = random.normal(size=(4000, 3)).astype(np.float32), np.arange(4000) % 4
    out = Mixup(alpha=0.4, num_classes=4)(
        Example(x, labels.astype(np.int32)), Draws(0, 0, np.arange(4000), 0)
    )
    partner = np.roll(x, -1, axis=0)
    share = out.targets[np.arange(4000), labels]
    np.testing.assert_allclose(out.targets.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(
        out.inputs, share[:, None] * x + (1 - share)[:, None] * partner, atol=1e-6
    )
    # λ ~ Beta(α, α); Kolmogorov and Smirnov, false alarm 1e-6.
    assert scipy.stats.kstest(share, scipy.stats.beta(0.4, 0.4).cdf).pvalue > 1e-6
    values = random.normal(size=(10, 2)).astype(np.float32)
    mixed = Mixup()(Example(values, values), Draws(0, 0, np.arange(10), 0))
    np.testing.assert_array_equal(mixed.inputs, mixed.targets)


def test_uniform_numbers_of_examples_steps_and_draws_are_uncorrelated():
    draws = [Draws(0, step, np.arange(5000), place) for step in (0, 1, 2**31) for place in (0, 1)]
    columns = np.concatenate([d.uniform(2) for d in draws] + [d.uniform(1) for d in draws], axis=1)
    z = (np.corrcoef(columns.T) - np.eye(columns.shape[1])) * np.sqrt(5000)
    assert np.abs(z).max() < 6  # 153 pairs at 6 sigma: false alarm 3e-7
    for column in columns.T:
        assert scipy.stats.kstest(column, "uniform").pvalue > 1e-7
    counts = np.bincount(Draws(1, 0, np.arange(9000), 0).integers(9, 1)[:, 0], minlength=9)
    assert np.square(counts - 1000).sum() / 1000 < scipy.stats.chi2.isf(1e-6, 8)


def _inputs(x: np.ndarray) -> dict:
    return {f"x_{part}": x for part in ("train", "valid", "test")}


def _data(**changes) -> Dataset:
    images, labels = _images(20), (np.arange(20) % 3).astype(np.int32)
    fields = {"name": "toy", "num_classes": 3}
    for part in ("train", "valid", "test"):
        fields |= {f"x_{part}": images, f"y_{part}": labels}
    return Dataset(**{**fields, **changes})


def test_augmented_changes_the_training_batches_alone():
    plain, data = _data(), augmented(_data(), [Flip(), Shift(1), Mixup()])
    assert (data.num_train, data.fingerprint) == (plain.num_train, plain.fingerprint)
    np.testing.assert_array_equal(data.x_test, plain.x_test)
    batch, same = training_batches(data, 6, 0).at(2), training_batches(data, 6, 0).at(2)
    assert batch.targets.shape == (6, 3)
    np.testing.assert_array_equal(batch.inputs, same.inputs)
    observed = list(training_batches(data, 6, 0).full())
    full = np.concatenate([b.inputs for b in observed])
    np.testing.assert_array_equal(full, plain.x_train)
    # As probabilities, as the likelihood of mixtures takes them.
    full = np.concatenate([b.targets for b in observed])
    np.testing.assert_array_equal(full, np.eye(3, dtype=np.float32)[plain.y_train])


def test_the_image_among_several_inputs():
    images, tokens = _images(6), np.ones((6, 2), np.int32)
    examples = Example({"a": images, "b": tokens}, np.zeros(6, np.int32))
    out = Shift(2, input="a")(examples, Draws(0, 0, np.arange(6), 0)).inputs
    np.testing.assert_array_equal(out["b"], tokens)
    assert not np.array_equal(out["a"], images)
    with pytest.raises(
        ValueError, match="Shift: input must name one of the inputs 'a', 'b', got N"
    ):
        Shift(2)(examples, Draws(0, 0, np.arange(6), 0))


def _parts(x, y, **fields) -> Dataset:
    for part in ("train", "valid", "test"):
        fields |= {f"x_{part}": x, f"y_{part}": y}
    return Dataset("scenes", **fields)


def _maps(labels: np.ndarray | None = None) -> Dataset:
    """Images whose pixels are their own labels, unless others are given."""
    y = np.random.RandomState(0).randint(0, 7, (20, 8, 8)).astype(np.int32)
    x, labels = y[..., np.newaxis].astype(np.float32), y if labels is None else labels
    return _parts(x, labels, num_classes=7, target_kinds="label_map")


@pytest.mark.parametrize("augment", [Flip(vertical=True), Crop(2)], ids=["flip", "crop"])
def test_labels_of_pixels_move_as_their_pixels(augment):
    data = _maps()
    batch = training_batches(augmented(data, [augment, augment]), 20, 0).at(1)
    plain = training_batches(data, 20, 0).at(1)
    np.testing.assert_array_equal(batch.inputs[..., 0], batch.targets)
    assert batch.targets.dtype == plain.targets.dtype
    moved = (batch.targets != plain.targets).numpy().any(axis=(1, 2))
    assert moved.sum() > 5
    # Of several targets the maps alone.
    sizes = np.arange(20, dtype=np.float32)[:, np.newaxis]
    kinds = {"mask": "label_map", "size": "counts"}
    examples = Example({"i": data.x_train}, {"mask": data.y_train, "size": sizes})
    several = _parts(*examples[:2], num_classes={"mask": 7}, target_kinds=kinds)
    [bound] = augmented(several, [augment]).augmentation
    out = bound(examples, Draws(0, 0, np.arange(20), 0))
    np.testing.assert_array_equal(out.inputs["i"][..., 0], out.targets["mask"])
    np.testing.assert_array_equal(out.targets["size"], sizes)
    assert not np.array_equal(out.targets["mask"], data.y_train)


def test_labels_of_pixels_stay_under_a_hole():
    data = _maps()
    batch = training_batches(augmented(data, [Cutout(3)]), 20, 0).at(0)
    plain = training_batches(data, 20, 0).at(0)
    np.testing.assert_array_equal(batch.targets, plain.targets)
    assert not np.array_equal(batch.inputs, plain.inputs)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: augmented(_maps(), [Shift(1)]),
            r"Shift takes targets of whole images, got a label for every pixel in targets, .* Crop",
        ),
        (
            lambda: augmented(_maps(np.zeros((20, 4, 4), np.int32)), [Flip()]),
            r"Flip moves label maps of the images' height and width, \(8, 8\), got labels of shape "
            r"\(4, 4\); bring them",
        ),
        (lambda: augmented(_data(), []), r"maps must be a list of augmentations .* got none"),
        (lambda: augmented(_data(), [Flip]), r"such as \[@Flip\(\)\], got <class"),
        (
            lambda: augmented(
                _data(**_inputs(_images(20).reshape(20, -1))),
                [Flip()],
            ),
            r"Flip takes float32 images \[B, height, .* shape \(2, 128\); load them with flatten=F",
        ),
        (lambda: augmented(_data(), [Crop(8)]), "Crop: padding must be less than .* 8 x 8, got 8"),
        (lambda: augmented(_data(), [Shift(9)]), "Shift: pixels must be less than"),
        (lambda: Crop(0), "Crop: padding must be a whole number of pixels of at least 1, got 0"),
        (lambda: Cutout(2.5), "Cutout: size must be a whole number of pixels .* got 2.5"),
        (lambda: Flip(horizontal=False), "Flip must be allowed horizontal or vertical, got"),
        (lambda: Mixup(alpha=0), "Mixup: alpha must be above 0, got 0; use 0.2"),
        (
            lambda: Mixup()(Example(_images(1), np.zeros(1, int)), Draws(0, 0, np.arange(1), 0)),
            "Mixup: num_classes must be given for labels",
        ),
        (
            lambda: augmented(
                _data(**_inputs(np.ones((20, 2), np.int32))),
                [Mixup()],
            ),
            "Mixup takes float32 inputs, got int32 in inputs; token numbers cannot be mixed",
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_before_training(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_arrays_alone_are_examples_too():
    examples = ArrayExamples("toy", _images(), np.zeros(COUNT, np.int32))
    assert examples[3].inputs.shape == (8, 8, 2)
