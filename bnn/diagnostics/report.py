"""The result of a set of checks: one row a check, one verdict a row."""

from __future__ import annotations

import dataclasses
import enum
import html

from bnn.diagnostics.row_words import in_words
from bnn.formatting import html_table


class Verdict(enum.Enum):
    """What a check found.

    UNRESOLVED means that the draws were too few, or too heavy-tailed, to see a defect of the size
    that the check has to exclude: neither sound nor failed, and not `ok`.
    """

    PASS = "pass"
    FAIL = "FAIL"
    SKIP = "skip"
    UNRESOLVED = "unresolved"


@dataclasses.dataclass(frozen=True)
class Row:
    """One check.

    Attributes:
      name: of the check, such as `"output variance"`.
      statistic: largest deviation found, relative to the size of the exact quantity.
      limit: of |z| where there is one, else of |statistic|.
      z: deviation in standard errors, skewness removed; None for checks that no chance enters.
      verdict: see `Verdict`.
      note: what was compared, or why the check does not apply.
    """

    name: str
    statistic: float
    limit: float
    z: float | None
    verdict: Verdict
    note: str = ""


def exact_row(name: str, difference: float, tolerance: float, note: str = "") -> Row:
    """A row without chance: passes where |difference| ≤ tolerance; NaN fails."""
    verdict = Verdict.PASS if abs(difference) <= tolerance else Verdict.FAIL
    return Row(name, float(difference), tolerance, None, verdict, note)


def truth_row(name: str, holds: bool, note: str = "") -> Row:
    """A row for a statement that holds or does not."""
    return exact_row(name, 0.0 if holds else 1.0, 0.0, note)


def skipped_row(name: str, reason: str) -> Row:
    """A row for a check that does not apply."""
    return Row(name, 0.0, 0.0, None, Verdict.SKIP, reason)


@dataclasses.dataclass(frozen=True)
class Report:
    """What a set of checks found; `str` gives the table, and what its failures mean.

    Attributes:
      title: what was checked.
      rows: the checks.
      num_draws: random draws behind the statistical rows.
      false_alarm_rate: probability that a sound subject has a failed row.
    """

    title: str
    rows: tuple[Row, ...]
    num_draws: int
    false_alarm_rate: float

    @property
    def ok(self) -> bool:
        """Whether every check passed or did not apply."""
        return all(row.verdict in (Verdict.PASS, Verdict.SKIP) for row in self.rows)

    @property
    def failures(self) -> tuple[Row, ...]:
        """The rows that failed or stayed unresolved."""
        return tuple(r for r in self.rows if r.verdict not in (Verdict.PASS, Verdict.SKIP))

    @property
    def skipped(self) -> tuple[Row, ...]:
        """The rows of checks that do not apply, or that nothing is known to compare with."""
        return tuple(r for r in self.rows if r.verdict is Verdict.SKIP)

    @property
    def explanations(self) -> dict[str, str]:
        """Of every failed row, by its name, what that means and where to look."""
        failed = (row.name for row in self.rows if row.verdict is Verdict.FAIL)
        return {name: words for name in failed if (words := in_words(name))}

    @property
    def summary(self) -> str:
        """Whether all is well, and what was not looked at: "1 FAILED; not checked: gradient"."""
        verdicts = [row.verdict for row in self.failures]
        counts = {
            "FAILED": verdicts.count(Verdict.FAIL),
            "unresolved": verdicts.count(Verdict.UNRESOLVED),
        }
        said = ", ".join(f"{count} {what}" for what, count in counts.items() if count) or "ok"
        names = ", ".join(row.name for row in self.skipped)
        return f"{said}; not checked: {names}" if names else said

    def __getitem__(self, name: str) -> Row:
        """The row of this name; KeyError with the names there are."""
        for row in self.rows:
            if row.name == name:
                return row
        raise KeyError(f"no check {name!r} in this report; it has {[r.name for r in self.rows]}")

    def _repr_html_(self) -> str:
        """The table for notebooks, and what its failures mean."""
        rows = [
            (
                row.name,
                f"{row.statistic:.2g}",
                "" if row.z is None else f"{row.z:.2f}",
                f"{row.limit:.2g}",
                row.verdict.value,
                row.note,
            )
            for row in self.rows
        ]
        headings = ("check", "statistic", "z", "limit", "verdict", "note")
        said = (html.escape(f"{name}: {words}") for name, words in self.explanations.items())
        paragraphs = "".join(f"<p>{each}</p>" for each in said)
        return html_table(f"{self.title}: {self.summary}", headings, rows) + paragraphs

    def __str__(self) -> str:
        """Title, table, and a line for every failure that says what it means."""
        width = max((len(row.name) for row in self.rows), default=5)
        lines = [
            f"{self.title}: {self.summary} "
            f"({self.num_draws} draws, false-alarm rate {self.false_alarm_rate:.0e})",
            f"  {'check':<{width}}  {'statistic':>10}  {'z':>7}  {'limit':>7}  verdict",
        ]
        for row in self.rows:
            z = "" if row.z is None else f"{row.z:.2f}"
            lines.append(
                f"  {row.name:<{width}}  {row.statistic:>10.2g}  {z:>7}  {row.limit:>7.2g}  "
                f"{row.verdict.value}{f'  ({row.note})' if row.note else ''}"
            )
        lines += [f"{name}: {words}" for name, words in self.explanations.items()]
        return "\n".join(lines)
