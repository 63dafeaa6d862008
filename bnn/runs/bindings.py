"""Every gin binding is checked before anything is built: kinds by annotations, and ranges.

One layer at the root: a class needs no check of its own to be refused by name, with what it must
be, what it got, and what to write. Classes still check themselves what is more than a kind and a
range, and for those who build them in Python.
"""

from __future__ import annotations

import collections.abc
import inspect
from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

import gin

from bnn.runs.kinds import Made, Named, fits, kinds, result, words
from bnn.runs.ranges import Range, range_of

# What to write for an object of a kind, where it is no class with a constructor without arguments.
_EXAMPLES = {
    "BoundGradient": "@Plain()",
    "a function": "@mlp",
    "Dataset": "@digits()",
    "Estimator": "@Flipout()",
    "GradientNoiseProbe": "@GradientNoiseProbe()",
    "Likelihood": "@Categorical()",
    "Method": "@VariationalInference()",
    "Optimizer": "@keras.optimizers.Adam()",
    "Posterior": "@MeanFieldNormal()",
    "Prior": "@Normal()",
    "Schedule": "@LinearWarmup()",
    "Strategy": "@Mirrored()",
    "Tracker": "@WandB()",
}


def check_bindings(complete: bool = True) -> None:
    """Raises ValueError for the first of gin's bindings that is of another kind or out of range.

    The message names the parameter, what it must be, what it got, and what to write.

    Args:
      complete: whether what is bound is all there will be, so that an object's parameter without a
        default must have a value.
    """
    for (scope, selector), values in gin.config._CONFIG.items():
        configurable = gin.config._REGISTRY.get_match(selector)
        if configurable is None or selector.startswith("gin."):
            continue
        known = kinds(configurable.wrapped)
        name = f"{scope}/" * bool(scope) + selector.rpartition(".")[2]
        for parameter, value in values.items():
            if parameter not in known and selector.startswith("keras.optimizers."):
                raise ValueError(
                    f"{name}.{parameter} must be a parameter of {name}, got {value!r}; use "
                    f"one of {', '.join(known)}."
                )
            if parameter in known:
                allowed = range_of(selector, parameter)
                one = _Parameter(f"{name}.{parameter}", *known[parameter], allowed)
                one.check(value)
    for reference in gin.config.iterate_references(gin.config._CONFIG) if complete else ():
        if reference.evaluate and not reference.configurable.selector.startswith("gin."):
            _require_arguments(reference)


def require_root(given: Collection[str]) -> None:
    """Raises ValueError for a parameter of the root that neither gin nor Python gives.

    Args:
      given: names of what is given in Python.
    """
    root = gin.config._REGISTRY.get_match("run")
    bound = gin.config._CONFIG.get(("", root.selector), {})
    for parameter, (kind, default) in kinds(root.wrapped).items():
        if default is gin.REQUIRED and parameter not in {*given, *bound}:
            one = _Parameter(f"run.{parameter}", kind, None, range_of(root.selector, parameter))
            raise ValueError(
                f"{one.name} must be given, got nothing; in gin write for example {one.name} = "
                f"{one.example()}."
            )


def _require_arguments(reference: gin.config.ConfigurableReference) -> None:
    """Raises ValueError for a parameter without a default that has no binding."""
    selector, scopes = reference.configurable.selector, reference.scopes
    bound: set[str] = set()
    for depth in range(len(scopes) + 1):
        bound |= set(gin.config._CONFIG.get(("/".join(scopes[:depth]), selector), {}))
    for parameter, (kind, default) in kinds(reference.configurable.wrapped, own=True).items():
        if default is inspect.Parameter.empty and parameter not in bound:
            allowed = range_of(selector, parameter)
            name = "/".join([*scopes, selector.rpartition(".")[2]])
            one = _Parameter(f"{name}.{parameter}", kind, default, allowed)
            raise ValueError(
                f"{one.name} must be given, got nothing; in gin write for example {one.name} = "
                f"{one.example()}."
            )


class _Parameter(NamedTuple):
    """A parameter by its name in gin, with annotation, default and range."""

    name: str
    annotation: Any
    default: Any
    allowed: Range | None

    @property
    def kind(self) -> Any:
        return self.annotation if self.allowed is None else self.allowed.kind_of(self.annotation)

    def check(self, value: Any) -> None:
        """Raises ValueError for a value, as gin has it, that the parameter cannot have."""
        seen = as_known(value)
        if seen is self.default or (type(seen) is type(self.default) and seen == self.default):
            return
        requirement, numbers = words(self.kind), list(_numbers(seen))
        if self.allowed is not None and self.kind is not Any:
            requirement = self.allowed.words(requirement, numbers)
            if fits(self.kind, seen) and all(map(self.allowed.holds, numbers)):
                return
        elif fits(self.kind, seen):
            return
        given = repr(value) if len(repr(value)) < 200 else f"{repr(value)[:200]} …"
        remedy = self._remedy(value, seen)
        raise ValueError(f"{self.name} must be {requirement}, got {given}; {remedy}.")

    def _remedy(self, value: Any, seen: Any) -> str:
        if isinstance(seen, Named) and fits(self.kind, Made(result(seen.target), "")):
            return f"write {value!r}(), with the parentheses"
        if isinstance(seen, Made) and fits(self.kind, Named(object, "")):
            return f"write {repr(value).removesuffix('()')}, without parentheses"
        return f"in gin write for example {self.name} = {self.example()}"

    def example(self) -> str:
        """What could be written for the parameter."""
        if self.default is not None and isinstance(self.default, (bool, int, float, str, tuple)):
            return repr(self.default)
        text = words(self.kind)
        for name, example in _EXAMPLES.items():
            if f" {name} object" in text or text.startswith(name):
                if text.startswith("a dict"):
                    return f"{{'name': {example}}}"
                return f"[{example}]" if text.startswith("a list") else example
        least = max(1, self.allowed.least) if self.allowed is not None else 1
        for start, example in (
            ("a list", "[]"),
            ("a dict", "{}"),
            ("an integer", f"{least:g}"),
            ("a finite number", "1.0"),
            ("a text", "'name'"),
            ("True", "True"),
        ):
            if text.startswith(start):
                return example
        return "None" if "None" in text else repr(self.default)


def as_known(value: Any) -> Any:
    """The value as the kinds know it: references say what they give, macros what they stand for."""
    if isinstance(value, gin.config.ConfigurableReference):
        target = value.configurable.wrapped
        if value.configurable.selector == "gin.macro":
            held = gin.config._CONFIG.get(value.config_key, {})
            return as_known(held["value"]) if "value" in held else Made(None, repr(value))
        if value.configurable.selector.startswith("gin."):
            return Made(None, repr(value))
        return Made(result(target), repr(value)) if value.evaluate else Named(target, repr(value))
    if isinstance(value, collections.abc.Mapping):
        return {key: as_known(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(as_known(one) for one in value)
    return value


def _numbers(value: Any) -> Iterator[float]:
    """The numbers in a value, those in lists included."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        yield value
    elif isinstance(value, collections.abc.Mapping):
        yield from _numbers(list(value.values()))
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from _numbers(one)
