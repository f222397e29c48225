"""Metrics as a scraper sees them, and a log that tells no secrets."""

from __future__ import annotations

import ast
import errno
import io
import json
import time
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ctrain.errors import InputError
from ctrain.telemetry import CATALOG, PrometheusTelemetry, open_log
from ctrain.telemetry.catalog import MINUTES_TO_DAYS, Kind
from ctrain.telemetry.logs import Redactor
from ctrain.telemetry.prometheus import SERIES_PER_POLICY

ROOT = Path(__file__).parents[2]


@pytest.fixture
def lines() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def telemetry(lines: io.StringIO) -> PrometheusTelemetry:
    return PrometheusTelemetry(open_log({}, lines), "1.2.3")


def series(telemetry: PrometheusTelemetry, **labels: str) -> dict[tuple[str, ...], float]:
    """Every sample that carries ``labels``: (name, label=value...) to value."""
    text, _ = telemetry.expose()
    return {
        (sample.name, *(f"{key}={value}" for key, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
        if labels.items() <= sample.labels.items()
    }


def test_build_info_carries_the_version(telemetry: PrometheusTelemetry) -> None:
    assert series(telemetry)["ctrain_build_info", "version=1.2.3"] == 1


def test_counters_add_gauges_set_histograms_sum(telemetry: PrometheusTelemetry) -> None:
    telemetry.count("rows_ingested_total", 40, policy="p")
    telemetry.count("rows_ingested_total", 2, policy="p")
    telemetry.gauge("source_lag_seconds", 5, policy="p")
    telemetry.gauge("source_lag_seconds", 3, policy="p")
    telemetry.observe("run_phase_duration_seconds", 7200, policy="p", phase="TRAINING")
    seen = series(telemetry)
    assert seen["ctrain_rows_ingested_total", "policy=p"] == 42
    assert seen["ctrain_source_lag_seconds", "policy=p"] == 3
    assert seen["ctrain_run_phase_duration_seconds_sum", "phase=TRAINING"] == 7200
    assert seen["ctrain_run_phase_duration_seconds_bucket", "le=3600.0", "phase=TRAINING"] == 0
    assert seen["ctrain_run_phase_duration_seconds_bucket", "le=10800.0", "phase=TRAINING"] == 1


def test_counters_of_a_policy_start_at_zero(telemetry: PrometheusTelemetry) -> None:
    telemetry.gauge("source_lag_seconds", 5, policy="p")
    seen = series(telemetry, policy="p")
    assert seen["ctrain_promotions_total", "policy=p"] == 0
    assert seen["ctrain_rollbacks_total", "cause=probation", "policy=p"] == 0


def test_a_new_champion_replaces_the_series_of_the_old(telemetry: PrometheusTelemetry) -> None:
    for version in ("1", "2", "3"):
        telemetry.gauge("champion_info", 1, policy="p", version=version)
    telemetry.gauge("champion_info", 1, policy="other", version="1")
    shown = [key for key in series(telemetry) if key[0] == "ctrain_champion_info"]
    assert sorted(shown) == [
        ("ctrain_champion_info", "policy=other", "version=1"),
        ("ctrain_champion_info", "policy=p", "version=3"),
    ]


def test_only_the_five_features_that_drift_most_are_shown(telemetry: PrometheusTelemetry) -> None:
    for rank in range(10):
        telemetry.gauge("feature_drift", rank / 10, policy="p", feature=f"f{rank}")
    shown = {key[1]: value for key, value in series(telemetry).items() if key[0] == "ctrain_feature_drift"}
    assert shown == {f"feature=f{rank}": rank / 10 for rank in (5, 6, 7, 8, 9)}


def test_a_feature_that_is_no_longer_reported_disappears(telemetry: PrometheusTelemetry) -> None:
    telemetry.gauge("feature_drift", 0.99, policy="p", feature="old")
    for _ in range(3):
        for name in "abcde":
            telemetry.gauge("feature_drift", 0.1, policy="p", feature=name)
    shown = {key[1] for key in series(telemetry) if key[0] == "ctrain_feature_drift"}
    assert shown == {f"feature={name}" for name in "abcde"}


def test_a_policy_has_sixty_series_at_most_and_what_is_left_out_is_counted(
    telemetry: PrometheusTelemetry,
) -> None:
    for number in range(100):
        telemetry.gauge("monitor_value", number, policy="wide", monitor=f"m{number}")
        telemetry.gauge("monitor_value", number, policy="wide", monitor=f"m{number}")
    telemetry.gauge("monitor_value", 1, policy="narrow", monitor="m")
    wide = series(telemetry, policy="wide")
    assert len(wide) == SERIES_PER_POLICY
    monitors = sum(name == "ctrain_monitor_value" for name, *_ in wide)
    assert wide["ctrain_series_dropped", "policy=wide"] == 100 - monitors
    assert ("ctrain_monitor_value", "monitor=m", "policy=narrow") in series(telemetry)


def test_what_explains_most_closely_makes_way_for_what_alerts_ask_for(telemetry: PrometheusTelemetry) -> None:
    for rank in range(5):
        telemetry.gauge("feature_drift", rank, policy="p", feature=f"f{rank}")
    for number in range(10):
        for status in ("OK", "BREACHED", "INCONCLUSIVE"):
            telemetry.gauge("monitor_status", 1, policy="p", monitor=f"m{number}", status=status)
        telemetry.gauge("monitor_value", 1, policy="p", monitor=f"m{number}")
    for phase in "abcdefghi":
        telemetry.gauge("run_phase", 0, policy="p", phase=phase)
    for name in ("leader", "registry_readable", "champion_age_seconds", "source_lag_seconds"):
        telemetry.gauge(name, 1, policy="p")
    seen = series(telemetry, policy="p")
    names = [name for name, *_ in seen]
    assert len(seen) == SERIES_PER_POLICY
    assert names.count("ctrain_feature_drift") == 0
    assert names.count("ctrain_run_phase") == 9
    assert names.count("ctrain_monitor_status") == 30
    shown = names.count("ctrain_monitor_value")
    assert 0 < shown < 10
    assert seen["ctrain_series_dropped", "policy=p"] == 5 + 10 - shown


def test_series_go_with_their_policy_and_come_back_afresh(telemetry: PrometheusTelemetry) -> None:
    for policy in ("gone", "kept"):
        telemetry.count("rows_ingested_total", 3, policy=policy)
        telemetry.gauge("champion_info", 1, policy=policy, version="1")
        telemetry.gauge("feature_drift", 1, policy=policy, feature="x")
    telemetry.remove_policy("gone")
    telemetry.remove_policy("never-seen")
    assert series(telemetry, policy="gone") == {}
    assert series(telemetry, policy="kept")["ctrain_rows_ingested_total", "policy=kept"] == 3
    telemetry.begin_policy("gone")
    telemetry.count("rows_ingested_total", 1, policy="gone")
    assert series(telemetry, policy="gone")["ctrain_rows_ingested_total", "policy=gone"] == 1


def test_whoever_measures_a_policy_that_has_just_gone_makes_no_series(telemetry: PrometheusTelemetry) -> None:
    telemetry.gauge("leader", 1, policy="gone")
    telemetry.remove_policy("gone")
    telemetry.gauge("notifications_open", 3, policy="gone", status="dead")
    telemetry.count("notifications_total", 1, policy="gone", outcome="dead")
    telemetry.gauge("champion_info", 1, policy="gone", version="1")
    assert series(telemetry, policy="gone") == {}
    telemetry.begin_policy("gone")
    telemetry.gauge("leader", 1, policy="gone")
    assert "ctrain_champion_info" not in {name for name, *_ in series(telemetry, policy="gone")}


def test_a_gauge_of_which_there_is_nothing_more_to_say_is_forgotten(telemetry: PrometheusTelemetry) -> None:
    for policy in ("p", "other"):
        telemetry.gauge("champion_info", 1, policy=policy, version="1")
        telemetry.gauge("champion_age_seconds", 5, policy=policy)
    telemetry.forget("p", "champion_info")
    telemetry.forget("never-seen", "champion_info")
    shown = {key for key in series(telemetry) if key[0].startswith("ctrain_champion")}
    assert shown == {
        ("ctrain_champion_age_seconds", "policy=p"),
        ("ctrain_champion_age_seconds", "policy=other"),
        ("ctrain_champion_info", "policy=other", "version=1"),
    }


def test_all_gauges_of_a_policy_begin_anew_and_its_counters_go_on(telemetry: PrometheusTelemetry) -> None:
    telemetry.count("rows_ingested_total", 3, policy="p")
    for number in range(100):
        telemetry.gauge("monitor_value", 1, policy="p", monitor=f"m{number}")
    telemetry.begin_policy("p")
    telemetry.gauge("leader", 1, policy="p")
    seen = series(telemetry, policy="p")
    assert seen["ctrain_rows_ingested_total", "policy=p"] == 3
    assert seen["ctrain_series_dropped", "policy=p"] == 0
    assert {name for name, *_ in seen if not name.endswith("_total")} == {
        "ctrain_leader",
        "ctrain_series_dropped",
    }


@pytest.mark.parametrize(
    ("name", "labels"), [("no_such_metric", {"policy": "p"}), ("monitor_value", {"policy": "p"})]
)
def test_what_the_catalog_does_not_have_is_refused(
    telemetry: PrometheusTelemetry, name: str, labels: dict[str, str]
) -> None:
    with pytest.raises(KeyError):
        telemetry.gauge(name, 1, **labels)


def test_two_telemetries_share_nothing(telemetry: PrometheusTelemetry, lines: io.StringIO) -> None:
    other = PrometheusTelemetry(open_log({}, lines), "1.2.3")
    telemetry.count("rows_ingested_total", 3, policy="p")
    assert series(other, policy="p") == {}


@pytest.mark.parametrize("metric", CATALOG.values(), ids=str)
def test_names_follow_the_conventions(metric: object) -> None:
    one = CATALOG[metric.name]  # type: ignore[attr-defined]  # parametrised over the catalog's values
    assert one.name.endswith("_total") == (one.kind is Kind.COUNTER)
    assert one.help.endswith(".")
    assert "run_id" not in one.labels
    assert bool(one.buckets) == (one.kind is Kind.HISTOGRAM)
    assert list(one.buckets) == sorted(one.buckets)


CONTRACT = {
    Kind.GAUGE: """build_info leader config_last_reload_successful tick_last_success_timestamp_seconds
        source_lag_seconds label_coverage_ratio monitor_value monitor_threshold monitor_status feature_drift
        run_phase budget_remaining shadow_difference shadow_lower shadow_upper champion_info
        champion_age_seconds""",
    Kind.COUNTER: """rows_ingested_total rows_late_total rows_rejected_total trigger_fired_total
        trigger_suppressed_total runs_total shadow_rows_total promotions_total rollbacks_total
        registry_divergence_total notifications_total""",
    Kind.HISTOGRAM: "tick_duration_seconds run_phase_duration_seconds mlflow_request_duration_seconds",
}
"""What dashboards and alerts of other people may rely on."""


def test_the_metrics_that_others_rely_on_keep_names_and_kinds() -> None:
    kept = {name: kind for kind, names in CONTRACT.items() for name in names.split()}
    assert {name: CATALOG[name].kind for name in kept if name in CATALOG} == kept


def test_training_is_measured_from_a_minute_to_weeks() -> None:
    assert MINUTES_TO_DAYS[0] == 60
    assert MINUTES_TO_DAYS[-1] >= 7 * 86400


def calls_of_telemetry() -> list[tuple[str, str, str, set[str], bool]]:
    """Every ``telemetry.count/gauge/observe("name", label=...)`` in the source of ctrain."""
    found = []
    for path in sorted((ROOT / "ctrain").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            owner = ast.unparse(node.func.value)
            if node.func.attr not in ("count", "gauge", "observe") or not owner.endswith("telemetry"):
                continue
            if node.args and isinstance(node.args[0], ast.Constant):
                labels = {keyword.arg for keyword in node.keywords if keyword.arg}
                spread = any(keyword.arg is None for keyword in node.keywords)
                where = f"{path.relative_to(ROOT)}:{node.lineno}"
                found.append((where, node.func.attr, str(node.args[0].value), labels, spread))
    return found


def test_every_call_in_the_source_fits_the_catalog() -> None:
    kinds = {"count": Kind.COUNTER, "gauge": Kind.GAUGE, "observe": Kind.HISTOGRAM}
    calls = calls_of_telemetry()
    assert len(calls) > 10
    wrong = [
        where
        for where, method, name, labels, spread in calls
        if name not in CATALOG
        or CATALOG[name].kind is not kinds[method]
        or not (spread or set(CATALOG[name].labels) <= labels)
    ]
    assert wrong == []


SECRETS = {"DB_PASSWORD": "hunter2hunter2", "SLACK_TOKEN": "xoxb-123456", "PATH": "/usr/bin", "API_KEY": "k"}


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("password is hunter2hunter2", "password is ***"),
        (
            "postgresql://ctrain:s3cret@db:5432/x failed",
            "postgresql://***@db:5432/x failed",
        ),
        ("GET https://h/x?a=1&access_token=abc&b=2", "GET https://h/x?a=1&access_token=***&b=2"),
        ({"deep": ["xoxb-123456", 1, None, True]}, {"deep": ["***", 1, None, True]}),
        ({"api_key": "short", "name": "fine"}, {"api_key": "***", "name": "fine"}),
        (Path("/usr/bin/ctrain"), "/usr/bin/ctrain"),
        (ValueError("hunter2hunter2"), "***"),
        ("?x?a_token=ab?cd&sig=&y=1&KEY=z z", "?x?a_token=***&sig=&y=1&KEY=*** z"),
    ],
)
def test_secrets_stay_out_of_the_log(lines: io.StringIO, said: object, written: object) -> None:
    open_log(SECRETS, lines).log("told", said=said)
    assert json.loads(lines.getvalue())["said"] == written


@pytest.mark.parametrize("shape", ["y", "?", "?token", "&a?key", "a?", "://", "https://a:", "?sig=", "="])
def test_a_hostile_text_of_a_megabyte_is_read_once(shape: str) -> None:
    began = time.process_time()
    Redactor({}).redact(shape * (2**20 // len(shape)))
    assert time.process_time() - began < 5.0  # a fraction of a second; hours if each place were read anew


@pytest.mark.parametrize(
    ("event", "fields", "level"),
    [
        ("ingested", {}, "info"),
        ("tick_failed", {}, "warning"),
        ("tick_failed", {"traceback": "Traceback..."}, "error"),
    ],
)
def test_levels_follow_from_the_event(
    lines: io.StringIO, event: str, fields: dict[str, str], level: str
) -> None:
    open_log({}, lines).log(event, policy="p", **fields)
    written = json.loads(lines.getvalue())
    assert (written["event"], written["level"], written["policy"]) == (event, level, "p")
    assert written["timestamp"].endswith("Z")


def test_console_lines_are_for_people(lines: io.StringIO) -> None:
    open_log({"CTRAIN_LOG_FORMAT": "console"}, lines).log("ingested", rows=3)
    assert "ingested" in lines.getvalue()
    assert "rows=3" in lines.getvalue()
    assert "\x1b" not in lines.getvalue()


@pytest.mark.parametrize("log_format", ["console", "json"])
@pytest.mark.parametrize("word", ["{}", "{} and more", "it's={}", "{}\n"])
def test_control_characters_do_not_reach_a_terminal(lines: io.StringIO, log_format: str, word: str) -> None:
    """Such as those in the name of a file."""
    hostile = word.format("a\x1b]0;owned\x07\x1b[2J\x9b31m\u202e.csv")
    open_log({"CTRAIN_LOG_FORMAT": log_format}, lines).log("refused", path=hostile, files=[hostile])
    assert [letter for letter in lines.getvalue() if not letter.isprintable()] == ["\n"]


def test_an_unknown_log_format_is_refused(lines: io.StringIO) -> None:
    with pytest.raises(InputError, match="CTRAIN_LOG_FORMAT: expected one of auto, console, json, got 'xml'"):
        open_log({"CTRAIN_LOG_FORMAT": "xml"}, lines)


class FullDisk(io.StringIO):
    """Where lines are written to until nothing has room."""

    full = False

    def write(self, text: str) -> int:
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(text)


def test_a_log_without_room_ends_nobody_and_says_how_much_is_missing() -> None:
    stream = FullDisk()
    log = open_log({"CTRAIN_LOG_FORMAT": "json"}, stream)
    stream.full = True
    log.log("tick_failed", policy="clicks")
    log.log("heartbeat_failed", traceback="...")
    stream.full = False
    log.log("started")
    log.log("stopped")
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [one["event"] for one in lines] == ["log_lines_lost", "started", "stopped"]
    assert lines[0]["lines"] == 2


def test_a_line_of_the_log_is_one_write() -> None:
    """Processes that share a stream would mix their lines otherwise."""

    class Writes(io.StringIO):
        def __init__(self) -> None:
            super().__init__()
            self.texts: list[str] = []

        def write(self, text: str) -> int:
            self.texts.append(text)
            return len(text)

    stream = Writes()
    log = open_log({"CTRAIN_LOG_FORMAT": "json"}, stream)
    log.log("first", policy="p")
    log.log("second", policy="q")
    assert [json.loads(text)["event"] for text in stream.texts] == ["first", "second"]
    assert all(text.endswith("}\n") for text in stream.texts)
