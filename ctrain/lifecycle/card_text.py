"""Markdown of model cards: sections, tables, and texts of others in one line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

CUT = "\n\n*Cut here: the rest is on record in ctrain.*\n"


def section(title: str, lines: Iterable[str]) -> str:
    """Return the lines under a heading; nothing where there are none."""
    text = "\n".join(lines)
    return f"## {title}\n\n{text}" if text else ""


def fitting(text: str, most: int) -> str:
    """Return the text, cut at the end of a line when it has more than ``most`` characters."""
    if len(text) <= most:
        return text
    return text[: most - len(CUT)].rpartition("\n")[0] + CUT


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table."""
    yield f"| {' | '.join(head)} |"
    yield f"|{' --- |' * len(head)}"
    yield from (f"| {' | '.join(_cell(one) for one in row)} |" for row in rows)


def one_line(text: str) -> str:
    """Return the text in one line: Markdown gives line breaks and headings a meaning."""
    return " ".join(text.split())


def figure(value: float | None) -> str:
    """Return four digits that count; nothing for no number."""
    return "" if value is None else f"{value:.4g}"


def day(instant: str) -> str:
    """Return an instant to the minute."""
    return instant[:16].replace("T", " ")


def _cell(text: str) -> str:
    return one_line(text).replace("|", "\\|")
