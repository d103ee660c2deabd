"""The house rules that a machine can read: where imports point, what no file calls, what a user finds."""

from __future__ import annotations

import ast
import graphlib
import importlib
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("theory", "numerics", "proofs_check")  # each may import those before it
ALLOWED_OUTSIDE = {
    "theory": {"sympy", "flint", "mpmath"},
    "numerics": {"sympy", "flint", "mpmath", "numpy", "scipy"},
    "proofs_check": {"sympy", "flint", "mpmath", "numpy", "scipy", "hypothesis", "rich"},
}
OPTIONAL = {
    "matplotlib",
    "dask",
    "distributed",
    "sklearn",
    "nbclient",
    "nbformat",
    "jupytext",
    "IPython",
    "pytest",
}
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def is_package(path: Path) -> bool:
    return path.name == "__init__.py"


TREES = {name_of(path): ast.parse(path.read_text(encoding="utf-8")) for path in SOURCES}
FILES = {name_of(path): path for path in SOURCES}


def is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def imports(module: str) -> Iterator[tuple[str, bool, int]]:
    """What a module imports: (name, whether inside a function, line). Names of ours are names of files."""

    def walk(node: ast.AST, deferred: bool) -> Iterator[tuple[ast.AST, bool]]:
        for child in ast.iter_child_nodes(node):
            if is_for_types(child):
                continue
            inside = deferred or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            if isinstance(child, ast.Import | ast.ImportFrom):
                yield child, inside
            yield from walk(child, inside)

    for node, deferred in walk(TREES[module], False):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, deferred, node.lineno
        else:
            assert isinstance(node, ast.ImportFrom)
            base = node.module or ""
            if node.level:
                home = module.split(".") if is_package(FILES[module]) else module.split(".")[:-1]
                home = home[: len(home) - node.level + 1]
                base = ".".join([*home, base] if base else home)
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                yield (inner if inner in TREES else base), deferred, node.lineno


def ours(name: str) -> bool:
    return name.split(".")[0] in PACKAGES


@pytest.mark.parametrize("module", sorted(TREES))
def test_imports_point_down(module):
    package = module.split(".")[0]
    below = PACKAGES[: PACKAGES.index(package) + 1]
    for name, _, line in imports(module):
        top = name.split(".")[0]
        if ours(name):
            assert top in below, f"{module}:{line} imports {name}, which stands above it"


@pytest.mark.parametrize("module", sorted(TREES))
def test_nothing_of_ours_is_imported_late(module):
    late = [f"line {line}: {name}" for name, deferred, line in imports(module) if deferred and ours(name)]
    # The studies are found by looking into their folder, through importlib, when somebody asks.
    assert not late, f"{module} imports inside a function, which hides a circle: {late}"


def test_imports_have_no_circle():
    graph = {module: {name for name, _, _ in imports(module) if ours(name) and name != module} for module in TREES}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        pytest.fail("imports form a circle: " + " -> ".join(error.args[1]))


@pytest.mark.parametrize("module", sorted(TREES))
def test_files_do_not_come_in_through_a_front_door(module):
    """Inside the project a file names the file it needs; front doors are for users and studies."""
    if module.startswith("proofs_check.studies") or module.endswith("__main__"):
        return
    through = [f"line {line}: {name}" for name, _, line in imports(module) if name in PACKAGES]
    assert not through, f"{module} imports from a front door: {through}"


@pytest.mark.parametrize("module", sorted(TREES))
def test_dependencies_are_those_of_the_design(module):
    allowed = ALLOWED_OUTSIDE[module.split(".")[0]] | set(sys.stdlib_module_names)
    for name, deferred, line in imports(module):
        top = name.split(".")[0]
        if module == "proofs_check.pytest_plugin" and top == "pytest":
            continue  # pytest loads it, and no file of ours does
        if not ours(name) and top not in allowed:
            assert deferred and top in OPTIONAL, f"{module}:{line} imports {name}"


def calls(module: str) -> Iterator[tuple[str, ast.Call]]:
    """Every call with the name it is made by: f(...) gives f, a.b.f(...) gives a.b.f."""
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


