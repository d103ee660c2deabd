"""Claims as tests: what passes, what fails with which words, the budget they share, files, and several workers."""

from __future__ import annotations

import pytest

from proofs_check import Study
from proofs_check.pytest_plugin import parametrize  # loaded here, so that runs in this process do not load it again

pytest_plugins = ["pytester"]

STUDY = '''
from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pytest
import sympy as sp

from proofs_check import Check, Claim, Evidence, Outcome, Study, SymbolicIdentity, CertifiedNumerics, Verdict
from proofs_check.pytest_plugin import parametrize
from theory import Domain, equal

x = sp.Symbol("x", real=True)
UNIT = Domain({x: (-1, 1)})


@dataclass(frozen=True)
class Coin(Check):
    """Says with which false-alarm rate and seed it was asked."""

    is_statistical: ClassVar[bool] = True

    def run(self, claim, context):
        reason = f"alpha {context.alpha:.3g}, seed {context.seed}"
        return Verdict(Outcome.HOLDS, Evidence.STATISTICAL, "in a test", reason)


def claim(name, rhs, expected="holds", checks=(SymbolicIdentity(), CertifiedNumerics(points=1))):
    return Claim(name, f"The sentence of {name}.", lambda: equal((x + 1)**2, rhs), UNIT, "school", checks, expected)


TRUE = claim("square", x**2 + 2*x + 1)
FALSE = claim("slip", x**2 + 2*x + 2)
REFUTED = claim("published-slip", x**2 + x + 1, "refuted")
WRONGLY_REFUTED = claim("published", x**2 + 2*x + 1, "refuted")
OPEN = claim("conjecture", x**2 + 2*x + 1, "open")
UNDECIDED = claim("unknown", x**2 + 2*x + 2, checks=(SymbolicIdentity(),))
COINS = tuple(claim(f"coin-{i}", 0, checks=(Coin(),)) for i in range(4))
'''

CLAIMS = """
[symbols]
kappa = "real in [-1, 1]"
A = "matrix(d, d)"
[random]
x = "gaussian vector(d), covariance S"
[[claim]]
name = "mean of a form"
lhs = "E[x' A x]"
rhs = "tr(A S)"
[[claim]]
name = "slip"
sentence = "Half of what it should be."
lhs = "(kappa + 1)^2"
rhs = "kappa^2 + kappa + 1"
[[claim]]
name = "known slip"
lhs = "(kappa + 1)^2"
rhs = "kappa^2 + kappa + 1"
expected = "refuted"
"""


@pytest.fixture
def run(pytester: pytest.Pytester):
    """Run pytest in this process on the study and some tests of it."""

    def with_tests(tests: str = "", *options: str) -> pytest.RunResult:
        if tests:
            pytester.makepyfile(test_it=STUDY + tests)
        return pytester.runpytest_inprocess("-p", "proofs_check.pytest_plugin", "-p", "no:cacheprovider", *options)

    return with_tests


def test_one_test_a_claim(run):
    result = run(
        """
@parametrize(Study("school", "School", "", (TRUE, REFUTED, OPEN)))
def test_school(claim, verdict):
    assert claim.name in ("square", "published-slip", "conjecture")
    assert verdict.fails == (claim.expected == "refuted")

@parametrize(Study("school", "School", "", (TRUE,)))
def test_without_arguments():
    pass

@pytest.mark.parametrize("factor", [1, 2])
@parametrize([Study("school", "School", "", (TRUE,)), Study("other", "Other", "", (TRUE,))])
def test_with_fixtures(claim, tmp_path, request, factor):
    assert request.node.name.startswith("test_with_fixtures[") and tmp_path.exists()

class TestInAClass:
    @parametrize(Study("school", "School", "", (TRUE,)))
    def test_method(self, verdict):
        assert verdict.holds
""",
        "-v",
    )
    result.assert_outcomes(passed=9)
    result.stdout.fnmatch_lines(["*test_school?square? PASSED*", "*test_with_fixtures?school/square-1? PASSED*"])
    result.stdout.fnmatch_lines(
        ["*4 claims: 2 hold, 1 fail (1 of them refuted as expected), 0 undecided, 1 open; 0 against expectation;*"]
    )


def test_what_fails_says_why(run):
    """The words of the verdict, its witness, and no traceback through our files; the body is not reached."""
    result = run(
        """
@parametrize(Study("school", "School", "", (FALSE, UNDECIDED, WRONGLY_REFUTED)))
def test_school(claim):
    raise RuntimeError("the body ran")
"""
    )
    result.assert_outcomes(failed=3)
    text = result.stdout.str()
    assert "the body ran" not in text and "pytest_plugin.py" not in text
    result.stdout.fnmatch_lines(["fails: school/slip", "*The sentence of slip.", "*witness: at x=*against*"])
    result.stdout.fnmatch_lines(["undecided: school/unknown", "*did not reduce to zero*"])
    result.stdout.fnmatch_lines(["holds, expected to be refuted: school/published"])
    result.stdout.fnmatch_lines(["*3 claims: 1 hold, 1 fail, 1 undecided; 2 against expectation;*"])


