"""Exact mathematics: laws, layers and expectations in, closed forms out.

A table of contents, in reading order; a file imports only what stands above it.
"""

from .notation import L, d, epsilon, eta, gamma, kappa, lam, m, nu, q_k, q_v, rho, sigma, theta  # isort: skip
from .latex import to_latex  # isort: skip
from .special import BivariateNormalCDF, NormalCDF, OwenT  # isort: skip
from .integral import GaussianIntegral  # isort: skip
from .identity import normal_form, reduces_to_zero  # isort: skip
from .covariance import psd_conditions, validate_covariance  # isort: skip
from .domain import Domain, FeasibleGram, Symmetric  # isort: skip
from .statement import (  # isort: skip
    Agreement,
    Conserved,
    Frequency,
    Identity,
    Inequality,
    Invariant,
    Limit,
    Statement,
    Stationary,
    StationaryCount,
    equal,
)
from .variables import (  # isort: skip
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
from .softmax_moments import SoftmaxMoment, softmax_sum  # isort: skip
from .gaussian import InfiniteExpectation, NoClosedForm  # isort: skip
from .wick import matrix_expectation  # isort: skip
from .matrix_gradient import matrix_gradient  # isort: skip
from .expectation import E, Expectation  # isort: skip
from .gradient import Gradient  # isort: skip
from .derivation import Derivation, Step, derive  # isort: skip
from .laws import Law  # isort: skip
from .layers import Layer, PointwiseAttention, token_index  # isort: skip
from .conserved import conserved_quadratics, gradient_field, is_invariant, lie_derivative  # isort: skip
from .risk import Risk, population_risk, squared_error  # isort: skip
from .stationary import Nature, Orbit, StationaryPoint, StationarySet  # isort: skip
from .stationary_list import StationaryList  # isort: skip
from .quadratic import quadratic_stationary_points  # isort: skip
from .spectral import spectral_stationary_points  # isort: skip

__all__ = [
    "Agreement",
    "BivariateNormalCDF",
    "Conserved",
    "Derivation",
    "Domain",
    "Dot",
    "E",
    "Expectation",
    "FeasibleGram",
    "Frequency",
    "GaussianIntegral",
    "GaussianMatrix",
    "GaussianVector",
    "Gradient",
    "Identity",
    "Inequality",
    "InfiniteExpectation",
    "Invariant",
    "L",
    "Labels",
    "Latent",
    "Law",
    "Layer",
    "Limit",
    "Mask",
    "MixtureMatrix",
    "Nature",
    "NoClosedForm",
    "NormalCDF",
    "Orbit",
    "OwenT",
    "PointwiseAttention",
    "Risk",
    "SoftmaxMoment",
    "Statement",
    "Stationary",
    "StationaryCount",
    "StationaryList",
    "StationaryPoint",
    "StationarySet",
    "Step",
    "Symmetric",
    "TokenGroup",
    "Tokens",
    "conserved_quadratics",
    "d",
    "derive",
    "dot",
    "epsilon",
    "equal",
    "eta",
    "gamma",
    "gaussians",
    "gradient_field",
    "is_invariant",
    "kappa",
    "lam",
    "lie_derivative",
    "m",
    "matrix_expectation",
    "matrix_gradient",
    "normal_form",
    "nu",
    "population_risk",
    "psd_conditions",
    "q_k",
    "q_v",
    "quad",
    "quadratic_stationary_points",
    "reduces_to_zero",
    "rho",
    "sigma",
    "softmax_sum",
    "spectral_stationary_points",
    "squared_error",
    "theta",
    "to_latex",
    "token_index",
    "validate_covariance",
]
