"""Formulas and sentences as LaTeX: names, exactness, hostile input, line breaks."""

from __future__ import annotations

import re
from fractions import Fraction
from types import SimpleNamespace

import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from theory.integral import GaussianIntegral
from theory.latex import LINE, _width, chain, document, related, sentence_to_latex, to_latex
from theory.notation import gamma, kappa, lam, nu
from theory.special import BivariateNormalCDF, NormalCDF, OwenT
from theory.statement import Inequality, equal
from theory.variables import dot

x, y = sp.symbols("x y", real=True)

COMMAND = re.compile(r"\\([A-Za-z]+|.)", re.DOTALL)
DANGEROUS = set(
    "input include write openout openin read def let catcode csname immediate end begin usepackage special "
    "href url loop expandafter newcommand".split()
)


@pytest.mark.parametrize(
    "name, latex",
    [
        ("lam", r"\lambda"),
        ("k_star", r"k^{\star}"),
        ("q_k", "q_{k}"),
        ("x12", "x_{12}"),
        ("lam_c", r"\lambda_{c}"),
        ("v_perp", r"v_{\perp}"),
        ("kappa_hat", r"\hat{\kappa}"),
        ("κ_1", r"\kappa_{1}"),
        ("Sigma", r"\Sigma"),
        ("snr", r"\mathrm{snr}"),
        ("x_star_2", r"x_{2}^{\star}"),
    ],
)
def test_letters_are_those_of_the_field(name, latex):
    assert to_latex(sp.Symbol(name)) == latex


def test_special_functions_have_their_names():
    assert r"\operatorname{T}" in to_latex(OwenT(x, y))
    assert r"\Phi" in to_latex(NormalCDF(x))
    assert r"\Phi_{2}" in to_latex(BivariateNormalCDF(x, y, kappa))
    assert r"\operatorname{erf}" in to_latex(sp.erf(x))
    assert r"\mathbb{E}" in to_latex(GaussianIntegral(sp.tanh(x * y), (x,)))


def test_scalar_products_need_no_brackets():
    u, v = sp.MatrixSymbol("u", 3, 1), sp.MatrixSymbol("v", 3, 1)
    product = r"\left\langle u, v\right\rangle"
    assert to_latex(lam * dot(u, v)) == rf"\lambda {product}"
    assert to_latex(dot(u, v) ** 2) == rf"{product}^{{2}}"


def test_numbers_stay_exact():
    assert to_latex(sp.Rational(1, 3)) == to_latex(Fraction(1, 3)) == r"\frac{1}{3}"
    assert to_latex(10**40) == "1" + 40 * "0"
    for number in (0.1, sp.Float("0.1"), x + 0.5):
        with pytest.raises(ValueError, match="exact numbers"):
            to_latex(number)


def test_a_risk_is_its_formula():
    assert to_latex(SimpleNamespace(expr=kappa**2)) == r"\kappa^{2}"


def test_text_is_refused_as_a_formula():
    with pytest.raises(TypeError, match=re.escape(r"'\\input{x}'")):
        to_latex(r"\input{x}")


def balanced(tex: str) -> bool:
    depth = 0
    for token in re.findall(r"\\.|[{}]", tex, re.DOTALL):
        depth += {"{": 1, "}": -1}.get(token, 0)
        if depth < 0:
            return False
    return depth == 0


def assert_harmless(tex: str) -> None:
    assert balanced(tex), tex
    assert not set(COMMAND.findall(tex)) & DANGEROUS, tex
    assert "^^" not in tex and "\n\n" not in tex and tex.isascii(), tex
    assert not re.search(r"(?<!\\)[%$#&]", tex), tex


@pytest.mark.parametrize("index", range(18))
def test_hostile_names_are_printed_not_obeyed(hostile_names, index):
    name = hostile_names[index]
    symbol, matrix = sp.Symbol(name), sp.MatrixSymbol(name or "_", 2, 2)
    function = sp.Function(name)
    for obj in (
        symbol,
        symbol**2,
        symbol + x,
        matrix,
        matrix.T,
        matrix[0, 1],
        function(x),
        function(x) ** 2,
        {symbol: x},
    ):
        assert_harmless(to_latex(obj))
    assert_harmless(to_latex(equal(symbol, x)))
    assert_harmless(sentence_to_latex(name))


# sympy makes a class of every function, and Python names no class with a null or a lone surrogate.
@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_any_name_and_any_sentence_are_harmless(text):
    assert_harmless(to_latex(sp.Symbol(text) + sp.Function(text or "f")(x) ** 2, width=10**6))
    assert_harmless(sentence_to_latex(text))


def test_symbols_that_look_alike_are_told_apart():
    strangers = sp.Symbol("x", positive=True) + sp.Symbol("x", real=True)
    assert sorted(to_latex(strangers).split(" + ")) == ["x", r"x^{\prime}"]
    assert to_latex(sp.Symbol("x12") + sp.Symbol("x_12")).count(r"\prime") == 1


def test_bound_names_are_free_again_outside_their_sum():
    j, l = sp.Dummy("l", integer=True), sp.Dummy("l", integer=True)
    apart = sp.Sum(j, (j, 0, 3)) + sp.Sum(l**2, (l, 0, 3))
    nested = sp.Sum(sp.Sum(j * l, (j, 0, 3)), (l, 0, 3))
    assert r"\prime" not in to_latex(apart)
    assert r"\prime" in to_latex(nested)


