"""The command line starts at once: what it imports is a closed list."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
OWN = {"ctrain", "typer", "annotated_doc", "shellingham", "click", "rich", "colorama"}
"""``typer`` and what it brings; rich is loaded when help or a table is printed."""
FOR_POLICIES = OWN | {
    "annotated_types",
    "cronsim",
    "pydantic",
    "pydantic_core",
    "ruamel",
    "typing_extensions",
    "typing_inspection",
    "tzdata",
}
HEAVY = {"numpy", "pandas", "pyarrow", "mlflow", "scipy", "sqlalchemy", "evidently", "river", "sklearn"}
LIST_MODULES = """
import json, sys
{statement}
top = {{name.partition(".")[0] for name in sys.modules}}
print(json.dumps(sorted(name for name in top - sys.stdlib_module_names if not name.startswith("_"))))
"""


def third_party(statement: str) -> set[str]:
    code = LIST_MODULES.format(statement=statement)
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_the_command_line_loads_no_more_than_listed() -> None:
    loaded = third_party("import ctrain.cli")
    assert loaded <= OWN
    assert not loaded & HEAVY


def test_the_daemon_parses_no_requests_of_strangers() -> None:
    loaded = third_party("import ctrain.app.daemon, ctrain.app.web_child, ctrain.web, ctrain.web.server")
    assert not loaded & {"fastapi", "starlette", "uvicorn", "h11", "httptools", "jinja2", "multipart"}


def test_validating_loads_no_more_than_listed() -> None:
    path = ROOT / "tests" / "unit" / "policy_files" / "minimal.yaml"
    loaded = third_party(
        "from typer.testing import CliRunner; from ctrain.cli import app; "
        f"result = CliRunner().invoke(app, ['validate', {str(path)!r}]); "
        "assert result.exit_code == 0, result.output"
    )
    assert loaded <= FOR_POLICIES
    assert "pydantic" in loaded
    assert not loaded & HEAVY