RUNS_TEXT = {"eval", "exec", "compile", "__import__", "parse_expr", "parse_latex", "execfile"}
RUNS_FILES = {"pickle", "cPickle", "dill", "joblib", "shelve", "marshal", "code", "runpy"}


@pytest.mark.parametrize("module", sorted(TREES))
def test_no_text_is_run(module):
    tree = TREES[module]
    own = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    imported = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    for name, node in calls(module):  # numerics.compile is ours; the built-in of that name is not called
        assert name not in RUNS_TEXT - own - imported, f"{module}:{node.lineno} calls {name}"
        assert name.split(".")[-1] not in RUNS_TEXT - {"compile"}, f"{module}:{node.lineno} calls {name}"
    for name, _, line in imports(module):
        assert name.split(".")[0] not in RUNS_FILES, f"{module}:{line} imports {name}"
        assert not name.startswith("sympy.parsing"), f"{module}:{line} imports {name}"


TAKES_TEXT = {
    "sympify",
    "S",
    "N",
    "Matrix",
    "ImmutableMatrix",
    "Poly",
    "solve",
    "diff",
    "simplify",
    "Rational",
    "Float",
}


def is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


@pytest.mark.parametrize("module", sorted(TREES))
def test_no_expression_is_made_from_text(module):
    for name, node in calls(module):
        last = name.split(".")[-1]
        if last not in TAKES_TEXT or not (name.startswith(("sp.", "sympy.")) or name == last):
            continue
        texts = [argument for argument in node.args if is_text(argument)]
        literal = last in {"Rational", "Float"} and all(isinstance(argument, ast.Constant) for argument in texts)
        assert not texts or literal, f"{module}:{node.lineno} gives text to {name}"


@pytest.mark.parametrize("module", sorted(TREES))
def test_lambdify_hides_the_names(module):
    for name, node in calls(module):
        if name.split(".")[-1] == "lambdify":
            options = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            assert options.get("dummify") == "True", f"{module}:{node.lineno}: lambdify runs code hidden in a name"


@pytest.mark.parametrize("module", sorted(set(TREES) - {"theory.identity"}))
def test_only_identity_decides_what_is_zero(module):
    for name, node in calls(module):
        last = name.split(".")[-1]
        assert last != "simplify", f"{module}:{node.lineno} calls {name}; see theory/identity.py"
        if last == "nsimplify":  # its guesses are none of ours; with rational=True it only rewrites decimals
            options = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            assert options.get("rational") == "True", f"{module}:{node.lineno} calls {name} without rational=True"
        assert last != "equals", f"{module}:{node.lineno} calls {name}, which calls true identities false"


@pytest.mark.parametrize("module", sorted(name for name in TREES if name.split(".")[0] == "theory"))
def test_theory_holds_no_floats(module):
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Constant):
            assert not isinstance(node.value, float | complex), f"{module}:{node.lineno} holds {node.value}"


@pytest.mark.parametrize("module", sorted(TREES))
def test_no_seed_is_made_by_hash(module):
    for name, node in calls(module):
        assert name != "hash", f"{module}:{node.lineno}: hash changes from run to run; use zlib.crc32"


@pytest.mark.parametrize("module", sorted(TREES))
def test_nobody_reads_the_global_generator(module):
    for name, node in calls(module):
        is_global = re.fullmatch(r"(random|np\.random|numpy\.random)\.[a-z_]+", name)
        assert not is_global or name.endswith("default_rng"), f"{module}:{node.lineno} calls {name}"


def tracked_files() -> list[Path]:
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if listing.returncode != 0:
        pytest.skip("not a git checkout")
    return [ROOT / line for line in listing.stdout.splitlines() if (ROOT / line).is_file()]


MACHINE_PATH = re.compile(r"(?<![\w.:/])/(?:home|root|work|farm|tmp|Users|mnt)/[A-Za-z0-9._]")