def test_starred_names_can_be_raised_and_transposed():
    k = sp.MatrixSymbol("k_star", 3, 1)
    assert to_latex(sp.Symbol("k_star") ** 2) == r"\left(k^{\star}\right)^{2}"
    assert to_latex(k.T) == r"\left(k^{\star}\right)^{\top}"
    assert to_latex(sp.MatrixSymbol("A", 3, 3).T) == r"A^{\top}"


def test_a_row_of_a_matrix_is_a_token():
    X = sp.MatrixSymbol("X", 5, 3)
    l = sp.Symbol("l", integer=True)
    assert to_latex(X[l, :]) == "{X}_{l}"


def long_sum(terms: int) -> sp.Expr:
    return sp.Add(*((-1) ** i * lam**i * kappa * sp.exp(-(i**2) * gamma) * sp.erf(nu + i) for i in range(1, terms + 1)))


@pytest.mark.parametrize("terms", [8, 30, 200])
def test_a_long_sum_is_broken_at_its_terms(terms):
    tex = to_latex(long_sum(terms))
    assert tex.startswith("\\begin{aligned}\n") and tex.endswith("\n\\end{aligned}")
    lines = tex.split("\n")[1:-1]
    assert all(_width(line) <= LINE + 10 for line in lines)
    assert len(lines) < terms
    for line in lines:
        assert line.count(r"\left") == line.count(r"\right") and balanced(line)
    assert tex.count(r"\operatorname{erf}") == terms


def test_a_long_bracket_in_a_product_is_broken_too():
    tex = to_latex(-3 * kappa**2 * long_sum(20) / sp.sqrt(1 + gamma) + 1)
    assert tex.count(r"\Bigl(") == tex.count(r"\Bigr)") == 1
    assert max(_width(line) for line in tex.split("\n")) <= LINE + 20
    assert tex.count(r"\operatorname{erf}") == 20


@pytest.mark.parametrize(
    "wrap",
    [
        sp.exp,
        sp.erf,
        sp.sqrt,
        lambda s: 1 / s,
        lambda s: sp.erf(s) ** 2 * x,
        lambda s: (s + 1) ** 2 * s,
        lambda s: GaussianIntegral(s * x, (x,)),
    ],
)
def test_what_is_long_inside_is_broken_inside(wrap):
    lines = to_latex(wrap(long_sum(60))).split("\n")
    assert max(map(_width, lines)) <= LINE + 20
    assert all(line.count(r"\left") == line.count(r"\right") and balanced(line) for line in lines)
    opened = sum(line.count(r"\Bigl") for line in lines)
    assert opened == sum(line.count(r"\Bigr") for line in lines) > 0


def test_a_short_formula_is_one_line():
    assert "aligned" not in to_latex(long_sum(2))


def test_sides_are_kept_as_written():
    assert related(x, "=", x) == "x = x"
    assert to_latex(equal(x, x)) == to_latex(sp.Eq(x, x, evaluate=False)) == "x = x"
    assert to_latex(Inequality(x, "<=", y)) == r"x \le y"
    with pytest.raises(ValueError, match="'~'"):
        related(x, "~", y)


def test_long_sides_share_one_block():
    tex = related(kappa, "=", long_sum(12))
    assert tex.startswith("\\begin{aligned}\n\\kappa &= ") and tex.count("aligned") == 2


def test_a_chain_shows_its_reasons():
    tex = chain((x + 1) ** 2, [(sp.expand((x + 1) ** 2), "Stein's lemma, λ ≤ 1"), (long_sum(12), "")])
    assert r"&= x^{2} + 2 x + 1 && \text{Stein's lemma, \ensuremath{\lambda{}} \ensuremath{\le{}} 1}" in tex


def test_printing_is_the_same_twice():
    assert to_latex(long_sum(30)) == to_latex(long_sum(30))


@pytest.mark.parametrize("character", "λκνθηρο≤≥≠∈∉²³⁻ᵀ₀ₖ‖⟨⟩ℝ𝔼𝒩éöňşÅłßæ½∞∂∇√Σ∑∏·×−–—…’“”′†∎⊤⊥⋆∘±→⇒∀∃Φφζℓ∅∪∩⊙")
def test_characters_of_our_sentences_have_a_form(character):
    tex = sentence_to_latex(character)
    assert tex.isascii() and tex != " " and "U{+}" not in tex


def test_unknown_characters_are_named():
    assert "65E5" in sentence_to_latex("日")


def test_document_names_the_item_whose_latex_is_broken():
    for raw in ("x}{", "{", "", "a\n\nb"):
        with pytest.raises(ValueError, match="'The risk'"):
            document([("Risk", [("The risk", raw)])])


def test_document_lets_long_formulas_break_over_pages():
    text = document([("Risk", [("The risk.", long_sum(200)), ("A remark.", None)])])
    assert r"\begin{align*}" in text and "aligned" not in text
    assert "A remark.\n\n" in text
    assert {package for line in re.findall(r"\\usepackage{(.*)}", text) for package in line.split(",")} == {
        "amsmath",
        "amssymb",
    }
