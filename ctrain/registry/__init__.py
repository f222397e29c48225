"""MLflow's registry and tracking behind the ``Registry`` port; mlflow itself runs in a child."""
