"""Hypothesis strategies for admissible models: directions, exact covariances, overlaps, laws, points of a domain.

Everything is built from whole numbers of at most two digits, for three reasons. A counterexample shrinks
to small numbers and points at the wrong term. Exact objects stay exact: a covariance is positive definite
over the rationals, not up to rounding. And Hypothesis then draws the same examples from the same seed in
every process: larger numbers it also takes from the constants of whatever modules are loaded.
"""

from .numbers import rationals, reals  # isort: skip
from .directions import cayley_rotations, orthonormal_frames, unit_vectors, vectors  # isort: skip
from .covariances import covariances, degenerate_covariances, near_singular_covariances  # isort: skip
from .points import points  # isort: skip
from .overlaps import gram_matrices, overlaps  # isort: skip
from .laws import mask_laws, masks, mixtures, probabilities, prompts  # isort: skip
from .models import draw_examples, models  # isort: skip
from .profiles import register_profiles  # isort: skip

__all__ = [
    "cayley_rotations",
    "covariances",
    "degenerate_covariances",
    "draw_examples",
    "gram_matrices",
    "mask_laws",
    "masks",
    "mixtures",
    "models",
    "near_singular_covariances",
    "orthonormal_frames",
    "overlaps",
    "points",
    "probabilities",
    "prompts",
    "rationals",
    "reals",
    "register_profiles",
    "unit_vectors",
    "vectors",
]
