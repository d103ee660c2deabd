"""Numbers with honest errors: floats, balls, samples, certified zeros.

A table of contents, in reading order; a file imports only what stands above it.
"""

from .estimate import Estimate  # isort: skip
from .e_process import CatoniProcess  # isort: skip
from .quadrature import NotIntegrable, QuadratureBudgetExceeded  # isort: skip
from .compile import compile, gradient, value  # isort: skip
from .balls import ball, compile_ball  # isort: skip
from .manifolds import ProductOfSpheres, Sphere, Stiefel  # isort: skip
from .simulators import Simulator, losses, simulate  # isort: skip
from .certify import certified_zeros  # isort: skip
from .solve import stationary_points  # isort: skip

__all__ = [
    "CatoniProcess",
    "Estimate",
    "NotIntegrable",
    "ProductOfSpheres",
    "QuadratureBudgetExceeded",
    "Simulator",
    "Sphere",
    "Stiefel",
    "ball",
    "certified_zeros",
    "compile",
    "compile_ball",
    "gradient",
    "losses",
    "simulate",
    "stationary_points",
    "value",
]
