"""The guard at the door: are `theory` and `numerics` ours?

The names are short, and a file `theory.py` beside a user's script comes first on Python's path.
Its import would succeed and fail much later, with an error about a missing name; the guard names
the intruder at once.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

__all__ = ["refuse_intruders"]

NEEDED = ("theory", "numerics")


def _place(name: str) -> Path | None:
    """The folder of a package, or the file of a module, that `import name` finds; None if it finds none."""
    module = sys.modules.get(name)
    spec = module.__spec__ if module is not None else importlib.util.find_spec(name)
    if spec is None:
        return None
    if spec.submodule_search_locations:  # a package, or a bare folder of that name
        return Path(next(iter(spec.submodule_search_locations))).resolve()
    return Path(spec.origin or name).resolve()


def refuse_intruders() -> None:
    """Refuse to start when another `theory` or `numerics` is found in place of this project's.

    Raises:
        ImportError: naming the file or folder that is in the way.
    """
    home = Path(__file__).resolve().parent.parent
    for name in NEEDED:
        found = _place(name)
        if found != home / name:
            stranger = "nothing" if found is None else str(found)
            raise ImportError(
                f"expected the package {name!r} of attention-theory in {home / name}, "
                f"but Python finds {stranger} first; rename it, or start Python from another folder"
            )
