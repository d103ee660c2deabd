"""Text from users is data: no function of the exact layer reads it as code."""

from __future__ import annotations

import pytest
import sympy as sp

from numerics import ball, certified_zeros, value
from theory import E, GaussianIntegral, GaussianMatrix, GaussianVector, Latent, Risk, TokenGroup, gaussians

x = sp.Symbol("x", real=True)
HOSTILE = "open('intruder', 'w').write('x')"


@pytest.mark.parametrize(
    "read",
    [
        E,
        lambda text: gaussians("a", mean=[text]),
        lambda text: gaussians("a", covariance=[[text]]),
        lambda text: GaussianVector("x", text),
        lambda text: GaussianVector("x", 2, mean=text),
        lambda text: GaussianVector("x", 2, covariance=text),
        lambda text: GaussianMatrix("X", text, 2),
        lambda text: GaussianMatrix("X", 3, 2)[text, :],
        lambda text: Latent("J", text),
        lambda text: TokenGroup(text),
        lambda text: TokenGroup(1, text),
        lambda text: GaussianIntegral(text, (x,)),
        lambda text: Risk(x**2, (x,)).restrict({x: text}),
        lambda text: Risk(x**2, (text,)),
        lambda text: value(text, {}),
        lambda text: value(x, {"x": text}),
        lambda text: ball(text, {}),
        lambda text: ball(x, {"x": text}),
        lambda text: certified_zeros([text], (x,), {x: (0, 1)}),
    ],
)
def test_a_text_is_refused_and_not_run(read, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises((TypeError, ValueError, AttributeError)):
        read(HOSTILE)
    assert not list(tmp_path.iterdir())
