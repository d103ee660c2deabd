"""The notebooks in examples/ are what their scripts give today.

    python tests/test_notebooks.py      builds examples/*.ipynb from examples/*.py

A script is the notebook as text (jupytext, percent format); the notebook beside it holds the outputs. The test
executes the script and compares: every cell, and what every cell shows, but for pictures, times, and the numbers
in a line with an e-value, since what Hypothesis draws changes with its version.
"""

from __future__ import annotations

import os
import re
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

try:
    import jupytext
    import nbclient
    import nbformat
except ImportError as error:  # these tests are left out by their marker, never skipped for want of a package
    MISSING = error
else:
    MISSING = None

pytestmark = pytest.mark.notebook


@pytest.fixture(autouse=True)
def needs_the_notebook_extra() -> None:
    assert MISSING is None, f"{MISSING}; pip install -e '.[notebook,plot]'"


ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = sorted((ROOT / "examples").glob("*.py"))
SHOWN = ("text/html", "text/latex", "text/markdown", "text/plain")
"""What a notebook shows of an output, the first that there is."""


def executed(script: Path) -> Any:
    """The notebook of a script, with fresh outputs, and without what differs from run to run."""
    notebook = jupytext.read(script)
    # The kernel sees the repository, and draws into the notebook whatever the tests draw into.
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]),
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    }
    client = nbclient.NotebookClient(
        notebook, timeout=240, kernel_name="python3", resources={"metadata": {"path": str(script.parent)}}
    )
    client.execute(env=environment)
    notebook.metadata = {"kernelspec": notebook.metadata["kernelspec"], "language_info": {"name": "python"}}
    for number, cell in enumerate(notebook.cells):
        cell.id, cell.metadata = f"cell-{number}", {}
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            if len(data) > 1:
                data.pop("text/plain", None)  # the page of a dataclass, which shows itself better
    return notebook


def shown(cell: Any) -> list[str]:
    """What a cell shows, as text; a picture is a picture, a time is a time, a stream is one however it came in."""
    texts = []
    streaming = None
    for output in cell.get("outputs", ()):
        if output.get("name") and output.get("name") == streaming:
            texts[-1] += "\n" + without_times(output.get("text", ""))
            continue
        streaming = output.get("name")
        data = output.get("data", {})
        form = "image/png" if "image/png" in data else next((form for form in SHOWN if form in data), None)
        text = output.get("text", "") if form is None else "picture" if form == "image/png" else data[form]
        texts.append(without_times(text))
    return texts


def without_times(text: str) -> str:
    """The text with its times, and the numbers of lines with an e-value, left out."""
    text = re.sub(r"\d+\.\d\d(?=</td></tr>)", "…", text)
    return "\n".join(
        re.sub(r"\[[^]]*\]|[-+0-9.,^]*\d", "…", line) if "e-value" in line else line for line in text.splitlines()
    )


def differences(stored: Any, fresh: Any) -> list[str]:
    """What a reader of the stored notebook sees that the script does not give, cell by cell."""
    found = []
    if len(stored.cells) != len(fresh.cells):
        found.append(f"{len(stored.cells)} cells are stored, {len(fresh.cells)} are in the script")
    for number, (before, now) in enumerate(zip(stored.cells, fresh.cells, strict=False)):
        if (before.cell_type, before.source) != (now.cell_type, now.source):
            found.append(f"cell {number} of the script has changed:\n{now.source}")
        elif shown(before) != shown(now):
            found.append(f"cell {number} shows {shown(now)}, stored is {shown(before)}")
    return found


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_stored_notebook_is_what_its_script_gives(script: Path) -> None:
    stored = nbformat.read(script.with_suffix(".ipynb"), as_version=4)
    found = differences(stored, executed(script))
    assert not found, "\n".join([*found, "build it again: python tests/test_notebooks.py"])


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_stored_notebook_can_be_given_away(script: Path) -> None:
    text = script.with_suffix(".ipynb").read_text(encoding="utf-8")
    stored = nbformat.reads(text, as_version=4)
    nbformat.validate(stored)
    assert not [output for cell in stored.cells for output in cell.get("outputs", ()) if output.output_type == "error"]
    assert not re.search(r"0x[0-9a-f]{6}|/home/|/root/|/tmp/|/Users/", text)
    assert len(text) < 500_000


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_changed_notebook_is_noticed(script: Path) -> None:
    stored = nbformat.read(script.with_suffix(".ipynb"), as_version=4)
    assert not differences(stored, stored)
    for number, cell in enumerate(stored.cells):
        changed = deepcopy(stored)
        changed.cells[number].source += " "
        assert differences(stored, changed)
        for place, output in enumerate(cell.get("outputs", ())):
            if "image/png" in output.get("data", {}):
                continue
            changed = deepcopy(stored)
            wrong = changed.cells[number].outputs[place]
            if "text" in wrong:
                wrong.text = "something else\n" + wrong.text
            else:
                wrong.data = {form: "something else " + text for form, text in wrong.data.items()}
            assert differences(stored, changed)


def test_there_is_a_notebook_for_every_script() -> None:
    assert [script.stem for script in SCRIPTS] == [
        "attention_pca_real_data",
        "clustering",
        "derivation_by_hand",
        "descent",
        "imputation",
        "own_model",
        "published_lemma",
        "single_location",
    ]
    assert sorted((ROOT / "examples").glob("*.ipynb")) == [script.with_suffix(".ipynb") for script in SCRIPTS]


def main() -> None:
    """Build every notebook."""
    for script in SCRIPTS:
        nbformat.write(executed(script), script.with_suffix(".ipynb"))
        print(script.with_suffix(".ipynb"))


if __name__ == "__main__":
    main()
