"""What the code itself must not do: statements put together from text, code from data, open servers."""

from __future__ import annotations

import ast
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "ctrain").rglob("*.py"))
RUN_SQL = frozenset(
    {"text", "execute", "exec_driver_sql", "executemany", "executescript", "DDL", "literal_column"}
)
OUR_OWN_WORDS = {
    "ctrain/store/postgres.py": ("BEGIN ISOLATION LEVEL ",),
    "ctrain/store/sqlite.py": ("PRAGMA query_only=", "PRAGMA busy_timeout="),
    "ctrain/store/sqlite_upkeep.py": ("PRAGMA integrity_check(",),
}
"""Statements whose formatted parts are constants and lengths of time, by how they begin."""
EVALUATES = frozenset({"eval", "exec", "compile"})
LOADS_CODE = frozenset({"pickle", "marshal", "shelve", "dill", "joblib"})


@dataclass
class Findings:
    """What one module does that it might have to answer for."""

    statements: list[str] = field(default_factory=list)
    """Statements that are run and were put together, at the call or by the name that they go by."""
    imports: list[str] = field(default_factory=list)
    evaluated: list[str] = field(default_factory=list)


def is_formatted(node: ast.AST) -> bool:
    """True for text that is put together: f-strings with values, ``%``, ``+`` and ``.format``."""
    match node:
        case ast.JoinedStr(values=values):
            return any(isinstance(value, ast.FormattedValue) for value in values)
        case ast.BinOp(left=left, right=right):
            texts = any(isinstance(one, ast.JoinedStr | ast.Constant) for one in (left, right))
            return isinstance(node.op, ast.Add | ast.Mod) and texts
        case ast.Call(func=ast.Attribute(attr="format" | "join" | "replace")):
            return True
    return False


def findings(code: str) -> Findings:
    found, named, run = Findings(), dict[str, ast.AST](), list[ast.expr]()
    for node in ast.walk(ast.parse(code)):
        match node:
            case ast.Assign(targets=[ast.Name(id=target)], value=value) if is_formatted(value):
                named[target] = value
            case ast.Import(names=names):
                found.imports += [one.name for one in names]
            case ast.ImportFrom(module=str(module)):
                found.imports.append(module)
            case ast.Call():
                name = called(node)
                run += node.args if name in RUN_SQL else []
                shell = any(one.arg == "shell" for one in node.keywords)
                if shell or name in {"system", "popen"} or getattr(node.func, "id", "") in EVALUATES:
                    found.evaluated.append(ast.unparse(node))
    values = [named.get(one.id, one) if isinstance(one, ast.Name) else one for one in run]
    found.statements = [ast.unparse(one) for one in values if is_formatted(one)]
    return found


def called(node: ast.Call) -> str:
    """The last part of the name that is called."""
    return node.func.attr if isinstance(node.func, ast.Attribute) else str(getattr(node.func, "id", ""))


@pytest.fixture(scope="module")
def modules() -> dict[str, Findings]:
    """By path, all of ctrain."""
    return {path.relative_to(ROOT).as_posix(): findings(path.read_text()) for path in SOURCES}


def test_statements_are_never_put_together_from_text(modules: dict[str, Findings]) -> None:
    found = {}
    for name, one in modules.items():
        known = OUR_OWN_WORDS.get(name, ())
        strange = [made for made in one.statements if not any(words in made for words in known)]
        if strange and uses_sql(one) and "/migrations/" not in name:
            found[name] = strange
    assert found == {}


def uses_sql(module: Findings) -> bool:
    return any(name.partition(".")[0] in {"sqlalchemy", "sqlite3", "psycopg"} for name in module.imports)


@pytest.mark.parametrize(
    "code",
    [
        "text(f'DELETE FROM runs WHERE id = {name}')",
        "connection.execute('SELECT ' + column)",
        "cursor.execute('SELECT %s' % column)",
        "connection.exec_driver_sql('SELECT {}'.format(column))",
        "query = f'SELECT {column}'\ncursor.execute(query)",
    ],
)
def test_a_statement_that_is_put_together_would_be_found(code: str) -> None:
    assert findings(code).statements


def test_a_statement_with_parameters_is_none_of_them() -> None:
    code = "connection.execute(select(t).where(t.c.id == name))\ntext(f'BEGIN')\ntext(ACTIVE)\n"
    assert findings(code).statements == []


def test_only_children_load_what_can_hold_code(modules: dict[str, Findings]) -> None:
    """The daemon unpickles nothing; ``ctrain.child`` loads models, once their digests were checked."""
    found = {
        name: loaded
        for name, one in modules.items()
        if (loaded := LOADS_CODE & {each.partition(".")[0] for each in one.imports})
        and not name.startswith("ctrain/child/")
    }
    assert found == {}


def test_the_daemon_imports_nothing_of_dask() -> None:
    """Agents and workers are processes of their own; of them the daemon knows names."""
    code = "import sys; from ctrain.app import daemon, wiring; wiring.open_shell; "
    code += "import ctrain.launchers.dask, ctrain.app.cluster_scoring, ctrain.app.cluster_panes; "
    code += "print([name for name in sys.modules if name.partition('.')[0] in ('dask', 'distributed')])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_nothing_is_evaluated_and_no_shell_is_started(modules: dict[str, Findings]) -> None:
    assert {name: one.evaluated for name, one in modules.items() if one.evaluated} == {}
