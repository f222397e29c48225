"""What the examples tell of: names, instants, sentences."""

from __future__ import annotations

POLICY, RUN, BATCH = "clicks", "clicks-12", "2026-11-20T08:00"
NOW, WAITS_SINCE, FIRED_AT = "2026-11-20T09:00:00Z", "2026-11-20T06:00:00Z", "2026-11-18T05:00:00Z"
EVIDENCE = "08b6a91816e26a0d7d33058812808c8f412537d7aa3d77787f0bdd34f0928e6b"
POLICY_HASH = "241fe0fe90ac8b471e50e7f3224e55fc2bae9ff3952139dcb99548d464845eb8"
BREACH = "brier 0.2141 is above 0.2 on 21604 rows"
BETTER = (
    "better than +0.002 asks: difference -0.0121 [-0.0204, -0.0038] on 24316 rows in 48 blocks; waits for a "
    "person, for 7d"
)
DONE = f"done: run {RUN} is PROMOTING"
TRIED, REVIEWED = "dwell times of the new app", "reviewed with the ads team"