def test_the_body_may_ask_for_more(run):
    result = run(
        """
@parametrize(Study("school", "School", "", (TRUE,)))
def test_school(verdict):
    assert verdict.evidence is Evidence.CERTIFIED
"""
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*assert <Evidence.SYMBOLIC*"])


COIN_TESTS = """
@parametrize(Study("coins", "Coins", "", COINS))
def test_coins(verdict):
    print(verdict.reason)

@parametrize(Study("coins", "Coins", "", COINS[:2]))
def test_again(verdict):
    print(verdict.reason)
"""


def test_statistical_claims_share_one_budget(run):
    """Four claims in six tests: each has a quarter of 1e-6, and the seed is the option's."""
    result = run(COIN_TESTS, "-rP", "--claims-seed", "7")
    result.assert_outcomes(passed=6)
    assert result.stdout.str().count("alpha 2.5e-07, seed 7") == 6
    result.stdout.fnmatch_lines(
        ["*4 claims: 4 hold*; false-alarm budget used: 1e-06 of 1e-06, by 4 statistical claims"]
    )


def test_those_not_run_have_no_share(run):
    result = run(COIN_TESTS, "-rP", "-k", "test_coins and coin-3")
    result.assert_outcomes(passed=1, deselected=5)
    result.stdout.fnmatch_lines(["*alpha 1e-06, seed 0"])


@pytest.mark.parametrize("option", ["--claims-seed=-1", "--claims-seed=x", "--claims-seconds=0"])
def test_options_are_checked(run, option):
    assert run(COIN_TESTS, option).ret == pytest.ExitCode.USAGE_ERROR


def test_a_study_may_be_used_without_the_plugin(pytester):
    """The import alone is enough; the summary comes with the plugin."""
    pytester.makepyfile(test_it=STUDY + COIN_TESTS)
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider", "-rP")
    result.assert_outcomes(passed=6)
    assert result.stdout.str().count("alpha 2.5e-07, seed 0") == 6


def test_wrong_use_is_said_at_once():
    with pytest.raises(TypeError, match="expected a Study"):
        parametrize("single-location")
    with pytest.raises(ValueError, match="nothing would be tested"):
        parametrize(Study("empty", "", "", ()))


def test_files_of_claims(run, pytester):
    pytester.path.joinpath("draft.claims.toml").write_text(CLAIMS, encoding="utf-8")
    pytester.path.joinpath("other.toml").write_text("no claims", encoding="utf-8")
    result = run("", "-v")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["draft.claims.toml::mean-of-a-form PASSED*", "draft.claims.toml::slip FAILED*"])
    result.stdout.fnmatch_lines(
        ["*claim slip*", "fails: draft/slip", "*Half of what it should be.", "*witness: at kappa=*"]
    )
    result.stdout.fnmatch_lines(["*3 claims: 1 hold, 2 fail (1 of them refuted as expected), 0 undecided; 1 against*"])
    assert "pytest_plugin.py" not in result.stdout.str()


def test_an_undecided_claim_of_a_file_fails_with_its_word(run, pytester):
    text = CLAIMS.replace('"(kappa + 1)^2"', '"exp(kappa)"').replace(
        'rhs = "kappa^2 + kappa + 1"', 'relation = ">="\nrhs = "1 + kappa"'
    )
    pytester.path.joinpath("draft.claims.toml").write_text(text, encoding="utf-8")
    result = run()
    result.stdout.fnmatch_lines(["undecided: draft/slip"])
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_a_file_that_cannot_be_read_is_an_error_of_collection(run, pytester):
    text = CLAIMS.replace("tr(A S)", "tr(A S")
    pytester.path.joinpath("draft.claims.toml").write_text(text, encoding="utf-8")
    result = run()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["draft, claim 1*rhs: expected ) after*(position 6)", "    tr(A S", "          ^"])
    assert "claims_file.py" not in result.stdout.str() and "Traceback" not in result.stdout.str()


def test_several_workers_make_one_summary(pytester):
    """Each worker counts the statistical claims of the whole run."""
    pytester.makepyfile(test_it=STUDY + COIN_TESTS)
    options = ("-p", "proofs_check.pytest_plugin", "-p", "no:cacheprovider", "-n", "2")
    result = pytester.runpytest_subprocess(*options)
    result.assert_outcomes(passed=6)
    result.stdout.fnmatch_lines(
        ["*4 claims: 4 hold*; false-alarm budget used: 1e-06 of 1e-06, by 4 statistical claims"]
    )
