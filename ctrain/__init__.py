"""ctrain keeps models in an MLflow registry fresh: watch, retrain, compare, promote, roll back."""

from ctrain.domain import TrainingContext

__version__ = "0.1.0"

__all__ = ["TrainingContext", "__version__"]
