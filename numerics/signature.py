"""The signs of the eigenvalues of a matrix of balls, proven: what tells a minimum from a saddle.

Definitions: `signature` of a symmetric matrix (interval LDLᵀ), `flow_signature` of a linearised flow,
`eigenvalue_balls`.

Reference: Johansson, Arb: efficient arbitrary-precision midpoint-radius interval arithmetic (2017).
"""

from __future__ import annotations

import math

import numpy as np
from flint import acb, acb_mat, arb, arb_mat, ctx

from .exact_numbers import PRECISIONS, excludes_zero
from .krawczyk import identity_matrix

__all__ = ["eigenvalue_balls", "flow_signature", "signature"]


def flow_signature(jacobian: arb_mat) -> tuple[int, int, int]:
    """Proven numbers of stable and unstable eigenvalues of a linearised flow ẋ = J x.

    Returns:
        (stable, unstable, undecided): eigenvalues with negative real part, with positive real part,
        and the others. For a gradient descent flow these are the positive and negative eigenvalues
        of the Hessian.

    >>> flow_signature(arb_mat([[-1, 0], [5, 2]]))
    (1, 1, 0)
    """
    parts = [value.real for value in eigenvalue_balls(jacobian)]
    stable, unstable = sum(part < 0 for part in parts), sum(part > 0 for part in parts)
    return stable, unstable, len(parts) - stable - unstable


def signature(matrix: arb_mat) -> tuple[int, int, int]:
    """Proven numbers of positive and negative eigenvalues of a symmetric matrix of balls.

        B = Qᵀ A Q = L D Lᵀ,    (signs in D) = (signs of the eigenvalues of A)

    Q holds the approximate eigenvectors of the middle, so that D is close to the eigenvalues;
    whatever Q is, a sign proven in D is proven for A (Sylvester's law of inertia).

    Args:
        matrix: n×n, symmetric; the balls must overlap their mirror images.

    Returns:
        (positive, negative, undecided) with sum n. Of the undecided eigenvalues nothing is said.

    Raises:
        ValueError: if the matrix is not square, or proven not to be symmetric.

    >>> signature(arb_mat([[2, 1], [1, -3]]))
    (1, 1, 0)
    >>> signature(arb_mat([[1, 1], [1, 1]]))
    (1, 0, 1)
    """
    size = matrix.nrows()
    if matrix.ncols() != size:
        raise ValueError(f"expected a square matrix, got {size}x{matrix.ncols()}")
    for i in range(size):
        for j in range(i):
            if not matrix[i, j].overlaps(matrix[j, i]):
                raise ValueError(f"expected a symmetric matrix, got {matrix[i, j]} and {matrix[j, i]} at ({i}, {j})")
    if not all(entry.is_finite() for entry in matrix.entries()):
        return 0, 0, size
    turn = _approximate_eigenvectors(matrix)
    with ctx.workprec(PRECISIONS[1]):
        schur = (turn.transpose() * matrix * turn).tolist()
        positive = negative = 0
        left = list(range(size))
        while left:
            pivot = max(left, key=lambda i: float(abs(schur[i][i]).lower()))
            d = schur[pivot][pivot]
            if not excludes_zero(d):
                break
            positive, negative = positive + int(d > 0), negative + int(d < 0)
            left.remove(pivot)
            for i in left:
                for j in left:
                    if j <= i:
                        schur[i][j] = schur[j][i] = schur[i][j] - schur[i][pivot] * schur[j][pivot] / d
    return positive, negative, len(left)


def _approximate_eigenvectors(matrix: arb_mat) -> arb_mat:
    size = matrix.nrows()
    middle = np.array([[float(matrix[i, j].mid()) for j in range(size)] for i in range(size)])
    scale = np.abs(middle).max(initial=0.0)
    if not (0 < scale < math.inf):
        return identity_matrix(size)
    vectors = np.linalg.eigh((middle + middle.T) / (2 * scale))[1]
    return arb_mat(vectors.tolist())


def eigenvalue_balls(matrix: arb_mat, is_symmetric: bool = False) -> tuple[acb, ...]:
    """Balls for all eigenvalues of a square matrix of balls, by real part; real where that is proven.

    Args:
        matrix: n×n, real.
        is_symmetric: the matrix inside the balls is known to be symmetric.

    Returns:
        n balls, each with its eigenvalue; where they overlap their union counts multiplicity.
        Imaginary parts are exactly 0 for eigenvalues proven to be real. Not finite: undecided.

    >>> [round(float(value.real)) for value in eigenvalue_balls(arb_mat([[0, 1], [2, 1]]))]
    [-1, 2]
    """
    size = matrix.nrows()
    if size == 1:
        return (acb(matrix[0, 0]),)
    values = [acb(arb("nan"), arb("nan"))] * size
    for precision in PRECISIONS[1:]:
        try:
            with ctx.workprec(precision):
                values = list(acb_mat(matrix).eig(multiple=True))
            break
        except ValueError:  # not isolated at this precision
            continue
    # Eigenvalues come in conjugate pairs: alone with its mirror image, an eigenvalue is real.
    for i, value in enumerate(values):
        mirror = value.conjugate()
        if is_symmetric or not any(mirror.overlaps(other) for j, other in enumerate(values) if j != i):
            values[i] = acb(value.real)
    return tuple(sorted(values, key=lambda value: float(value.real.mid())))
