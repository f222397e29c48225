"""What to do where MLflow refuses, or something else answers in its place: its own words name no setting."""

from __future__ import annotations

import os
from collections.abc import Mapping

USER, PASSWORD, TOKEN = "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN"  # nosec B105 # names of variables
UNKNOWN_CALLER = ("UNAUTHENTICATED", "CUSTOMER_UNAUTHORIZED")
FOREIGN = ("not in a valid JSON format", "error code 404 !=", "error code 405 !=", "Exceeded 30 redirects")
"""What MLflow's client says of answers that no MLflow gives: a page, or what a redirect made of a request."""


def with_remedy(error: BaseException, text: str) -> str:
    """``text``, which tells of ``error``, and after it what can be done about that, where it is known."""
    remedy = remedy_of(str(error), str(getattr(error, "error_code", "")), os.environ)
    return f"{text}; {remedy}" if remedy else text


def remedy_of(said: str, code: str, environ: Mapping[str, str]) -> str:
    """What can be done about what MLflow's client ``said``, and its error ``code``.

    Empty where nothing is known, or where the error has no code and names no address of MLflow's: user code
    asks other servers.

    >>> remedy_of("You are not authenticated", "UNAUTHENTICATED", {"MLFLOW_TRACKING_TOKEN": "x"})
    'MLflow does not accept MLFLOW_TRACKING_TOKEN'
    """
    if not code and "/mlflow" not in said:
        return ""
    login = _login(environ)
    if code in UNKNOWN_CALLER or "401 Client Error" in said:
        if login:
            return f"MLflow does not accept {login}"
        return f"MLflow wants a login: set {USER} and {PASSWORD}, or {TOKEN}, where ctrain runs"
    if code == "PERMISSION_DENIED" or "403 Client Error" in said:
        return f"MLflow knows who asks, by {login}, and does not let them" if login else ""
    if "CERTIFICATE_VERIFY_FAILED" in said:
        return "name the file of the authority that vouches for its certificate in REQUESTS_CA_BUNDLE"
    if any(sign in said for sign in FOREIGN):
        return "this is no answer of MLflow: is MLFLOW_TRACKING_URI its whole address, redirected by nobody?"
    return ""


def _login(environ: Mapping[str, str]) -> str:
    """Where MLflow's client takes its login from; empty: it has none."""
    if "@" in environ.get("MLFLOW_TRACKING_URI", ""):
        return "the login in MLFLOW_TRACKING_URI"
    if environ.get(USER) and environ.get(PASSWORD):
        return f"{USER} and {PASSWORD}"
    return TOKEN if environ.get(TOKEN) else ""
