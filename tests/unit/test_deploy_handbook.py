"""The chapter on deployment says what is so: commands, files, units and values that it names are there."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ruamel.yaml import YAML
from typer.main import get_command

from ctrain.cli import app
from tests.support.deploy_tools import DEPLOY, ROOT, ask

TEXT = (DEPLOY / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.+?)^```", TEXT, re.MULTILINE | re.DOTALL)


NAMED = "".join(rf"(?<!{words} )" for words in ("--namespace", "install", "stop", "--name"))
"""Where ctrain is what something is called."""
CALL = re.compile(NAMED + r"\bctrain ((?!ctrain\b|with-secrets\b)[a-z]+\b[^#`\n]*)")


def options_of(words: list[str]) -> set[str] | None:
    """What the command takes; None for what is none."""
    command: Any = get_command(app)
    for word in words:
        command = getattr(command, "commands", {}).get(word)
    return {one for param in command.params for one in param.opts} if command is not None else None


def typed() -> list[list[str]]:
    """Each call of ctrain that a reader is told to type, in words."""
    lines = [line for kind, block in BLOCKS if kind == "console" for line in block.splitlines()]
    code = [
        *lines,
        *re.findall(r"`([^`\n]*ctrain [^`\n]+)`", re.sub(r"^```.*?^```", "", TEXT, flags=re.M | re.S)),
    ]
    return [found.group(1).split() for line in code if (found := CALL.search(line)) is not None]


def test_every_call_is_one() -> None:
    calls = typed()
    assert len(calls) > 15
    for words in calls:
        length = 2 if words[0] in {"db", "audit", "token"} else 1
        options = options_of(words[:length])
        assert options is not None, words
        assert {word for word in words if word.startswith("--")} <= options, words


def test_files_that_are_named_exist() -> None:
    named = set(re.findall(r"(?<!exec )\bdeploy/[\w./-]+\w", TEXT))
    assert len(named) > 5
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_values_that_are_shown_are_values_of_the_chart() -> None:
    (shown,) = [block for kind, block in BLOCKS if kind == "yaml"]
    values = YAML(typ="safe").load(shown)
    assert values.keys() <= YAML(typ="safe").load(DEPLOY / "helm" / "ctrain" / "values.yaml").keys()


def test_the_values_that_are_shown_work(tmp_path_factory: pytest.TempPathFactory) -> None:
    (shown,) = [block for kind, block in BLOCKS if kind == "yaml"]
    mine = tmp_path_factory.mktemp("values") / "mine.yaml"
    mine.write_text(shown)
    chart = DEPLOY / "helm" / "ctrain"
    done = ask("helm", "template", "ctrain", chart, "--namespace", "ctrain", "--values", mine)
    assert done.returncode == 0, done.stderr


def test_secrets_of_the_composition_and_of_the_image_are_named() -> None:
    compose = YAML(typ="safe").load(DEPLOY / "compose" / "compose.yaml")
    assert [name for name in compose["secrets"] if name not in TEXT] == []
    (names,) = re.findall(
        r"^for name in (.+); do", (DEPLOY / "docker" / "with-secrets").read_text(), re.MULTILINE
    )
    assert [name for name in names.split() if f"`{name}`" not in TEXT] == []


def test_version_numbers_are_of_this_version() -> None:
    from ctrain import __version__

    assert set(re.findall(r"ctrain[:-](\d+\.\d+\.\d+)", TEXT)) == {__version__}