def test_no_file_names_a_place_on_a_machine():
    found = []
    for path in tracked_files():
        text = path.read_bytes().decode("utf-8", errors="ignore")
        found += [f"{path.relative_to(ROOT)}: {match}" for match in MACHINE_PATH.findall(text)]
    assert not found


def modules() -> list[str]:
    return [name for name in sorted(TREES) if not name.endswith("__main__")]


def names_in_all(module: str) -> list[str]:
    for node in TREES[module].body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return [str(name) for name in ast.literal_eval(node.value)]
    return []


@pytest.mark.parametrize("module", modules())
def test_every_public_name_says_what_it_is(module):
    if FILES[module].stat().st_size:
        assert ast.get_docstring(TREES[module]), f"{module} does not open with a paragraph on what it is about"
    public = set(names_in_all(module))
    definitions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    silent = []
    for node in TREES[module].body:
        if isinstance(node, definitions) and (node.name in public or not (public or node.name.startswith("_"))):
            silent += [] if ast.get_docstring(node) else [node.name]
            if isinstance(node, ast.ClassDef):
                silent += [
                    f"{node.name}.{method.name}"
                    for method in node.body
                    if isinstance(method, ast.FunctionDef)
                    and not method.name.startswith("_")
                    and not ast.get_docstring(method)
                    and method.name not in documented_methods(module)
                    and not inherits_its_docstring(module, node.name, method.name)
                ]
    assert not silent, f"{module}: no docstring on {', '.join(silent)}"


def documented_methods(module: str) -> set[str]:
    """Methods that some class of the file explains: a protocol's members need not say it again."""
    classes = [node for node in ast.walk(TREES[module]) if isinstance(node, ast.ClassDef)]
    return {
        method.name
        for owner in classes
        for method in owner.body
        if isinstance(method, ast.FunctionDef) and ast.get_docstring(method)
    }


def inherits_its_docstring(module: str, owner: str, method: str) -> bool:
    """Whether a base class says already what the method does."""
    found = getattr(importlib.import_module(module), owner)
    return any(getattr(vars(base).get(method), "__doc__", None) for base in found.__mro__[1:])


@pytest.mark.parametrize("module", modules())
def test_every_promised_name_is_there(module):
    names = names_in_all(module)
    loaded = importlib.import_module(module)
    missing = [name for name in names if not hasattr(loaded, name)]
    assert not missing, f"{module}.__all__ lists {missing}"
    assert len(set(names)) == len(names)


