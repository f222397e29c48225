from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from ctrain.errors import PolicyError
from ctrain.policy.data import FilesSource
from ctrain.policy.document import MAX_CHARACTERS
from ctrain.policy.files import load_policies, load_policy, parse_policy, policy_identity, resolve_path
from ctrain.policy.models import AllRows, ChampionGate, LastWindow, Policy
from ctrain.policy.monitors import PerformanceMonitor
from ctrain.policy.triggers import AllOf, AnyOf, Cron, NewLabels

FILES = Path(__file__).parent.parent / "policy_files"
MINIMAL = (FILES / "minimal.yaml").read_text()
ENVIRON = {"CTRAIN_NOTIFY_URL": "https://chat.example/secret"}


def parse(text: str, **environ: str) -> Policy:
    return parse_policy(text, Path("policy.yaml"), environ).policy


def files_of(policy: Policy) -> FilesSource:
    assert isinstance(policy.data.source, FilesSource)
    return policy.data.source


def problems_of(text: str) -> list[str]:
    with pytest.raises(PolicyError) as caught:
        parse(text)
    return list(caught.value.problems)


def test_the_whole_format_parses() -> None:
    policy = load_policy(FILES / "example.yaml", ENVIRON).policy
    assert files_of(policy).path == "data/predictions/*.parquet"
    assert policy.notify[0].url == "https://chat.example/secret"
    assert policy.notify[0].on == ("promoted", "rolled_back", "failed")
    assert policy.limits.blackout[0].from_ == "22:00"
    assert policy.limits.cooldown == timedelta(hours=6)
    assert policy.triggers == {
        "harmful-drift": AllOf(all=("inputs", "error"), for_=timedelta(hours=2)),
        "degraded": AnyOf(any=("brier",)),
        "nightly": Cron(cron="0 3 * * *", timezone="Asia/Tokyo"),
        "volume": NewLabels(new_labels=100_000),
    }
    assert policy.gates[1] == ChampionGate(metric="brier", not_worse_than_champion_by=0.0)
    assert policy.train.window == LastWindow(last=timedelta(days=30))
    assert policy.train.memory_limit == 4 * 10**9


def test_models_survive_json_and_python() -> None:
    policy = load_policy(FILES / "example.yaml", ENVIRON).policy
    assert Policy.model_validate_json(policy.model_dump_json(by_alias=True)) == policy
    assert Policy.model_validate(policy.model_dump(by_alias=True)) == policy


@pytest.mark.parametrize(
    ("written", "key", "meant"),
    [
        ("on", "on", "on"),
        ("no", "no", "no"),
        ("22:00", "22:00", "22:00"),
        ("1e-3", "1e-3", 0.001),
        ("017", "017", 17),
        ("0o17", "0o17", 15),
        ("0x1F", "0x1F", 31),
        ("-1_000", "-1_000", -1000),
        ("~", "~", None),
        ("true", "true", True),
        ("2020-01-01", "2020-01-01", "2020-01-01"),
        ('"5"', "5", "5"),
        (".inf", ".inf", float("inf")),
    ],
)
def test_yaml_means_what_it_says(written: str, key: str, meant: object) -> None:
    text = MINIMAL.replace("timeout: 1h}", f"timeout: 1h, params: {{? {written} : {written}}}}}")
    assert parse(text).train.params == {key: meant}


def test_aliases_are_expanded() -> None:
    text = MINIMAL.replace("window: 7d", "window: &week 7d").replace("cooldown: 6h", "cooldown: *week")
    assert parse(text).limits.cooldown == timedelta(days=7)


def test_a_bomb_of_aliases_is_refused() -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9)
    )
    assert problems_of(bomb) == ["policy.yaml:1: not YAML: more than 50000 values, aliases expanded"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "policy.yaml:1: the file is empty; a policy begins with version: 1"),
        ("# nothing\n", "policy.yaml:1: the file is empty; a policy begins with version: 1"),
        ("- version: 1\n", "policy.yaml:1: expected a mapping of keys to values"),
        ("version\n", "policy.yaml:1: expected a mapping of keys to values"),
        ("a: &a [*a]\n", "policy.yaml:1: not YAML: nested more than 40 deep"),
        ("[" * 100_000, "policy.yaml:1: the YAML is nested more than 40 deep"),
        ("a: *b\n", "policy.yaml:1: not YAML: found undefined alias 'b'"),
        ("x" * (MAX_CHARACTERS + 1), "policy.yaml:1: the file is longer than 262144 characters"),
        (
            "a: \x00\n",
            "policy.yaml:1: not YAML: unacceptable character #x0000: special characters are not allowed "
            'in "<unicode string>", position 3',
        ),
    ],
    ids=["empty", "comment", "list", "text", "recursive", "deep", "alias", "long", "control"],
)
def test_what_is_no_policy_at_all_is_refused_in_one_line(text: str, problem: str) -> None:
    assert problems_of(text) == [problem]


