"""``ctrain backtest`` with real children; whatever is reachable counts who comes, and nobody does."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from typer.testing import CliRunner, Result

from ctrain.cli import app
from tests.support.backtests import POLICY, make_rows, write_history

EIGHT = "2024-01-01T08:00:00"
CODE = """
import json
from pathlib import Path

from sklearn.linear_model import LogisticRegression

def train(rows, context):
    with Path(__file__).with_name("seen.jsonl").open("a") as file:
        file.write(json.dumps({"last": float(rows["t"].max()), "run": context.run_id}) + "\\n")
    names = list(context.feature_names)
    return First().fit(rows[names], rows[context.label])

class First(LogisticRegression):
    def fit(self, X, y):
        return super().fit(X[["x"]].to_numpy(), y)

    def predict_proba(self, X):
        return super().predict_proba(X[["x"]].to_numpy())
"""


@pytest.fixture
def visitors(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Who connected to the MLflow server that the environment names."""
    come: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def listen() -> None:
            while True:
                try:
                    connection, address = server.accept()
                except OSError:
                    return
                come.append(str(address))
                connection.close()

        threading.Thread(target=listen, daemon=True).start()
        for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{port}")
        yield come


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["backtest", *arguments])


def test_the_policy_and_all_strategies_on_the_same_rows(tmp_path: Path, visitors: list[str]) -> None:
    write_history(tmp_path, make_rows(84, 36))
    (tmp_path / "clicks.py").write_text(CODE)
    before = sorted(path.name for path in tmp_path.iterdir())
    document, page = tmp_path / "found.json", tmp_path / "found.html"
    done = run(
        str(tmp_path / "clicks.yaml"), "--from", "2024-01-02", "--step", "4h", "--grid", "5",
        "--json", str(document), "--html", str(page), "--training-time", "5m",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    found = json.loads(document.read_text())
    # Children may be training while others replay, but one at a time.
    assert 0 < found["took"]["train_seconds"] < found["took"]["seconds"]
    assert visitors == []
    new = {path.name for path in tmp_path.iterdir()} - set(before)
    assert new == {"found.json", "found.html", "seen.jsonl"}
    baselines = found["baselines"]
    assert set(baselines) == {"never", "periodic", "always", "adwin"}
    assert len({one["rows"] for one in (found["policy"], *baselines.values())}) == 1
    assert baselines["never"]["retrains"] == 0
    assert baselines["never"]["train_seconds"] == 0
    assert baselines["periodic"]["retrains"] == found["policy"]["retrains"] > 0
    assert baselines["always"]["retrains"] == 4
    assert baselines["always"]["metric"] < baselines["never"]["metric"]
    assert found["policy"]["metric"] < baselines["never"]["metric"]
    assert found["regret"]["per_row"] == pytest.approx(
        found["policy"]["metric"] - baselines["always"]["metric"]
    )
    kinds = [event["kind"] for event in found["events"]]
    assert kinds[:3] == ["run_queued", "run_accepted", "promoted"]
    assert sum(point["rows"] for point in found["policy"]["series"]) == found["policy"]["rows"]
    for text in ("never", "always", "regret against always", "timeline", "degraded"):
        assert text in done.output
    html = page.read_text()
    assert html.count("data:image/svg+xml;base64,") == 3
    assert not re.findall(r"""(?:src|href)\s*=\s*["'](?!data:)|https?://|@import|url\(""", html)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--baselines", "never,sometimes"), "--baselines sometimes: expected some of never, periodic"),
        (("--step", "soon"), "--step soon: expected a duration such as"),
        (("--training-time", "61m"), "--training-time 1h1m: a training is stopped after train.timeout (1h)"),
        (("--step", "0h"), "--step 0h: expected a duration above zero"),
        (("--from", "2030-01-01"), "nothing of it lies between 2030-01-01"),
        (("--from", "2023-01-01"), "and the first row is of 2024-01-01"),
        (("--from", EIGHT, "--to", EIGHT), "take an earlier --from, or a later --to"),
        (("--from", EIGHT, "--to", "2024-01-01T09:00:00"), "no label of a row from 2024-01-01T08:00"),
        (
            ("--from", "2024-01-01T09:00:00", "--to", "2024-01-01T11:30:00", "--training-time", "1h"),
            "so that there is no row to judge",
        ),
    ],
)
def test_what_cannot_be_asked_for(tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    write_history(tmp_path, make_rows(12, 99))
    (tmp_path / "clicks.py").write_text(CODE)
    done = run(str(tmp_path / "clicks.yaml"), *arguments)
    assert done.exit_code == 2
    assert message in done.output


@pytest.mark.parametrize(
    ("labelled_hours", "message"),
    [
        (8, "no row from 2024-01-01T08:00:00+00:00 to 2024-01-01T09:58:30+00:00 has a label"),
        (8.2, "no row from 2024-01-01T09:00:00+00:00, when the first model serves, to 2024-01-01T09:58:30"),
    ],
    ids=["from the start", "when the first model serves"],
)
def test_rows_without_labels_are_not_judged(tmp_path: Path, labelled_hours: float, message: str) -> None:
    rows = make_rows(12, 99, per_hour=40)
    labels = pa.array(rows["y"].to_numpy(), mask=rows["t"].to_numpy() >= labelled_hours)
    rows = rows.set_column(rows.schema.get_field_index("y"), "y", labels)
    write_history(
        tmp_path, rows, POLICY.replace("window: {last: 12h}", "window: {last: 12h}\n  min_rows: 50")
    )
    (tmp_path / "clicks.py").write_text(CODE)
    arguments = ("--from", EIGHT, "--baselines", "", "--training-time", "1h")
    done = run(str(tmp_path / "clicks.yaml"), *arguments)
    assert done.exit_code == 2
    assert message in done.output.replace("\n", " ")
    assert "nan" not in done.output
