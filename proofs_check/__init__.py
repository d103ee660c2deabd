"""Claims and their checks: sentences with formulas, and the evidence for each.

A table of contents, in reading order; a file imports only what stands above it.
"""

from ._guard import refuse_intruders  # isort: skip

refuse_intruders()

from .verdict import Evidence, Outcome, Verdict, Witness  # isort: skip
from .check import Check, Context  # isort: skip
from .claim import Claim, Study, claim  # isort: skip
from .symbolic import SymbolicIdentity  # isort: skip
from .certified import CertifiedNumerics  # isort: skip
from .entrywise import Entrywise  # isort: skip
from .monte_carlo import MonteCarloAgreement, agreement_of_expectation  # isort: skip
from .property_based import PropertyBasedAgreement, assert_agrees  # isort: skip
from .stationary_check import CertifiedZeros  # isort: skip
from .frequency_check import BinomialFrequency  # isort: skip
from .formula import FormulaError, Limits, Vocabulary, read_formula, read_latex, read_statement  # isort: skip
from .claims_file import parse_claims, read_claims  # isort: skip
from .guarded import guarded  # isort: skip
from .stationary_list_check import CertifiedList  # isort: skip
from .report import Report, verify  # isort: skip
from .mutants import Mutant, mutants  # isort: skip
from .killing import MutationReport, kill_mutants  # isort: skip
from .studies import studies  # isort: skip

__all__ = [
    "BinomialFrequency",
    "CertifiedList",
    "CertifiedNumerics",
    "CertifiedZeros",
    "Check",
    "Claim",
    "Context",
    "Entrywise",
    "Evidence",
    "FormulaError",
    "Limits",
    "MonteCarloAgreement",
    "Mutant",
    "MutationReport",
    "Outcome",
    "PropertyBasedAgreement",
    "Report",
    "Study",
    "SymbolicIdentity",
    "Verdict",
    "Vocabulary",
    "Witness",
    "agreement_of_expectation",
    "assert_agrees",
    "claim",
    "guarded",
    "kill_mutants",
    "mutants",
    "parse_claims",
    "read_claims",
    "read_formula",
    "read_latex",
    "read_statement",
    "studies",
    "verify",
]
