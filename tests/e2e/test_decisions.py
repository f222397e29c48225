"""What is promoted and what is not, by a policy that knows nothing of the models but their scores."""

from __future__ import annotations

import mlflow
import numpy as np
import pytest
from mlflow import MlflowClient

from ctrain.domain import Phase
from ctrain.queries.audit_chain import all_links, check_links
from ctrain.store import open_store
from tests.e2e import state
from tests.e2e.decisions import FEATURES, FIRST_HOURS, HOUR, ROWS_PER_HOUR, START, Judged
from tests.e2e.mlflow_server import MlflowServer

COMPARED = 40 * ROWS_PER_HOUR
"""Rows of twenty blocks of the shadow, and of the probation."""


@pytest.fixture(scope="module")
def judged(server: MlflowServer, tmp_path_factory: pytest.TempPathFactory) -> Judged:
    return Judged(tmp_path_factory.mktemp("judged"), server.uri).tell()


def test_a_harmful_challenger_that_passes_its_gates_is_rejected_by_the_shadow(judged: Judged) -> None:
    run = judged.runs["harmful"]
    assert run.phase is Phase.REJECTED
    assert run.outcome_reason.startswith("worse than +0.02 allows: difference +0.1")
    assert run.details["evaluation"]["challenger"]["roc_auc"] > 0.8
    assert judged.aliases["harmful"] == {"champion": "1"}


def test_better_on_average_and_worse_on_a_slice_is_rejected(judged: Judged) -> None:
    run = judged.runs["blind"]
    assert run.phase is Phase.REJECTED
    assert run.outcome_reason.startswith("worse on kind=c than +0.02 allows")
    assert "; better than +0.02 asks: difference -0.0" in run.outcome_reason
    assert judged.aliases["blind"] == {"champion": "1"}


def test_a_better_one_is_promoted_and_rolled_back_once_it_is_worse(judged: Judged) -> None:
    assert judged.aliases["promoted"] == {"champion": "4", "previous_champion": "1"}
    run = judged.runs["fragile"]
    assert run.phase is Phase.ROLLED_BACK
    assert "better by more than the margin of 0.02: difference +0." in run.outcome_reason
    assert judged.aliases["fragile"] == {"champion": "1"}


def test_a_clean_run_follows_the_rollback(judged: Judged) -> None:
    run = judged.runs["clean"]
    assert run.phase is Phase.ACCEPTED, run.outcome_reason
    assert run.champion_version == "1"
    assert judged.aliases["clean"] == {"champion": "5", "previous_champion": "1"}
    client = MlflowClient(judged.tracking_uri, judged.tracking_uri)
    assert client.get_model_version_by_alias("judged", "champion").version in {"5", 5}
    store = open_store(f"sqlite:///{judged.folder / 'home' / 'state.db'}")
    with store.read() as tx:
        assert [one.phase for one in tx.runs(run.policy)] == [
            Phase.ACCEPTED, Phase.ROLLED_BACK, Phase.REJECTED, Phase.REJECTED, Phase.ACCEPTED,
        ]  # fmt: skip
        assert check_links(all_links(tx)).intact


def test_each_model_is_scored_with_its_own_preprocessing(judged: Judged) -> None:
    """Computed once more by the pipelines that MLflow holds, on all rows of the shadow and the probation."""
    home = judged.folder / "home"
    assert judged.rows is not None
    frame = judged.rows.to_pandas().set_index("id")
    mlflow.set_tracking_uri(judged.tracking_uri)
    first, clean = (mlflow.sklearn.load_model(f"models:/judged/{version}") for version in ("1", "5"))
    for version, model in (("1", first), ("5", clean)):
        scored = [row for row in state.segments(home, "scores") if row["model_version"] == version]
        scores = state.logged_in(home, scored).to_pandas().set_index("row_id")
        rows = frame.loc[scores.index, list(FEATURES)]
        expected = model.predict_proba(rows)[:, 1]
        np.testing.assert_allclose(scores["score"], expected, atol=1e-12)
        assert (frame.loc[scores.index, "at"] >= START + HOUR * FIRST_HOURS).sum() >= COMPARED
        other = clean if model is first else first
        swapped = other.predict_proba(rows)[:, 1]
        assert np.abs(swapped - expected)[rows["x"].isna()].mean() > 0.05