def test_files_that_cannot_be_read_are_errors(tmp_path: Path) -> None:
    latin = tmp_path / "latin.yaml"
    latin.write_bytes("policy: caf\xe9\n".encode("latin-1"))
    empty = tmp_path / "empty"
    empty.mkdir()
    loaded, errors = load_policies([tmp_path / "absent.yaml", latin, empty], {})
    assert loaded == []
    assert [str(error) for error in errors] == [
        f"{tmp_path}/absent.yaml: cannot be read: No such file or directory",
        f"{latin}:1: the file is not UTF-8 text (byte 11)",
        f"{empty}: the directory holds no policy (*.yaml, *.yml)",
    ]


def test_a_directory_gives_its_policies_once_and_nothing_else(tmp_path: Path) -> None:
    for name in ("b.yml", "a.yaml", "notes.txt", "data.json"):
        (tmp_path / name).write_text(MINIMAL)
    loaded, errors = load_policies([tmp_path, tmp_path / "a.yaml"], {})
    assert [one.path.name for one in loaded] == ["a.yaml", "b.yml"]
    assert errors == []


@pytest.mark.parametrize(
    ("text", "environ", "path"),
    [
        ("${ROWS}", {"ROWS": "/data"}, "/data"),
        ("${ROWS:-rows}/*.parquet", {}, "rows/*.parquet"),
        ("${ROWS:-rows}", {"ROWS": ""}, "rows"),
        ("${A}${B:-}x", {"A": "${B}"}, "${B}x"),
        ("a$b", {"b": "c"}, "a$b"),
    ],
)
def test_placeholders_are_filled_from_the_environment(text: str, environ: dict[str, str], path: str) -> None:
    assert files_of(parse(MINIMAL.replace("path: rows", f"path: '{text}'"), **environ)).path == path


def test_placeholders_serve_for_numbers_and_durations() -> None:
    text = MINIMAL.replace("above: 0.2", "above: '${LIMIT}'").replace("pane: 1h", "pane: ${PANE:-30m}")
    policy = parse(text, LIMIT="0.25")
    assert policy.data.pane == timedelta(minutes=30)
    brier = policy.monitors["brier"]
    assert isinstance(brier, PerformanceMonitor)
    assert brier.above == 0.25


def test_text_and_hash_hold_no_secret_and_do_not_depend_on_it() -> None:
    one = parse_policy((FILES / "example.yaml").read_text(), Path("p.yaml"), ENVIRON)
    other = parse_policy(one.text, Path("p.yaml"), {"CTRAIN_NOTIFY_URL": "https://other"})
    assert "secret" not in one.text
    assert one.hash == other.hash
    assert len(one.hash) == 64


def test_hash_follows_the_meaning_and_not_the_layout() -> None:
    def hash_of(text: str) -> str:
        return parse_policy(text, Path("p.yaml"), {}).hash

    assert hash_of(MINIMAL) == hash_of(
        "# a comment\n" + MINIMAL.replace("{cooldown: 6h}", "\n  cooldown: 6h")
    )
    assert hash_of(MINIMAL) != hash_of(MINIMAL.replace("cooldown: 6h", "cooldown: 7h"))


def test_a_snapshot_is_parsed_with_its_path() -> None:
    loaded = parse_policy(MINIMAL, Path("/policies/churn.yaml"), {})
    assert loaded.folder == Path("/policies")
    assert resolve_path(loaded.folder, files_of(loaded.policy).path) == "/policies/rows"
    assert resolve_path(loaded.folder, "/elsewhere/*.parquet") == "/elsewhere/*.parquet"
    assert resolve_path(loaded.folder, "s3://bucket/rows") == "s3://bucket/rows"


def test_identity_is_what_may_not_change() -> None:
    assert policy_identity(parse(MINIMAL)) == {
        "model": "churn",
        "task": "binary",
        "id": "customer",
        "event_time": "seen_at",
    }


def test_python_names_of_keys_are_not_keys_of_a_file() -> None:
    text = MINIMAL.replace("for: 2h", "for_: 2h")
    assert problems_of(text) == [
        "policy.yaml:19: triggers.degraded.for_: unknown key; did you mean for?",
    ]


def test_all_rows_is_a_window() -> None:
    assert parse(MINIMAL.replace("{last: 30d}", "{all: true}")).train.window == AllRows(all=True)
