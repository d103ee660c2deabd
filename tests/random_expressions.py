"""A grammar of polynomial expressions in random symbols, as a Hypothesis strategy.

    expression   a sum of terms; scalar, d × d, n × d or d × 1
    term         coefficient · product of scalars [· word of the shape wanted]
    scalar       tr(word) | ⟨word, word⟩ | word of shape 1 × 1 | Σ over tokens of a polynomial | Gaussian scalar
    word         a product of letters whose shapes fit, closed by a parameter; at times a Hadamard product of two,
                 its diagonal, or the entrywise square of a letter

A cast of one to three kinds of random letters is chosen first, so that the same few letters meet again and again:
whole matrices beside their own rows, a mixture beside its labels, a mask beside what it hides. Whether an
expression has a closed form is not asked; its mean is a finite computation in any case (`numerics.entrywise_mean`).
"""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp
from hypothesis import assume
from hypothesis import strategies as st
from sympy.matrices.expressions.diagonal import DiagonalMatrix

from theory import (
    Dot,
    GaussianMatrix,
    GaussianVector,
    Labels,
    Latent,
    Mask,
    MixtureMatrix,
    TokenGroup,
    Tokens,
    dot,
    gaussians,
    quad,
)
from theory.variables import GaussianScalar, RandomRows, Row

n, d, K = sp.symbols("n d K", integer=True, positive=True)
p, rho, s, t = sp.symbols("p rho s t", positive=True)
r1, r2, r3, r4, r5, r6 = moments = sp.symbols("r1:7", positive=True)
l, k = sp.symbols("l k", integer=True)
RANDOM = (RandomRows, Row, GaussianVector, GaussianScalar, Latent)
ONE, TWO = sp.Integer(1), sp.Integer(2)

A, B, S, T = (sp.MatrixSymbol(name, d, d) for name in "ABST")
u, m = sp.MatrixSymbol("u", d, 1), sp.MatrixSymbol("m", d, 1)
w = sp.MatrixSymbol("w", n, 1)
P = sp.MatrixSymbol("P", n, n)

# A parameter for every shape closes a word.
CLOSING = {
    (a, b): sp.MatrixSymbol(f"Q{i}{j}", a, b)
    for i, a in enumerate((n, d, ONE, TWO))
    for j, b in enumerate((n, d, ONE, TWO))
}

X = GaussianMatrix("X", n, d, mean=m, covariance=S)
Y = GaussianMatrix("Y", n, d)
W = GaussianMatrix("W", d, n, covariance=s)
V = GaussianMatrix("V", 2, d, mean=u, covariance=T)
x = GaussianVector("x", d, mean=u, covariance=T)
y = GaussianVector("y", n, covariance=3)
Z = MixtureMatrix("Z", n, d, weights=[p, 1 - p], means=[m, u], covariance=S)
H = MixtureMatrix("H", n, d, weights=[p, 1 - p], means=[m, 0], covariance=[S, t])
F = MixtureMatrix("F", n, d, weights=sp.MatrixSymbol("f", K, 1), means=sp.MatrixSymbol("c", K, d), covariance=s)
C = Labels("C", n, [p, 1 - p])
J = Latent("J", n)
U = Tokens("U", d, [TokenGroup(1, mean=m, covariance=S, at=J), TokenGroup(n - 1)])
M = Mask("M", d, rho, rows=n)
N = Mask("N", d, rows=n, size=1)
a, b = gaussians("a b", mean=[s, 0], covariance=[[2, t], [t, 3]])
MASKS = [
    Mask("q", d, rho),
    Mask("q", d, size=1),
    Mask("q", d, rate=(s, t)),
    Mask("q", d, moments=list(moments)),
]


@dataclass(frozen=True)
class Cast:
    """Some random letters that go together: matrices and vectors, scalars, and prompts to be summed over."""

    letters: tuple[sp.Expr, ...]
    scalars: tuple[sp.Expr, ...] = ()
    prompts: tuple[sp.Expr, ...] = ()


had = sp.HadamardProduct
CASTS = {
    "matrix": Cast((X, X[0, :], X[1, :]), prompts=(X,)),
    "centred matrix": Cast((Y, Y[0, :]), prompts=(Y,)),
    "other shapes": Cast((W, V)),
    "vectors": Cast((x, y)),
    "scalars": Cast((), (a, b, a * b)),
    "mixture": Cast((Z, Z[0, :]), prompts=(Z,)),
    "mixture of different covariances": Cast((H, H[1, :]), prompts=(H,)),
    "mixture of K components": Cast((F, F[0, :]), prompts=(F,)),
    "labels": Cast((C, C[0, :], Z.labels, Z)),
    "prompt": Cast((U, U[J, :], U[0, :]), prompts=(U,)),
    "masked matrix": Cast((had(M, X), M, X), prompts=(M,)),
    "masked mixture": Cast((had(M, Z), Z, M[0, :])),
    "masked by size": Cast((had(N, Y), N), prompts=(N,)),
    **{f"masked vector, {mask.law[0]}": Cast((had(mask, x), mask, x, sp.DiagMatrix(mask))) for mask in MASKS},
}
PARAMETERS = (A, A.T, B, S, P, u.T, w.T, sp.Identity(d), sp.OneMatrix(n, 1), S.I)


