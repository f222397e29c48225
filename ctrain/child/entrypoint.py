"""The training function of a policy, loaded from the file beside it, and what its models need."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

DISTRIBUTIONS = {"sklearn": "scikit-learn", "PIL": "pillow", "yaml": "pyyaml", "cv2": "opencv-python"}
"""Where the name that is imported is not the name that is installed."""
ALWAYS_NEEDED = ("mlflow", "cloudpickle", "numpy", "pandas")

TrainingFunction = Callable[[Any, Any], Any]


def load_training_function(entrypoint: str, code_folder: Path) -> TrainingFunction:
    """The function that ``module:function`` names, in a file below ``code_folder``.

    Its module may import its neighbours; it wins over an installed module of the same name.
    """
    name, _, function_name = entrypoint.partition(":")
    path = _module_file(name, code_folder)
    if path is None:
        raise FileNotFoundError(f"train.entrypoint {entrypoint!r}: there is no {name}.py in {code_folder}")
    if str(code_folder) not in sys.path:
        sys.path.insert(0, str(code_folder))
    module = _load(name.removesuffix(".py").replace("/", "."), path)
    function = getattr(module, function_name, None)
    if not callable(function):
        raise TypeError(f"train.entrypoint {entrypoint!r}: {path.name} has no function {function_name!r}")
    found: TrainingFunction = function
    return found


def _module_file(name: str, code_folder: Path) -> Path | None:
    candidates = (
        f"{name.removesuffix('.py')}.py",
        f"{name.replace('.', '/')}.py",
        f"{name.replace('.', '/')}/__init__.py",
    )
    found = next((code_folder / one for one in candidates if (code_folder / one).is_file()), None)
    if found is not None and not found.resolve().is_relative_to(code_folder.resolve()):
        raise PermissionError(f"train.entrypoint {name!r}: {found} leads out of {code_folder}; it is not run")
    return found


def _load(name: str, path: Path) -> ModuleType:
    locations = [str(path.parent)] if path.name == "__init__.py" else None
    spec = importlib.util.spec_from_file_location(name, path, submodule_search_locations=locations)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def pickle_by_value(code_folder: Path) -> None:
    """Let models carry the classes of the policy's own modules, so that they load anywhere."""
    import cloudpickle

    own = f"{code_folder}{os.sep}"
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if file and file.startswith(own) and "site-packages" not in Path(file).parts:
            cloudpickle.register_pickle_by_value(module)


def pip_requirements(imported_by_training: Iterable[str]) -> list[str]:
    """Pinned requirements of what training imported, in the order of their names.

    Naming them spares MLflow's inference, which loads the model again in a process of its own.
    """
    names = {DISTRIBUTIONS.get(name, name) for name in imported_by_training if not name.startswith("_")}
    pinned = {}
    for name in sorted({*ALWAYS_NEEDED, *names}, key=str.lower):
        try:
            pinned[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # of the standard library, or the policy's own
    return [f"{name}=={version}" for name, version in pinned.items()]


def top_level_modules() -> set[str]:
    """Names of the packages and modules imported so far."""
    return {name.partition(".")[0] for name in sys.modules}
