"""The policies of the load: one with five monitors, and a probe whose panes end with every file."""

from __future__ import annotations

_HEAD = """
version: 1
policy: {name}
model: {{name: {name}, task: binary, metric: brier}}
data:
  source: {{type: files, path: {data}/rows/*.parquet}}
  labels: {{source: {{type: files, path: {data}/labels/*.parquet}}, id: id, label: y, matures_after: MATURES}}
  id: id
  event_time: {{column: at}}
"""
_TRAINING = """
limits: {{min_new_labels: 100000000}}
train: {{entrypoint: "clicks:train", window: {{last: 1h}}, timeout: 1h}}
gates: [{{metric: brier, not_worse_than_champion_by: 0.02}}]
shadow: {{alpha: 0.05, margin: 0.01, min_rows: 200, min_duration: 1h, max_duration: 1d}}
probation: {{duration: 1h, alpha: 0.05, margin: 0.02}}
"""
BUSY = (
    _HEAD.replace("MATURES", "{matures}")
    + """\
  prediction: score
  model_version: version
  features: {{numeric: [x, z, w], categorical: [kind, place]}}
  pane: {pane}s
  allowed_lateness: 10s
monitors:
  inputs: {{type: drift, test: ks, window: 1m, fdr: 0.01, min_effect: 0.2, min_rows: 500}}
  loss: {{type: change, detector: e_detector, on: loss, run_length: 1000000, hold: 1m, min_rows: 500}}
  quality: {{type: quality, window: 1m, max_null_rate: 0.05, min_rows: 500}}
  brier: {{type: performance, metric: brier, window: 1m, above: 0.4, min_rows: 500}}
  fresh: {{type: freshness, max_age: 1h}}
triggers:
  worse: {{any: [loss, brier]}}
"""
    + _TRAINING.lstrip()
)
"""Five monitors, trained never; to be formatted with ``name``, ``data`` (a folder), ``pane`` (seconds) and
``matures``."""
PROBE = (
    _HEAD.replace("MATURES", "1h")
    + """\
  features: {{numeric: [x]}}
  pane: 1s
  allowed_lateness: 0s
monitors:
  few: {{type: volume, window: 1s, min_rows: 1000000}}
triggers:
  few: {{any: [few]}}
"""
    + _TRAINING.lstrip()
)
"""Each pane that ends meets its trigger; to be formatted with ``name`` and ``data``."""
