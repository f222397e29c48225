"""``python -m ctrain.store``: create or migrate the database named by CTRAIN_DATABASE_URL, and end."""

from __future__ import annotations

import os

from ctrain.store import open_store

if __name__ == "__main__":
    open_store(os.environ["CTRAIN_DATABASE_URL"]).close()
