"""What an audit found, and how it says it."""

from __future__ import annotations

import dataclasses

from bnn.diagnostics.report import Verdict
from bnn.formatting import html_table


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
      name: of the check.
      verdict: see `bnn.diagnostics.Verdict`.
      words: what was seen, with numbers, and the remedy where it is wrong.
    """

    name: str
    verdict: Verdict
    words: str


@dataclasses.dataclass(frozen=True)
class Audit:
    """What an audit found; `str` says it, `ok` is whether nothing failed.

    Attributes:
      findings: in the order of the checks.
    """

    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether no check failed."""
        return not self.failed

    @property
    def failed(self) -> tuple[Finding, ...]:
        """The findings that failed."""
        return tuple(f for f in self.findings if f.verdict is Verdict.FAIL)

    def __str__(self) -> str:
        """One line a finding."""
        return (
            "\n".join(f"{f.verdict.value:>10}  {f.name}: {f.words}" for f in self.findings) + "\n"
        )

    def _repr_html_(self) -> str:
        """The table for notebooks."""
        rows = [(f.verdict.value, f.name, f.words) for f in self.findings]
        verdict = "nothing failed" if self.ok else f"{len(self.failed)} failed"
        return html_table(f"Audit: {verdict}", ("verdict", "check", "what was seen"), rows)