def run_python(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A fresh interpreter in a folder, which finds the project after that folder, as a user's does."""
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


HEAVY = ("scipy", "matplotlib", "hypothesis", "sklearn", "dask", "rich", "pytest", "pandas", "IPython")


def test_importing_theory_brings_only_sympy(tmp_path):
    run = run_python(f"import sys, theory; print([n for n in {HEAVY} if n in sys.modules])", tmp_path)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == "[]"


def test_importing_anything_is_light(tmp_path):
    names = ("scipy.stats", "matplotlib", "sklearn", "dask", "distributed", "pytest", "IPython")
    run = run_python(
        f"import sys, theory, numerics, proofs_check; print([n for n in {names} if n in sys.modules])",
        tmp_path,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == "[]"


@pytest.mark.parametrize("intruder", ["theory.py", "numerics.py", "theory/__init__.py", "numerics/__init__.py"])
def test_an_intruder_is_named(tmp_path, intruder):
    file = tmp_path / intruder
    file.parent.mkdir(exist_ok=True)
    file.write_text("")
    run = run_python("import proofs_check", tmp_path)
    assert run.returncode != 0
    assert "ImportError: expected the package" in run.stderr
    assert f"Python finds {tmp_path / intruder.split('/')[0]}" in run.stderr
    assert "rename it" in run.stderr


def test_a_bare_folder_is_an_intruder_too(tmp_path):
    """An editable installation is found last, so that a folder `theory` with notes in it comes first."""
    (tmp_path / "theory").mkdir()
    code = f"""
import importlib.util, sys
sys.path = [place for place in sys.path if place != {str(ROOT)!r}]
front = {str(ROOT / "proofs_check" / "__init__.py")!r}
spec = importlib.util.spec_from_file_location("proofs_check", front, submodule_search_locations=[front[:-12]])
module = sys.modules["proofs_check"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
"""
    run = run_python(code, tmp_path)
    assert f"Python finds {tmp_path / 'theory'} first" in run.stderr


def test_no_intruder_is_seen_where_there_is_none(tmp_path):
    assert run_python("import proofs_check", tmp_path).returncode == 0


def test_no_folder_of_tests_shadows_a_package():
    assert not {path.name for path in (ROOT / "tests").iterdir() if path.is_dir()} & set(PACKAGES)


def test_every_package_is_installed():
    listed = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    assert listed == {name for name in TREES if is_package(FILES[name])}


def makefile_targets() -> set[str]:
    return set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_every_make_command_in_a_page_exists(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    named = set(re.findall(r"(?:^ {4}|`|^\$ ?)make ([a-z][a-z-]*)", text, flags=re.MULTILINE))
    assert named, f"{page} names no make command"
    assert named <= makefile_targets()
    if page == "README.md":
        assert {"verify", "test"} <= named


def test_readme_names_commands_that_exist(tmp_path):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"(?:^|[`\s])(?:proofs-check|python -m proofs_check) ([a-z]+)", text))
    assert named
    for command in sorted(named):
        run = run_python(f"from proofs_check.__main__ import main; main([{command!r}, '--help'])", tmp_path)
        assert run.returncode == 0, f"{command}: {run.stderr}"


@pytest.mark.parametrize(
    "source, rule",
    [
        ("from numerics.balls import ball", test_imports_point_down),
        ("from proofs_check import claim", test_imports_point_down),
        ("def f():\n    from .risk import Risk", test_nothing_of_ours_is_imported_late),
        ("from theory import E", test_files_do_not_come_in_through_a_front_door),
        ("import scipy.stats", test_dependencies_are_those_of_the_design),
        ("import matplotlib", test_dependencies_are_those_of_the_design),
        ("eval('1')", test_no_text_is_run),
        ("import pickle", test_no_text_is_run),
        ("from sympy.parsing.sympy_parser import parse_expr\nparse_expr(text)", test_no_text_is_run),
        ("sp.sympify('x + 1')", test_no_expression_is_made_from_text),
        ("sp.S(f'{x}')", test_no_expression_is_made_from_text),
        ("sp.lambdify(x, y)", test_lambdify_hides_the_names),
        ("sp.lambdify(x, y, dummify=False)", test_lambdify_hides_the_names),
        ("expr.simplify()", test_only_identity_decides_what_is_zero),
        ("sp.simplify(expr)", test_only_identity_decides_what_is_zero),
        ("(a - b).equals(0)", test_only_identity_decides_what_is_zero),
        ("half = 0.5", test_theory_holds_no_floats),
        ("np.random.normal(3)", test_nobody_reads_the_global_generator),
        ("seed = hash('name')", test_no_seed_is_made_by_hash),
        ("def public():\n    pass", test_every_public_name_says_what_it_is),
    ],
)
def test_each_rule_refuses_what_it_is_about(monkeypatch, source, rule):
    """Controls: a file that breaks the rule turns it red."""
    monkeypatch.setitem(TREES, "theory.control", ast.parse(f'"""A file."""\n{source}'))
    monkeypatch.setitem(FILES, "theory.control", ROOT / "theory" / "notation.py")
    with pytest.raises(AssertionError):
        rule("theory.control")


def test_a_circle_is_seen(monkeypatch):
    monkeypatch.setitem(TREES, "theory.control", ast.parse("from .control_too import x"))
    monkeypatch.setitem(TREES, "theory.control_too", ast.parse("from .control import y"))
    monkeypatch.setitem(FILES, "theory.control", ROOT / "theory" / "control.py")
    monkeypatch.setitem(FILES, "theory.control_too", ROOT / "theory" / "control_too.py")
    with pytest.raises(pytest.fail.Exception, match="circle"):
        test_imports_have_no_circle()
