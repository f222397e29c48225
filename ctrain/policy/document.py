"""YAML text -> plain values that know their lines; everything odd in the text is an error here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML
from ruamel.yaml.composer import MaxDepthExceededError
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode

if TYPE_CHECKING:
    from ruamel.yaml.nodes import Node

KeyPath = tuple[str | int, ...]
"""Where a value stands in a file: keys and positions from the outside in."""

MAX_CHARACTERS = 256 * 1024
MAX_VALUES = 50_000
MAX_DEPTH = 40

_TAG = "tag:yaml.org,2002:"


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault of a policy: where it stands and what was expected there."""

    path: KeyPath
    message: str
    line: int | None = None


@dataclass(slots=True)
class Document:
    """The values of a YAML text, the line of every key, and what was wrong with the text."""

    values: Any = None
    lines: dict[KeyPath, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    unread: set[KeyPath] = field(default_factory=set)
    """Where a value stands that could not be read."""

    def line_of(self, path: KeyPath) -> int:
        """Return the line of ``path``, or of the nearest part around it that has one."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def read_document(text: str) -> Document:
    r"""Return the values of a YAML 1.2 text; aliases are expanded up to a bound.

    >>> read_document("on: no\nat: 22:00\n").values
    {'on': 'no', 'at': '22:00'}
    """
    document = Document()
    if len(text) > MAX_CHARACTERS:
        document.problems.append(Problem((), f"the file is longer than {MAX_CHARACTERS} characters", 1))
        return document
    try:
        root = _parser().compose(text)
        if root is not None:
            document.values = _Reader(document).read(root, ())
    except MaxDepthExceededError as error:
        message = f"the YAML is nested more than {MAX_DEPTH} deep"
        document.problems.append(Problem((), message, error.problem_mark.line + 1))
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        message = ", ".join(part for part in (error.context, error.problem) if part)
        document.problems.append(Problem((), f"not YAML: {message}", mark.line + 1 if mark else 1))
    except (YAMLError, ValueError, AttributeError, TypeError, IndexError, KeyError) as error:
        # ruamel meets some broken directives, anchors and escapes with plain Python errors.
        document.problems.append(Problem((), f"not YAML: {' '.join(str(error).split())}", 1))
    return document


def _parser() -> YAML:
    parser = YAML(typ="safe", pure=True)
    parser.max_depth = MAX_DEPTH
    parser.composer.warn_double_anchors = False  # an anchor may be used again; that is no mistake in YAML
    return parser


class _TooLarge(ValueError):
    """Raised to stop the expansion of aliases."""


class _Reader:
    """Turns nodes into values, noting lines and problems in a document."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._count = 0

    def read(self, node: Node, path: KeyPath) -> Any:
        self._count += 1
        line: int = node.start_mark.line + 1
        self._document.lines.setdefault(path, line)
        if self._count > MAX_VALUES:
            raise _TooLarge(f"more than {MAX_VALUES} values, aliases expanded")
        if len(path) > MAX_DEPTH:
            raise _TooLarge(f"nested more than {MAX_DEPTH} deep")
        if isinstance(node, MappingNode) and node.tag == f"{_TAG}map":
            return self._mapping(node, path)
        if isinstance(node, SequenceNode) and node.tag == f"{_TAG}seq":
            return [self.read(item, (*path, position)) for position, item in enumerate(node.value)]
        if isinstance(node, ScalarNode):
            return self._scalar(node, path)
        return self._unread(path, line, str(node.tag))

    def _mapping(self, node: MappingNode, path: KeyPath) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, ScalarNode):
                self._note(path, line, "expected a plain key")
                continue
            key = str(key_node.value)
            if key in values:
                first = self._document.lines[(*path, key)]
                self._note((*path, key), line, f"the key is there twice, first in line {first}")
                continue
            self._document.lines[(*path, key)] = line
            values[key] = self.read(value_node, (*path, key))
        return values

    def _scalar(self, node: ScalarNode, path: KeyPath) -> Any:
        kind = str(node.tag).removeprefix(_TAG)
        if kind in ("str", "timestamp", "merge", "value"):
            return node.value
        if kind not in _SCALARS:
            return self._unread(path, node.start_mark.line + 1, str(node.tag))
        return _SCALARS[kind](node.value)

    def _unread(self, path: KeyPath, line: int, tag: str) -> None:
        self._document.unread.add(path)
        self._note(path, line, f"the tag {tag!r} is not part of a policy")

    def _note(self, path: KeyPath, line: int, message: str) -> None:
        self._document.problems.append(Problem(path, message, line))


def _integer(text: str) -> int | str:
    """YAML 1.2: ``0o17`` is octal, ``017`` is seventeen; numbers of absurd length stay text."""
    digits = text.replace("_", "")
    if len(digits) > 40:
        return text
    sign = -1 if digits.startswith("-") else 1
    digits = digits.lstrip("+-")
    base = {"0x": 16, "0o": 8, "0b": 2}.get(digits[:2].lower(), 10)
    return sign * int(digits[2:] if base != 10 else digits, base)


def _float(text: str) -> float:
    digits = text.replace("_", "").lower()
    if digits.lstrip("+-") in (".inf", ".nan"):
        return float(digits.replace(".", ""))
    return float(digits)


_SCALARS: dict[str, Callable[[str], Any]] = {
    "null": lambda _: None,
    "bool": lambda text: text.lower() == "true",
    "int": _integer,
    "float": _float,
}
