"""What is told beside MLflow's own words when it, or what stands before it, refuses."""

from __future__ import annotations

import pytest

from ctrain.child.remedies import remedy_of

BOTH = {"MLFLOW_TRACKING_USERNAME": "ann", "MLFLOW_TRACKING_PASSWORD": "hunter2"}
HALF = {"MLFLOW_TRACKING_USERNAME": "ann"}
TOKEN = {"MLFLOW_TRACKING_TOKEN": "t0k3n"}
IN_ADDRESS = {"MLFLOW_TRACKING_URI": "https://ann:hunter2@mlflow.example"}
ARTIFACT = "Client Error: for url: https://mlflow.example/api/2.0/mlflow-artifacts/artifacts/1/m"
PAGE = "API request to endpoint was successful but the response body was not in a valid JSON format."
WANTS_LOGIN = (
    "MLflow wants a login: set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or "
    "MLFLOW_TRACKING_TOKEN, where ctrain runs"
)
NO_MLFLOW = "this is no answer of MLflow: is MLFLOW_TRACKING_URI its whole address, redirected by nobody?"


@pytest.mark.parametrize(
    ("said", "code", "environ", "remedy"),
    [
        ("no", "UNAUTHENTICATED", {}, WANTS_LOGIN),
        ("no", "CUSTOMER_UNAUTHORIZED", HALF, WANTS_LOGIN),
        (f"401 {ARTIFACT}", "", {}, WANTS_LOGIN),
        (
            "no",
            "UNAUTHENTICATED",
            BOTH | TOKEN,
            "MLflow does not accept MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD",
        ),
        ("no", "UNAUTHENTICATED", HALF | TOKEN, "MLflow does not accept MLFLOW_TRACKING_TOKEN"),
        ("no", "UNAUTHENTICATED", IN_ADDRESS, "MLflow does not accept the login in MLFLOW_TRACKING_URI"),
        (
            "no",
            "PERMISSION_DENIED",
            TOKEN,
            "MLflow knows who asks, by MLFLOW_TRACKING_TOKEN, and does not let them",
        ),
        ("no", "PERMISSION_DENIED", {}, ""),
        (
            "/mlflow/runs: [SSL: CERTIFICATE_VERIFY_FAILED]",
            "",
            {},
            "name the file of the authority that vouches for its certificate in REQUESTS_CA_BUNDLE",
        ),
        (PAGE, "INTERNAL_ERROR", {}, NO_MLFLOW),
        ("failed with error code 404 != 200", "ENDPOINT_NOT_FOUND", {}, NO_MLFLOW),
        ("failed with error code 405 != 200", "INTERNAL_ERROR", {}, NO_MLFLOW),
        ("no such run", "RESOURCE_DOES_NOT_EXIST", TOKEN, ""),
        ("403 Client Error: for url: https://prices.example/", "", TOKEN, ""),
    ],
)
def test_what_can_be_done(said: str, code: str, environ: dict[str, str], remedy: str) -> None:
    assert remedy_of(said, code, environ) == remedy


def test_no_secret_is_told() -> None:
    for environ in (BOTH, TOKEN, IN_ADDRESS):
        told = remedy_of("no", "UNAUTHENTICATED", environ)
        assert not any(secret in told for secret in ("hunter2", "t0k3n"))
