"""pdflatex, without a shell, compiles everything that `theory.latex` writes."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import sympy as sp

from theory.expectation import Expectation
from theory.gradient import Gradient
from theory.integral import GaussianIntegral
from theory.latex import chain, document, to_latex
from theory.notation import L, d, eta, gamma, kappa, lam, m, nu, q_k, rho, sigma, theta
from theory.special import BivariateNormalCDF, NormalCDF, OwenT
from theory.statement import Agreement, Inequality, Invariant, Limit, Stationary, StationaryCount, equal
from theory.variables import GaussianMatrix, GaussianVector, Latent, dot, gaussians, quad

pytestmark = pytest.mark.pdflatex

x, y, t = sp.symbols("x y t", real=True)
n, l = sp.symbols("n l", integer=True, nonnegative=True)
A, B = sp.MatrixSymbol("A", d, d), sp.MatrixSymbol("B", d, d)
k, k_star = sp.MatrixSymbol("k", d, 1), sp.MatrixSymbol("k_star", d, 1)
a, b = gaussians("a b_star")
X, xi = GaussianMatrix("X", L, d), GaussianVector("xi", d)
J = Latent("J", L)

SENTENCES = (
    "Owen's T at λ ≤ ½: ‖k‖² = ⟨k, k*⟩ + E[f] for R̂ ∈ ℝ^d, 100 % of {it} & #1_a, naïve Erdős “quoted” – é.",
    "αβγδεζηθικλμνξοπρςστυφχψω ΓΔΘΛΞΠΣΥΦΨΩ ≤≥≠≈≡∼∝→←↔↦⇒⇔∞∂∇∫∑∏√∈∉⊂⊆∪∩∅∧∨¬∀∃⟨⟩‖∥⊥⊤⋆∗∘⊗⊙⊕×·÷±∓⌊⌋⌈⌉…⋯†∎",
    "²³⁻ᵀ₀ₖ ½¼¾ ℝ𝔼 ℓ ° µ′″ ßøØłŁæÆı§ Ä ç ş ē ă ż ů ő č ę 日 ` ~ ^ \\ | < > \t \x00",
    r"\input{/etc/passwd} \immediate\write18{touch owned} ^^5cinput \end{document}",
)


def formulas() -> list[tuple[str, object]]:
    long = sp.Add(*(lam**i * kappa * sp.erf(nu + i) * sp.exp(-(i**2) * gamma) for i in range(200)))
    scalars = [
        OwenT(x, y) ** 2 + BivariateNormalCDF(x, y, rho) ** 2 * NormalCDF(-x) ** 3,
        sp.erf(lam * m * kappa / sp.sqrt(1 + 2 * lam**2 * gamma**2)) ** 2 + sp.erfc(x),
        GaussianIntegral(sp.tanh(x * t) ** 2, (t,)) ** 2,
        GaussianIntegral(sp.tanh(x * t + y), (t, y)),
        Expectation(sp.erf(a) * b**2) ** 2,
        a**2 * b**2 + sp.exp(b),
        Gradient(Expectation(sp.erf(lam * a) * b**2), lam) ** 2 * Gradient(lam * x, x),
        dot(k, k_star) ** 2 + quad(xi, A) + dot(xi, k),
        sp.Sum(sp.erf(lam * dot(X[l, :], k)) * dot(X[l, :], k_star), (l, 0, L - 1)) + dot(X[J, :], k),
        sp.Heaviside(x) + sp.sign(x) * sp.Abs(x) ** 2 + sp.Max(0, x) ** 2 + sp.DiracDelta(x),
        sp.ff(L, 3) + sp.binomial(n, 2) + sp.factorial(n) + sp.KroneckerDelta(n, l) + sp.floor(x),
        sp.asin(x) + sp.atan(y) ** 2 + sp.acosh(x) + sp.log(x) ** 2 + sp.sqrt(x) + x ** sp.Rational(2, 3),
        sp.Piecewise((x, x > 0), (0, True)),
        sp.Derivative(sp.Function("phi")(x), x) + sp.Integral(sp.exp(-(x**2)), (x, -sp.oo, sp.oo)),
        sp.Trace(A * B.T) + sp.Determinant(A),
        sp.oo,
        sp.I * sp.pi + sp.E + sp.zoo,
        sp.Rational(-(10**30), 7),
        x**y**t + (x**y) ** t + sp.Symbol("k_star") ** 2 + sp.Symbol("x_hat_1_star") ** lam,
        sp.Function("a_star")(x) ** 2 + sp.Function("varphi")(x) + sp.Function("gate")(x, y),
        sp.polylog(2, x) + sp.besselj(0, x) + sp.gamma(x) + sp.loggamma(x),
    ]
    matrices = [
        A * k + B.T * k_star + 2 * A.inv() * k,
        k_star.T,
        sp.Matrix([[x, 1], [y, sp.Rational(1, 2)]]),
        A + sp.Identity(d) + sp.ZeroMatrix(d, d),
        sp.HadamardProduct(A, B),
        sp.BlockMatrix([[A, B], [B, A]]),
        A[0, 1] + sp.MatrixSymbol("X", L, d)[l, 0],
        sp.MatrixSymbol("X", 5, 3)[1:3, :],
        sp.MatrixSymbol("X", 5, 3)[2, :],
    ]
    statements = [
        equal(kappa, long),
        equal(long, long),
        equal((x, y), (1, 2)),
        Inequality(x, "<=", y),
        sp.Ne(x, y),
        sp.And(x > 0, y < 1),
        Limit(x / (1 + x), x, sp.oo, 1),
        Invariant({theta: theta * kappa, kappa: -kappa, eta: eta}, {theta: 0}),
        Stationary(kappa**2 + nu**2, (kappa, nu), {kappa: 0, nu: 0}),
        StationaryCount((x**3 - x,), (x,), {x: (-2, 2)}, number=3),
        Agreement(q_k * sigma**2),
    ]
    shapes = [
        {kappa: sp.Rational(1, 3), lam: 2, "nu": x},
        (x, y, sp.Tuple(x, 1)),
        [1, 2],
        to_latex(long),
        chain(Expectation(a), [(long, "Stein's lemma"), (x, "100 % certain: κ ≤ λ")]),
        long * sp.sqrt(1 + gamma),
        (long + 1) ** 2 * long,
        sp.exp(-long) * sp.erf(long) ** 2 / sp.sqrt(long),
        GaussianIntegral(long * t, (t,)),
        Expectation(long * a) + 1,
    ]
    return [(f"{kind} {i}", formula) for kind, group in
            (("scalar", scalars), ("matrix", matrices), ("statement", statements), ("shape", shapes))
            for i, formula in enumerate(group)]  # fmt: skip


def named_by(name: str) -> list[tuple[str, object]]:
    s, M, f = sp.Symbol(name), sp.MatrixSymbol(name or "_", 2, 2), sp.Function(name)
    return [(name, obj) for obj in (s**2 + s / 2, equal(s, x), M.T * M, M[0, 1], f(x) ** 2 + f(s), {s: 1})]


def log_of_failure(text: str, folder: Path) -> str:
    """Empty if pdflatex compiles the text in its own folder, the end of its log otherwise."""
    (folder / "formulas.tex").write_text(text, encoding="utf-8")
    command = ["pdflatex", "-halt-on-error", "-no-shell-escape", "-interaction=nonstopmode", "formulas.tex"]
    run = subprocess.run(command, cwd=folder, capture_output=True, timeout=120, check=False)
    return "" if run.returncode == 0 else run.stdout.decode("utf-8", "replace")[-1500:]


def assert_compiles(items: list[tuple[str, object]], folder: Path) -> None:
    if shutil.which("pdflatex") is None:
        pytest.fail("pdflatex is not installed; apt-get install texlive-latex-base")
    log = log_of_failure(document([("All", items)]), folder)
    if log:
        for item in items:
            assert not log_of_failure(document([("One", [item])]), folder), f"does not compile: {item}"
    assert not log, log


def test_every_kind_of_node_compiles(tmp_path):
    assert_compiles(formulas(), tmp_path)


def test_sentences_compile(tmp_path):
    assert_compiles([(sentence, None) for sentence in SENTENCES], tmp_path)
    assert sorted(file.suffix for file in tmp_path.iterdir()) == [".aux", ".log", ".pdf", ".tex"]


def test_hostile_names_compile_and_do_nothing(tmp_path, hostile_names):
    items = [item for name in hostile_names for item in named_by(name)]
    assert_compiles(items, tmp_path)
    assert sorted(file.suffix for file in tmp_path.iterdir()) == [".aux", ".log", ".pdf", ".tex"]


def test_a_broken_formula_is_noticed(tmp_path):
    assert log_of_failure(document([("Broken", [("undefined", r"\undefinedcommand")])]), tmp_path)


def test_long_formulas_stay_on_the_page(tmp_path):
    long = [item for item in formulas() if "align" in document([("", [item])]).split("maketitle")[1]]
    assert len(long) >= 6
    assert not log_of_failure(document([("Long", long)]), tmp_path)
    log = (tmp_path / "formulas.log").read_text(encoding="latin-1")
    assert "Overfull \\hbox" not in log
