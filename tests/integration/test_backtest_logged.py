"""Trainings of a backtest that log their model to MLflow themselves: a program, and a function."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import pytest

from ctrain.backtest.trainer import Trainer
from ctrain.child.artifact_digest import artifact_digest
from ctrain.clocks import RealTimer
from tests.support.training import some_rows, training_job, write_code
from tests.waiting import wait_until


@pytest.mark.slow
def test_their_models_are_taken_out_of_an_mlflow_that_is_thrown_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow.pyfunc

    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    code = write_code(tmp_path / "code")
    trainer = Trainer(tmp_path / "trainings", RealTimer(), importance=True)
    program = training_job(tmp_path, code, "program", entrypoint="", command=(sys.executable, "pipeline.py"))
    function = training_job(tmp_path, code, "function", "own_model")
    nothing = training_job(tmp_path, code, "nothing", entrypoint="", command=("true",))
    try:
        keys = [trainer.submit(job) for job in (program, function, nothing)]
        by_program, by_function, by_nothing = (
            wait_until(partial(trainer.result, key), 120.0, "a training") for key in keys
        )
    finally:
        trainer.close()
    rows = some_rows(4).to_pandas()[["distance", "carrier"]]
    for trained, scores in ((by_program, [0.25, 1.0]), (by_function, [0.25, 0.75])):
        assert trained.problem == ""
        assert trained.digest == artifact_digest(Path(trained.folder))
        found = mlflow.pyfunc.load_model(trained.folder).predict(rows)
        assert found.min() >= scores[0]
        assert found.max() <= scores[1]
    assert "pipeline done" in (Path(program.folder) / "train.log").read_text()
    assert "train.command made no model" in by_nothing.problem
