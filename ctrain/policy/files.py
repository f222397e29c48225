"""Policy files -> loaded policies; every problem of a file is reported at once, by line and key.

The only module among the policies that reads files. Texts of policies are kept and hashed with
their placeholders unexpanded, so that no secret of the environment gets into a record.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from ctrain.domain import Json
from ctrain.errors import PolicyError
from ctrain.policy.check_notify import written_secrets
from ctrain.policy.check_train import check_environment
from ctrain.policy.checks import check_policy
from ctrain.policy.document import MAX_CHARACTERS, Document, Problem, read_document
from ctrain.policy.loaded import LoadedPolicy
from ctrain.policy.models import Policy
from ctrain.policy.placeholders import expand_placeholders
from ctrain.policy.problems import problems_of
from ctrain.policy.secret_names import recorded_secrets, without_secrets
from ctrain.policy.sharing import with_shared_parts
from ctrain.policy.words import shown_key

__all__ = [
    "LoadedPolicy",
    "load_policies",
    "load_policy",
    "parse_policy",
    "policy_identity",
    "resolve_path",
]

SUFFIXES = (".yaml", ".yml")
NONE_KNOWN: Mapping[Path, LoadedPolicy] = MappingProxyType({})
"""Policies that have been read before, by absolute path, in the same environment."""


def load_policy(
    path: Path, environ: Mapping[str, str], known: Mapping[Path, LoadedPolicy] = NONE_KNOWN
) -> LoadedPolicy:
    """Return the policy in a file: the one that is ``known`` by its path, where the text is still the same.

    Raises
    ------
    PolicyError
        with every problem of the file, each as ``file:line: key: what was expected``.
    """
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(MAX_CHARACTERS + 1)
    except UnicodeDecodeError as error:
        raise PolicyError(f"{path}:1: the file is not UTF-8 text (byte {error.start})") from None
    except (OSError, ValueError) as error:
        raise PolicyError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    before = known.get(path.absolute())
    return before if before is not None and before.text == text else parse_policy(text, path, environ)


def parse_policy(text: str, path: Path, environ: Mapping[str, str]) -> LoadedPolicy:
    """Return the policy that ``text`` says; ``path`` is where it was read from.

    Raises
    ------
    PolicyError
        with every problem of the text, each as ``file:line: key: what was expected``.
    """
    document = read_document(text)
    policy, problems = _validate(document, environ)
    if policy is None or problems:
        problems.sort(key=lambda problem: _line(problem, document))
        shown = (_shown(problem, document, path) for problem in problems)
        raise PolicyError(*(without_secrets(one, document.values, environ) for one in shown))
    return LoadedPolicy(policy=policy, text=text, path=path.absolute(), hash=_hash(document.values))


def load_policies(
    paths: Iterable[Path], environ: Mapping[str, str], known: Mapping[Path, LoadedPolicy] = NONE_KNOWN
) -> tuple[list[LoadedPolicy], list[PolicyError]]:
    """Return the policies in files and directories, and one error per file that has problems."""
    loaded: dict[Path, LoadedPolicy] = {}
    errors: list[PolicyError] = []
    for path in paths:
        files = _policy_files(path) if path.is_dir() else [path]
        if not files:
            errors.append(PolicyError(f"{path}: the directory holds no policy (*.yaml, *.yml)"))
        for file in files:
            try:
                loaded.setdefault(file.resolve(), load_policy(file, environ, known))
            except PolicyError as error:
                errors.append(error)
    return list(loaded.values()), errors


def resolve_path(folder: Path, path: str) -> str:
    """Return a path of a policy made absolute: relative ones start at the policy's folder.

    Addresses (``scheme://``) stay as they are.

    >>> resolve_path(Path("/policies"), "data/*.parquet")
    '/policies/data/*.parquet'
    """
    return path if "://" in path else str(folder / path)


def policy_identity(policy: Policy) -> Json:
    """Return what may never change under a policy's name."""
    return {
        "model": policy.model.name,
        "task": policy.model.task.value,
        "id": policy.data.id,
        "event_time": policy.data.event_time.column,
    }


def _policy_files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.suffix in SUFFIXES and file.is_file())


def _validate(document: Document, environ: Mapping[str, str]) -> tuple[Policy | None, list[Problem]]:
    if document.values is None and not document.problems:
        return None, [Problem((), "the file is empty; a policy begins with version: 1")]
    if not isinstance(document.values, dict):
        return None, document.problems or [Problem((), "expected a mapping of keys to values")]
    values, problems = expand_placeholders(document.values, environ)
    unread = document.unread | {problem.path for problem in problems}
    problems = [
        *document.problems,
        *problems,
        *written_secrets(document.values),
        *recorded_secrets(document.values),
    ]
    try:
        policy = Policy.model_validate(values, by_alias=True, by_name=False)
    except ValidationError as error:
        more = problems_of(error, document.values)
        return None, problems + [problem for problem in more if problem.path not in unread]
    policy = with_shared_parts(policy)
    return policy, [*problems, *check_policy(policy), *check_environment(policy.train, environ)]


def _line(problem: Problem, document: Document) -> int:
    return problem.line or document.line_of(problem.path)


def _shown(problem: Problem, document: Document, path: Path) -> str:
    line = _line(problem, document)
    key = shown_key(problem.path)
    return f"{path}:{line}: {key}: {problem.message}" if key else f"{path}:{line}: {problem.message}"


def _hash(values: Any) -> str:
    canonical = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()
