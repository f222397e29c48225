"""The reference tables of the README and the handbook, made from the code: commands, metrics, policy keys.

``python -m tests.support.reference`` (``make docs``) writes them where their markers stand; a test compares.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
HANDBOOK = ROOT / "deploy" / "handbook"


def commands_table() -> str:
    """One row per command, with what its help says."""
    from ctrain.cli import app

    rows = []
    for command in app.registered_commands:
        assert command.callback is not None
        text = (command.callback.__doc__ or "").strip().splitlines()[0]
        rows.append((f"`ctrain {command.name}`", text))
    for group in app.registered_groups:
        assert group.typer_instance is not None
        for command in group.typer_instance.registered_commands:
            assert command.callback is not None
            text = (command.callback.__doc__ or "").strip().splitlines()[0]
            rows.append((f"`ctrain {group.name} {command.name}`", text))
    return table(("command", "does"), rows)


def metrics_table() -> str:
    """One row per metric of the catalog."""
    from ctrain.telemetry import CATALOG, PREFIX

    rows = [
        (f"`{PREFIX}{one.name}`", one.kind.value, ", ".join(f"`{label}`" for label in one.labels), one.help)
        for one in CATALOG.values()
    ]
    return table(("metric", "kind", "labels", "meaning"), rows)


def notices_table() -> str:
    """One row per word of ``notify[].on``."""
    from ctrain.policy.notify_kinds import NOTICE_KINDS

    rows = [
        (f"`{word}`", kind.level, kind.meaning + ("" if kind.subject else "; told each time"))
        for word, kind in NOTICE_KINDS.items()
    ]
    return table(("word", "level", "meaning"), rows)


def policy_table() -> str:
    """One row per key that a policy may have; examples are from policies that are valid."""
    from tests.support.policy_keys import examples, policy_keys

    shown = examples()
    rows = [
        (
            f"`{one.path}`" + (f" ({one.kind})" if one.kind else ""),
            one.type,
            one.default,
            shown[one],
            one.text,
        )
        for one in policy_keys()
    ]
    return table(("key", "type", "default", "example", "meaning"), rows)


def routes_table() -> str:
    """One row per operation of the HTTP API, with the role that it needs."""
    from fastapi.routing import iter_route_contexts

    from ctrain.web.api import router
    from ctrain.web.auth import ORDER, Needs

    rows = []
    for route in iter_route_contexts(router.routes):
        if route.include_in_schema:
            calls = [part.call for part in route.dependant.dependencies]
            role = max((one.role for one in calls if isinstance(one, Needs)), key=ORDER.index)
            text = (route.endpoint.__doc__ or "").strip().splitlines()[0] if route.endpoint else ""
            rows += [(f"`{method} {route.path}`", role.value, text) for method in sorted(route.methods or ())]
    return table(("operation", "role", "does"), sorted(rows, key=lambda row: row[0].partition(" ")[2]))


TABLES: dict[str, Callable[[], str]] = {
    "commands": commands_table,
    "routes": routes_table,
    "metrics": metrics_table,
    "notices": notices_table,
    "policy keys": policy_table,
}


def table(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [" | ".join(columns), " | ".join("---" for _ in columns)]
    lines += [" | ".join(cell.replace("|", "\\|") for cell in row) for row in rows]
    return "\n".join(f"| {line} |" for line in lines)


def section(text: str, name: str) -> str:
    """What stands between the markers of a table in a document."""
    match = re.search(_marked(name), text, re.DOTALL)
    assert match, f"no markers of the table of {name}"
    return match["body"].strip()


def pages() -> list[Path]:
    """The README and the pages of the handbook."""
    return [README, *sorted(HANDBOOK.glob("*.md"))]


def page_of(name: str) -> Path:
    """The one page with the markers of a table."""
    (found,) = [page for page in pages() if f"<!-- {name} -->" in page.read_text()]
    return found


def with_table(text: str, name: str) -> str:
    """The document with the table made anew."""
    section(text, name)
    body = f"<!-- {name} -->\n{TABLES[name]()}\n<!-- end of {name} -->"
    before, after = re.split(_marked(name).replace("?P<body>", "?:"), text, maxsplit=1, flags=re.DOTALL)
    return before + body + after


def _marked(name: str) -> str:
    return rf"<!-- {name} -->(?P<body>.*?)<!-- end of {name} -->"


if __name__ == "__main__":
    from tests.support.grafana.written import write as write_dashboards

    for name in TABLES:
        page = page_of(name)
        page.write_text(with_table(page.read_text(), name))
    write_dashboards()
