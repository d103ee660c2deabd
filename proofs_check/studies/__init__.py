"""The studies: one file each, found by name.

A study is a module of this folder with an object called `study`; its name is the name of the
file, with hyphens.
"""

from __future__ import annotations

import importlib
import pkgutil

from ..claim import Study

__all__ = ["studies"]


def studies() -> dict[str, Study]:
    """All studies of this folder, from name to study, in the order of the alphabet.

    Raises:
        TypeError: if a file has no `study`.
        ValueError: if a study is not called like its file.
    """
    found: dict[str, Study] = {}
    for file in sorted(module.name for module in pkgutil.iter_modules(__path__)):
        if file.startswith("_"):
            continue
        study = getattr(importlib.import_module(f"{__name__}.{file}"), "study", None)
        if not isinstance(study, Study):
            raise TypeError(f"{__name__}.{file} should define study = Study(...), found {study!r}")
        if study.name != file.replace("_", "-"):
            raise ValueError(f"expected the study of {file}.py to be called {file.replace('_', '-')}, got {study.name}")
        found[study.name] = study
    return found
