"""Claims and their checks: sentences with formulas, and the evidence for each.

A table of contents, in reading order; a file imports only what stands above it.
"""

from ._guard import refuse_intruders  # isort: skip

refuse_intruders()

from theory.gradient import Gradient  # isort: skip
from .verdict import Evidence, Outcome, Verdict, Witness  # isort: skip
from .check import Check, Context  # isort: skip
from .claim import Claim, Study, claim  # isort: skip
from .symbolic import SymbolicIdentity  # isort: skip
from .certified import CertifiedNumerics  # isort: skip
from .entrywise import Entrywise  # isort: skip
from .monte_carlo import MonteCarloAgreement, agreement_of_expectation  # isort: skip
from .property_based import PropertyBasedAgreement, assert_agrees  # isort: skip
from .property_search import PropertySearch  # isort: skip
from .stationary_check import CertifiedZeros  # isort: skip
from .frequency_check import BinomialFrequency  # isort: skip
from .formula import FormulaError, Limits, Vocabulary, read_formula, read_latex, read_statement  # isort: skip
from .guarded import guarded  # isort: skip
from .kinds import (  # isort: skip
    Gaussian,
    integer,
    matrix,
    negative,
    nonnegative,
    nonpositive,
    nonzero,
    positive,
    real,
    vector,
)
from .stationary_list_check import CertifiedList  # isort: skip
from .signs import ProvenSign  # isort: skip
from .boxes import CertifiedOnBox  # isort: skip
from .sampled import SampledMean  # isort: skip
from .ladder import ladder  # isort: skip
from .checking import check  # isort: skip
from .proof import Proof, ProofVerdict  # isort: skip
from .claims_file import parse_claims, read_claims  # isort: skip
from .report import Report, verify  # isort: skip
from .mutants import Mutant, mutants  # isort: skip
from .killing import MutationReport, kill_mutants  # isort: skip
from .studies import studies  # isort: skip

__all__ = [
    "BinomialFrequency",
    "CertifiedList",
    "CertifiedNumerics",
    "CertifiedOnBox",
    "CertifiedZeros",
    "Check",
    "Claim",
    "Context",
    "Entrywise",
    "Evidence",
    "FormulaError",
    "Gaussian",
    "Limits",
    "MonteCarloAgreement",
    "Mutant",
    "MutationReport",
    "Outcome",
    "Proof",
    "ProofVerdict",
    "PropertyBasedAgreement",
    "PropertySearch",
    "ProvenSign",
    "Report",
    "SampledMean",
    "Study",
    "SymbolicIdentity",
    "Verdict",
    "Vocabulary",
    "Witness",
    "agreement_of_expectation",
    "assert_agrees",
    "check",
    "claim",
    "guarded",
    "integer",
    "kill_mutants",
    "ladder",
    "matrix",
    "mutants",
    "negative",
    "nonnegative",
    "nonpositive",
    "nonzero",
    "parse_claims",
    "positive",
    "read_claims",
    "read_formula",
    "read_latex",
    "read_statement",
    "real",
    "studies",
    "vector",
    "verify",
]
