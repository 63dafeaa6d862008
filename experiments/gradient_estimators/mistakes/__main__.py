"""Prints what both forms of the named mistakes give; of all where none is named."""

import sys

from experiments.gradient_estimators.mistakes.collection import MODULES, SEED
from experiments.gradient_estimators.mistakes.report import measure, show

for module in MODULES:
    if len(sys.argv) < 2 or module.__name__.split(".")[-1] in sys.argv:
        found = measure(module, 2000, SEED)
        print(f"{(module.__doc__ or '').splitlines()[0]}\n  exact gradient  {found.exact:.3f}")
        print(f"  wrong form      {show(found.wrong)}")
        print(f"  right form      {show(found.right)}  (z = {found.z:.1f})")
