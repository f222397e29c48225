"""The child that speaks through apprise: one message in, one answer out, both JSON, and it ends.

It imports nothing of ctrain. apprise and what it brings take more memory than all else that waits in
the daemon, and its channels keep time each in their own way: a child gives the memory back, and can be
ended.
"""

from __future__ import annotations

import json
import logging
import sys
from typing import Any


def main() -> None:
    """Read a message from standard input and write what became of it to standard output."""
    asked = json.load(sys.stdin)
    json.dump(tell(asked), sys.stdout)


def tell(asked: dict[str, str]) -> dict[str, Any]:
    """Return whether apprise knows the address, whether it took the message, and what it said."""
    import apprise

    asset = apprise.AppriseAsset(app_id="ctrain", app_desc="ctrain", async_mode=False)
    capture = apprise.LogCapture(level=logging.WARNING, fmt="%(message)s")  # type: ignore[no-untyped-call]  # apprise leaves it untyped
    with capture as log:
        teller = apprise.Apprise(asset=asset)
        known = teller.add(asked["url"])
        for service in teller:
            if "overflow=" not in asked["url"]:
                service.overflow_mode = apprise.OverflowMode.SPLIT  # else long texts would be refused
        done = known and teller.notify(
            title=asked["title"], body=asked["body"], notify_type=asked["level"], body_format="text"
        )
        said = log.getvalue()
    return {"known": bool(known), "done": bool(done), "said": said}


if __name__ == "__main__":
    main()
