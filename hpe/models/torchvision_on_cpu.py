"""Let timm import beside a CPU build of torch when torchvision is a CUDA build.

PyPI's torchvision wheel for Linux is built for CUDA; pip accepts it beside a CPU build of torch,
but its C++ library cannot load there. torchvision tolerates that, except that it registers shape
rules for two operators that its library would have declared, and fails. Declaring their signatures
first is enough: models and transforms then work, and compiled operators (nms, roi_align) stay
absent and say so when called. timm imports torchvision whether it needs it or not.
"""

import importlib
import importlib.util
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

import torch

_OPERATORS = ("nms", "qnms")


def import_timm() -> ModuleType:
    """Import timm, after making torchvision importable where that is needed.

    Importing timm takes seconds, so only those who build one of its models pay for it.
    """
    make_torchvision_importable()
    return importlib.import_module("timm")


def make_torchvision_importable() -> bool:
    """Declare torchvision's operators if its own library cannot; call before importing it.

    Returns:
        Whether declarations stand in for the library. False, with nothing done, where torch is a
        CUDA build, torchvision is missing or already imported, or its library loads.
    """
    if torch.version.cuda is not None:
        return False
    return _declared_operators() is not None


@cache
def _declared_operators() -> torch.library.Library | None:
    """Declare the operators once; the returned object keeps the declarations alive."""
    if "torchvision" in sys.modules or _library_loads():
        return None
    library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for name in _OPERATORS:
        signature = f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
        library.define(signature)  # type: ignore[no-untyped-call]
    return library


def _library_loads() -> bool:
    """Load torchvision's C++ library, as its import would; True too if there is none to load."""
    found = importlib.util.find_spec("torchvision")
    if found is None or found.origin is None:
        return True
    for library in Path(found.origin).parent.glob("_C*.so"):
        try:
            torch.ops.load_library(library)  # type: ignore[no-untyped-call]
        except OSError:
            return False
    return True
