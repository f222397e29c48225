"""Elements of SVG as safe markup: every value and text is escaped here, once."""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup, escape


def element(name: str, *content: str, **attributes: object) -> Markup:
    """An element; ``class_`` is the attribute ``class``, and ``_`` elsewhere stands for ``-``.

    >>> str(element("text", "a < b", class_="tick", text_anchor="end", x=1.50))
    '<text class="tick" text-anchor="end" x="1.5">a &lt; b</text>'
    """
    words = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_attribute(value)}"'
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    inner = "".join(escape(one) for one in content)
    text = f"<{name}{words}>{inner}</{name}>" if inner else f"<{name}{words}/>"
    return Markup(text)  # noqa: S704  # nosec B704 # escaped above


def joined(parts: Iterable[str]) -> Markup:
    """The parts one after the other; what is not markup is escaped."""
    return Markup("").join(parts)


def title(text: str) -> Markup:
    """What a pointer that rests on the element's parent is shown."""
    return element("title", text)


def number(value: float) -> str:
    """A coordinate with at most two digits after the point.

    >>> number(12.0), number(3.14159), number(-0.001)
    ('12', '3.14', '0')
    """
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def percent(share: float) -> str:
    """A place along the width.

    >>> percent(0.125)
    '12.5%'
    """
    return f"{number(100 * share)}%"


def _attribute(value: object) -> str:
    return number(value) if isinstance(value, float) else str(escape(value))
