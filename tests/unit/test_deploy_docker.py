"""The image: what hadolint says of its file, what is installed into it, and who it runs as."""

from __future__ import annotations

import fnmatch
import re
import subprocess
from pathlib import Path

import pytest

from tests.support.deploy_tools import DEPLOY, ROOT, ask
from tests.support.runtime_lock import LOCKS, locked_part

DOCKER = DEPLOY / "docker"
TEXT = (DOCKER / "Dockerfile").read_text()
LAST_STAGE = TEXT.rpartition("\nFROM ")[2]


def test_hadolint_has_nothing_to_say() -> None:
    said = ask("hadolint", DOCKER / "Dockerfile")
    assert (said.returncode, said.stdout, said.stderr) == (0, "", "")


@pytest.mark.parametrize("lock", LOCKS)
def test_the_image_installs_what_the_tests_ran_with(lock: str) -> None:
    expected = locked_part(LOCKS[lock])
    assert (ROOT / lock).read_text() == expected, "`python -m tests.support.runtime_lock` writes it anew"


def test_what_is_only_for_development_is_not_in_it() -> None:
    names = set(re.findall(r"^([a-z0-9-]+)==", (DOCKER / "runtime.lock").read_text(), re.MULTILINE))
    assert {"mlflow", "psycopg-binary", "uvicorn", "python-multipart", "distributed"} <= names
    assert not names & {"pytest", "mypy", "hypothesis", "hatchling", "ctrain", "river"}


def test_everything_is_installed_by_hash_and_nothing_but_our_own_wheel_without() -> None:
    installs = re.findall(r"pip --python \S+ install (.+?)(?: \\)?$", TEXT, re.MULTILINE)
    assert len(installs) == 3
    assert [one for one in installs if "--require-hashes" not in one] == [
        "--no-deps --no-index /dist/ctrain-*.whl"
    ]


def test_it_runs_as_nobody_in_particular_and_writes_to_its_volume_alone() -> None:
    assert re.findall(r"^USER (.+)$", LAST_STAGE, re.MULTILINE) == ["10001:10001"]
    assert "VOLUME /var/lib/ctrain\n" in LAST_STAGE
    assert "CTRAIN_HOME=/var/lib/ctrain/home" in LAST_STAGE
    assert "HEALTHCHECK" in LAST_STAGE
    assert "curl" not in LAST_STAGE, "python asks"


def test_what_is_copied_reaches_the_build_and_nothing_else_does() -> None:
    copied = {
        source
        for line in re.findall(r"^COPY (?!--from)(.+)$", TEXT, re.MULTILINE)
        for source in [word for word in line.split() if not word.startswith("--")][:-1]
    }
    assert all((ROOT / source).exists() for source in copied), copied
    let_in = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    assert {source for source in copied if not any(fnmatch.fnmatch(source, one) for one in let_in)} == set()
    assert {one for one in let_in if not any(fnmatch.fnmatch(source, one) for source in copied)} == set()


def test_no_index_of_packages_is_named() -> None:
    files = [path for path in DEPLOY.rglob("*") if path.is_file() and path.suffix not in {".md", ".png"}]
    named = [
        path.name for path in files if re.search(r"index-url|pypi\.|/simple\b|deb\.debian", path.read_text())
    ]
    assert named == []


def with_secrets(environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = ["sh", str(DOCKER / "with-secrets"), "sh", "-c", 'echo "$PGPASSWORD|${PGPASSWORD_FILE:-gone}"']
    environ = {"PATH": "/usr/bin:/bin", **environ}
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=10, check=False)


def test_a_secret_in_a_file_is_a_secret_in_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("o'pen $esame\n")
    assert with_secrets({"PGPASSWORD_FILE": str(file)}).stdout == "o'pen $esame|gone\n"
    assert with_secrets({"PGPASSWORD": "plain"}).stdout == "plain|gone\n"


def test_a_secret_that_cannot_be_read_is_not_passed_over(tmp_path: Path) -> None:
    refused = with_secrets({"PGPASSWORD_FILE": str(tmp_path / "password")})
    assert refused.returncode == 2
    assert refused.stderr.startswith(f"PGPASSWORD_FILE: {tmp_path / 'password'} cannot be read by uid")