@st.composite
def words(draw, letters, start=None, end=None):
    """A product of letters whose shapes fit."""
    word = [draw(st.sampled_from([c for c in letters if start is None or c.shape[0] == start] or [CLOSING[start, d]]))]
    for _ in range(draw(st.integers(0, 4))):
        fitting = [c for c in letters if c.shape[0] == word[-1].shape[1]]
        if not fitting:
            break
        word.append(draw(st.sampled_from(fitting)))
    end = word[0].shape[0] if end is None else end
    if word[-1].shape[1] != end:
        word.append(CLOSING[word[-1].shape[1], end])
    product = sp.MatMul(*word) if len(word) > 1 else word[0]
    wrap = draw(st.sampled_from(["as it is"] * 5 + ["hadamard", "power", "diagonal"]))
    if wrap == "hadamard":
        partners = [c for c in letters if c.shape == product.shape]
        return had(product, draw(st.sampled_from(partners))) if partners else product
    if wrap == "diagonal" and product.shape in ((n, n), (d, d)):
        return DiagonalMatrix(product)
    return sp.HadamardPower(product, 2) if wrap == "power" and len(word) == 1 else product


@st.composite
def sums_over_tokens(draw, prompts):
    """Σ over one token, or over two, of a polynomial in scalar products with it."""
    prompt = draw(st.sampled_from(prompts))
    token = prompt[l, :]
    factors = st.sampled_from(
        [
            dot(token, u),
            dot(token, A * m),
            dot(token, token),
            quad(token.T, A),
            dot(token, prompt[0, :]),
            dot(token, x),
            dot(token, prompt[k, :]),
        ]
    )
    body = sp.Mul(*(draw(factors) for _ in range(draw(st.integers(1, 3)))))
    if draw(st.integers(0, 3)) == 0:
        body += draw(factors)
    inner = sp.Sum(body, (l, 0, n - 1))
    return sp.Sum(body, (l, 0, n - 1), (k, 0, n - 1)) if k in inner.free_symbols else inner


@st.composite
def scalars(draw, cast, letters):
    """One scalar factor."""
    kinds = ["trace", "product", "form"]
    kinds += ["scalar"] * bool(cast.scalars) + ["sum"] * bool(cast.prompts)
    kind = draw(st.sampled_from(kinds))
    if kind == "scalar":
        return draw(st.sampled_from(cast.scalars)) ** draw(st.integers(1, 3))
    if kind == "sum":
        return draw(sums_over_tokens(cast.prompts))
    if kind == "trace":
        return sp.Trace(draw(words(letters)))
    side = draw(st.sampled_from([n, d]))
    left, right = draw(words(letters, side, ONE)), draw(words(letters, side, ONE))
    if kind == "form":
        return sp.MatMul(left.T, right)
    return dot(left, right)


COEFFICIENTS = st.sampled_from([ONE, sp.Rational(-2, 3), n, 1 / n, d + 1, p, rho, s])


@st.composite
def expressions(draw, degree=6, casts=tuple(CASTS)):
    """Sums of products, of a bounded degree in the random letters.

    Args:
        degree: the largest degree of a term; a mask times what it hides counts as one letter.
        casts: the names of the kinds of letters to choose from.
    """
    chosen = [CASTS[name] for name in draw(st.lists(st.sampled_from(casts), min_size=1, max_size=3, unique=True))]
    if sum("masked" in name for name in casts) > 1:
        laws = {letter for cast in chosen for letter in cast.letters if isinstance(letter, Mask) and letter.name == "q"}
        assume(len(laws) <= 1)  # one name, one law
    cast = Cast(*(sum((getattr(c, name) for c in chosen), ()) for name in ("letters", "scalars", "prompts")))
    random_letters = [*cast.letters, *(sp.Transpose(letter).doit() for letter in cast.letters)]
    letters = [*random_letters, *random_letters, *PARAMETERS]
    shape = draw(st.sampled_from([None, None, (d, d), (n, d), (d, ONE)]))
    terms = []
    for _ in range(draw(st.integers(1, 2))):
        factors = [draw(scalars(cast, letters)) for _ in range(draw(st.integers(shape is None, 2)))]
        if shape is None and len(factors) == 1:
            term = draw(COEFFICIENTS) * factors[0]
        else:
            term = draw(COEFFICIENTS) * sp.Mul(*map(as_scalar, factors))
        if shape is not None:
            term = sp.MatMul(term, draw(words(letters, *shape)))
        assume(degree_of(term) <= degree)
        terms.append(term)
    if len(terms) == 1:
        return terms[0]
    return sp.Add(*map(as_scalar, terms)) if shape is None else sp.MatAdd(*terms)


def as_scalar(form: sp.Expr) -> sp.Expr:
    """A 1 × 1 matrix as its trace, which sympy lets be added and multiplied."""
    return sp.Trace(form) if getattr(form, "is_Matrix", False) else form


def degree_of(term: sp.Basic) -> int:
    """The degree in random letters, a mask times what it hides counting as one."""
    if isinstance(term, (sp.Add, sp.MatAdd)):
        return max(degree_of(arg) for arg in term.args)
    if isinstance(term, (sp.Pow, sp.MatPow, sp.HadamardPower)) and term.exp.is_positive:
        return int(term.exp) * degree_of(term.base)
    if isinstance(term, (RandomRows, Row, GaussianVector, GaussianScalar)):
        return 1
    if isinstance(term, sp.HadamardProduct) and all(isinstance(arg, (RandomRows, GaussianVector)) for arg in term.args):
        return 1
    if isinstance(term, sp.Sum):
        return degree_of(term.function)
    if isinstance(term, Dot):
        return degree_of(term.left) + degree_of(term.right)
    return sum(degree_of(arg) for arg in term.args)
