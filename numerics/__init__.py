"""Numbers with honest errors: floats, balls, samples, certified zeros.

A table of contents, in reading order; a file imports only what stands above it.
"""

from .estimate import Estimate  # isort: skip
from .e_process import CatoniProcess  # isort: skip
from .quadrature import NotIntegrable, QuadratureBudgetExceeded  # isort: skip
from .compile import compile, gradient, value  # isort: skip
from .balls import ball, compile_ball  # isort: skip
from .entries import NotPolynomial  # isort: skip
from .entrywise import EntrywiseBudgetExceeded, entrywise_mean, exact_value  # isort: skip
from .literal import literal_value  # isort: skip
from .schwartz_zippel import EntrywiseAgreement, agrees_entrywise, sides_agree  # isort: skip
from .gaussian_moments import Moment, gaussian_moment  # isort: skip
from .manifolds import ProductOfSpheres, Sphere, Stiefel  # isort: skip
from .simulators import Simulator, losses, simulate  # isort: skip
from .certify import certified_zeros  # isort: skip
from .polynomial_zeros import polynomial_zeros  # isort: skip
from .solve import stationary_points  # isort: skip
from .overlaps import Overlaps, draw_overlaps  # isort: skip
from .trajectory import Ending, Trajectory  # isort: skip
from .descent import projected_gradient_descent, riemannian_gradient_descent  # isort: skip
from .flow import gradient_flow  # isort: skip
from .stochastic import stochastic_gradient_descent  # isort: skip
from .basins import Basin, Basins, basins, binomial_interval  # isort: skip
from .rates import FittedRate, fitted_rate, linear_rates, rate_of_steps  # isort: skip

__all__ = [
    "Basin",
    "Basins",
    "CatoniProcess",
    "Ending",
    "EntrywiseAgreement",
    "EntrywiseBudgetExceeded",
    "Estimate",
    "FittedRate",
    "Moment",
    "NotIntegrable",
    "NotPolynomial",
    "Overlaps",
    "ProductOfSpheres",
    "QuadratureBudgetExceeded",
    "Simulator",
    "Sphere",
    "Stiefel",
    "Trajectory",
    "agrees_entrywise",
    "ball",
    "basins",
    "binomial_interval",
    "certified_zeros",
    "compile",
    "compile_ball",
    "draw_overlaps",
    "entrywise_mean",
    "exact_value",
    "fitted_rate",
    "gaussian_moment",
    "gradient",
    "gradient_flow",
    "linear_rates",
    "literal_value",
    "losses",
    "polynomial_zeros",
    "projected_gradient_descent",
    "rate_of_steps",
    "riemannian_gradient_descent",
    "sides_agree",
    "simulate",
    "stationary_points",
    "stochastic_gradient_descent",
    "value",
]
