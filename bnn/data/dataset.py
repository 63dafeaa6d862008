"""The one form in which data reaches training and evaluation."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from bnn.data import dataset_checks, nests
from bnn.data.fingerprint import fingerprint
from bnn.data.nests import Nest
from bnn.data.preparation import ArrayPreparation, NestPreparation, Preparation
from bnn.data.scaling import Scaling, TargetKind, TargetScaling

if TYPE_CHECKING:
    from bnn.data.batches import Batches

PARTS = ("train", "valid", "test")
_TASKS = {"labels": "classification", "values": "regression"}


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """A named set of examples, cut into training, validation and test parts, in numpy arrays.

    Inputs are float32 `[N, ...]` (int32 for token numbers), or a dict or a tuple of such arrays.
    Targets are one of the kinds of `target_kinds`, or a dict of them:

    - `"labels"`: int32 `[N]` in [0, num_classes); the default where num_classes is given;
    - `"label_map"`: int32 `[N, ...]`, a label a pixel or a token;
    - `"multi_label"`: int32 `[N, L]` of zeros and ones;
    - `"values"`: standardised, float32 `[N, D]`, `y_own_units = y * target_scale + target_loc`;
    - `"counts"`: float32 `[N, D]` of whole numbers of at least 0, in their own units.

    A part that does not exist has N = 0. For a dict of targets num_classes, target_loc,
    target_scale, target_kinds and class_names are dicts, too, that hold what is not None.

    Attributes:
      name: how errors, results and figures call the set.
      x_train, y_train, x_valid, y_valid, x_test, y_test: the parts.
      num_classes: labels lie in [0, num_classes); None for other kinds.
      target_loc, target_scale: float64 `[D]` in the target's own units; None for other kinds.
      input_loc, input_scale: what the loader subtracted from and divided the raw inputs by;
        broadcast to an example, a nest as the inputs; None where inputs were not standardised.
      weights_train, weights_valid, weights_test: float32 `[N]`, how much an example counts; None: 1
        each. Against the KL the training part counts as its weights' sum, while losses are still
        divided by N; metrics of the test part leave weights aside.
      rows_train, rows_valid, rows_test: int64 `[N]`, the examples' numbers in the source, by which
        splits of one table can be recognised; None: the parts one after the other. Of parts that
        are streamed, too.
      target_kinds: see above.
      target_names: of the columns of one target `[N, D]`, `[N, L]`.
      target_units: of targets that are numbers, by the name of their column, or of the target where
        targets are a dict; for tables and figures. None: unknown.
      class_names: of the labels 0, 1, ….
      feature_names: of the columns of inputs `[N, F]`.
      preparation: raw inputs to model inputs; None: reshape, and input_loc and input_scale.
      train_source: the training examples where they are streamed: x_train and y_train then have N
        = 0 and say shapes and types.
      augmentation: maps of the training examples (`bnn.data.augmentation`), applied in order.
      num_workers: processes that read and augment; 0: a thread. See `StreamedBatches`.
      test_source: the test examples where they are read block by block: x_test and y_test then have
        N = 0.

    Raises:
      ValueError: parts that disagree, a wrong type or shape, a value that is not finite, or a
        label outside the range; the message names the set, the part and the first bad row.
    """

    name: str
    x_train: Nest
    y_train: Nest
    x_valid: Nest
    y_valid: Nest
    x_test: Nest
    y_test: Nest
    num_classes: Any = None
    target_loc: Any = None
    target_scale: Any = None
    input_loc: Nest = None
    input_scale: Nest = None
    weights_train: np.ndarray | None = None
    weights_valid: np.ndarray | None = None
    weights_test: np.ndarray | None = None
    rows_train: np.ndarray | None = None
    rows_valid: np.ndarray | None = None
    rows_test: np.ndarray | None = None
    target_kinds: Any = None
    target_names: tuple[str, ...] | None = None
    class_names: Any = None
    feature_names: tuple[str, ...] | None = None
    preparation: Preparation | None = None
    train_source: Any = None
    augmentation: tuple[Any, ...] = ()
    num_workers: int = 0
    test_source: Any = None
    target_units: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        dataset_checks.check_dataset(self)

    def part(self, part: str) -> tuple[Nest, Nest]:
        """Returns `(x, y)` of the part "train", "valid" or "test".

        Raises:
          ValueError: no such part.
        """
        _check_part(part)
        return getattr(self, f"x_{part}"), getattr(self, f"y_{part}")

    def weights(self, part: str) -> np.ndarray | None:
        """Returns the weights of a part, float32 `[N]`; None: every example counts 1."""
        _check_part(part)
        return getattr(self, f"weights_{part}")

    def batches(self, batch_size: int, seed: Any, share: tuple[int, int] = (0, 1)) -> Batches:
        """Returns the training part's batches, resident or streamed: see `training_batches`."""
        from bnn.data.training_batches import training_batches  # which knows of this class

        return training_batches(self, batch_size, seed, share=share)

    def rows(self, part: str) -> np.ndarray:
        """Returns the numbers of a part's examples in the source, int64 `[N]`."""
        _check_part(part)
        given = getattr(self, f"rows_{part}")
        if given is not None:
            return given
        sizes = {"train": self.num_train, "valid": self.num_valid, "test": self.num_test}
        start = sum(sizes[earlier] for earlier in PARTS[: PARTS.index(part)])
        return np.arange(start, start + sizes[part], dtype=np.int64)

    @property
    def num_train(self) -> int:
        """Training examples, without the validation part: what the KL is divided by.

        Augmentation does not change it: N counts what was observed.
        """
        if self.train_source is not None:
            return len(self.train_source)
        return len(nests.first(self.x_train))

    @property
    def num_valid(self) -> int:
        """Validation examples; 0 without a validation part."""
        return len(nests.first(self.x_valid))

    @property
    def num_test(self) -> int:
        """Test examples."""
        if self.test_source is not None:
            return len(self.test_source)
        return len(nests.first(self.x_test))

    @property
    def input_shape(self) -> Any:
        """The shape of one input, in the structure of the inputs."""
        return nests.mapped(lambda x: x.shape[1:], self.x_train)

    @property
    def kinds(self) -> Any:
        """The kind of the targets, in their structure (see the class)."""
        return nests.mapped(
            lambda _, kind, classes: kind or ("values" if classes is None else "labels"),
            self.y_train,
            _complete(self.y_train, self.target_kinds),
            _complete(self.y_train, self.num_classes),
        )

    @property
    def tasks(self) -> Any:
        """What is to be predicted, in the structure of the targets."""
        return nests.mapped(lambda kind: _TASKS.get(kind, kind), self.kinds)

    @property
    def task(self) -> str:
        """What the targets are: "classification" for labels, "regression" for values.

        "label_map", "multi_label" and "counts" for those, "multiple" for a dict.
        """
        return "multiple" if isinstance(self.y_train, dict) else self.tasks

    @property
    def num_targets(self) -> Any:
        """D or L, the values an example has to predict; None for labels."""
        return nests.mapped(
            lambda y, kind: None if kind.startswith("label") else y.shape[1],
            self.y_train,
            self.kinds,
        )

    @functools.cached_property
    def scaling(self) -> Scaling:
        """How raw inputs become the model's, and outputs the targets' own units; JSON-able."""
        targets = nests.mapped(
            _target_scaling,
            self.kinds,
            *(
                _complete(self.y_train, values)
                for values in (
                    self.num_classes,
                    self.target_loc,
                    self.target_scale,
                    self.class_names,
                )
            ),
        )
        if self.target_names is not None:
            targets = dataclasses.replace(targets, names=self.target_names)
        inputs = self.preparation or _default_preparation(self)
        return Scaling(self.name, inputs, targets, self.feature_names)

    @functools.cached_property
    def fingerprint(self) -> str:
        """32 hexadecimal digits that tell this content of all parts, and its scaling, from others.

        Of a part that is streamed, length and scaling count, and a few examples.
        """
        arrays = [
            leaf
            for part in PARTS
            for label, nest in zip((f"x_{part}", f"y_{part}"), self.part(part), strict=True)
            for leaf in nests.leaves(label, nest)
        ]
        arrays += [
            (f"weights_{part}", weights)
            for part in PARTS
            if (weights := self.weights(part)) is not None
        ]
        if self.train_source is not None:
            arrays += dataset_checks.probe(self.train_source)
        about = [self.num_train, self.scaling.to_json()]
        if self.test_source is not None:
            arrays += [(f"test {n}", value) for n, value in dataset_checks.probe(self.test_source)]
            about.append(self.num_test)
        return fingerprint(arrays, about)

    def to_own_units(self, y: Nest) -> Nest:
        """Returns standardised targets or predictions `[..., D]` in the target's own units.

        Raises:
          ValueError: labels have no units.
        """
        return self.scaling.to_own_units(y)

    def prepare_inputs(self, raw: Any) -> Nest:
        """Returns raw inputs `[N, ...]` as the set's own were prepared: `[N, *input_shape]`.

        Raw means before standardisation: pixels in [0, 1], features in their own units; for tables
        rows as in the file, for texts texts. Use it for new inputs and for another set's images
        (out-of-distribution tests).

        Raises:
          ValueError: an example has another number of values than the set's; for tables a column
            that is missing or of another type, or a category that was not in the training part.
        """
        return self.scaling.prepare_inputs(raw)

    def __repr__(self) -> str:
        if self.task == "classification":
            targets = f"classification, {self.num_classes} classes"
        elif self.task == "multiple":
            targets = "targets " + ", ".join(f"{key}: {task}" for key, task in self.tasks.items())
        else:
            targets = f"{self.task}, D = {self.num_targets}"
        streamed = "" if self.train_source is None else " streamed"
        return (
            f"Dataset({self.name}: {targets}, inputs {self.input_shape}, "
            f"{self.num_train} train{streamed}, {self.num_valid} valid, {self.num_test} test)"
        )


def _check_part(part: str) -> None:
    if part not in PARTS:
        raise ValueError(f"part must be one of {', '.join(PARTS)}, got {part!r}.")


def _complete(nest: Nest, given: Any) -> Any:
    """A value for every target: those that a dict leaves out are None."""
    if not isinstance(nest, dict):
        return given
    return {key: (given or {}).get(key) for key in nest}


def _target_scaling(
    kind: TargetKind,
    num_classes: int | None,
    loc: np.ndarray | None,
    scale: np.ndarray | None,
    names: tuple[str, ...] | None,
) -> TargetScaling:
    classes = None if num_classes is None else int(num_classes)
    return TargetScaling(kind, classes, loc, scale, names)


def _default_preparation(dataset: Dataset) -> Preparation:
    parts = nests.mapped(
        lambda x, loc, scale: ArrayPreparation(x.shape[1:], loc, scale, x.dtype == np.int32),
        dataset.x_train,
        dataset.input_loc,
        dataset.input_scale,
    )
    return parts if isinstance(parts, Preparation) else NestPreparation(parts)
