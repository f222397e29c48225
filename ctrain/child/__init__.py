"""What runs in child processes: training, scoring and talking to MLflow.

Started as ``PYTHON .../ctrain/child ROLE ...`` in any interpreter that has mlflow, pyarrow and pandas;
ctrain need not be installed there, so nothing here imports the rest of ctrain.
"""
