"""Our layer is the one people use: the same numbers through PyTorch's attention, on sampled tokens.

Needs the extra `torch`; run with `pytest -m torch`.
"""

from __future__ import annotations

import importlib
import math

import numpy as np
import pytest

module = importlib.import_module("proofs_check.studies.attention_map")

pytestmark = pytest.mark.torch  # asked for, they fail without torch: a skip would hide that it is missing

D, D_K, HEADS = 6, 3, 2


@pytest.fixture(scope="module")
def torch():
    torch = importlib.import_module("torch")
    torch.set_num_threads(1)
    return torch


@pytest.fixture
def model():
    rng = np.random.default_rng(20)
    root = rng.standard_normal((D, D)) / math.sqrt(D)
    return {
        "mean": rng.standard_normal(D),
        "covariance": root @ root.T,
        "Q": rng.standard_normal((D_K, D)) / 2,
        "K": rng.standard_normal((D_K, D)) / 2,
        "V": rng.standard_normal((D, D)),
    }


def sampled(model, shape, seed):
    tokens = np.random.default_rng(seed).standard_normal((*shape, D))
    return model["mean"] + tokens @ module.root_of(model["covariance"]).T


def through_torch(torch, x, tokens, Q, K, V):
    """`scaled_dot_product_attention` with one query for each prompt; tokens (N, n, d)."""
    query = torch.from_numpy(np.broadcast_to(Q @ x, (len(tokens), 1, len(Q))).copy())
    key, values = torch.from_numpy(tokens @ K.T), torch.from_numpy(tokens @ V.T)
    return torch.nn.functional.scaled_dot_product_attention(query, key, values)[:, 0].numpy()


def test_the_simulator_is_scaled_dot_product_attention(torch, model):
    x, tokens = np.linspace(-1, 1, D), sampled(model, (50, 7), seed=1)
    layer = {name: model[name] for name in "QKV"}
    theirs = through_torch(torch, x, tokens, **layer)
    # double precision on both sides
    np.testing.assert_allclose(module.predict(tokens, query=x, **layer), theirs, rtol=1e-12, atol=1e-12)


def test_many_tokens_reach_the_mean_field_layer(torch, model):
    """SDPA over 400,000 tokens is within six standard deviations, exact for that n, of its exact mean."""
    x, count = np.linspace(-0.5, 0.5, D), 400_000
    layer = {name: model[name] for name in "QKV"}
    (out,) = through_torch(torch, x, sampled(model, (1, count), seed=2), **layer)
    direction = model["K"].T @ model["Q"] @ x / math.sqrt(D_K)
    center, spread = module.finite_prompt(direction, mean=model["mean"], covariance=model["covariance"], n=count)
    deviation = np.sqrt(np.diag(model["V"] @ spread @ model["V"].T))
    limit = module.attention_at(x, **model)
    assert np.abs(model["V"] @ center - limit).max() < 1e-3 * deviation.max()
    assert (np.abs(out - limit) < 6.1 * deviation).all()
    assert deviation.max() < 0.05 * np.abs(limit).max()  # so that agreement means something


@pytest.mark.parametrize("count", [1, 2, 10])
def test_prompts_of_a_few_tokens(torch, model, count):
    """Mean and covariance of SDPA over 200,000 prompts are those of `finite_prompt`, to eight standard errors."""
    x, prompts = np.linspace(-1, 1, D), 200_000
    out = through_torch(torch, x, sampled(model, (prompts, count), seed=3), **{name: model[name] for name in "QKV"})
    direction = model["K"].T @ model["Q"] @ x / math.sqrt(D_K)
    center, spread = module.finite_prompt(direction, mean=model["mean"], covariance=model["covariance"], n=count)
    center, spread = model["V"] @ center, model["V"] @ spread @ model["V"].T
    assert (np.abs(out.mean(axis=0) - center) < 8 * np.sqrt(np.diag(spread) / prompts)).all()
    gaps = out - center
    products = np.einsum("ni,nj->nij", gaps, gaps)
    assert (np.abs(products.mean(axis=0) - spread) < 8 * products.std(axis=0) / math.sqrt(prompts)).all()


def test_multihead_attention(torch, model):
    """`torch.nn.MultiheadAttention` is a sum of our heads, each with its block of the output matrix."""
    size = D // HEADS
    layer = torch.nn.MultiheadAttention(D, HEADS, bias=False, batch_first=True, dtype=torch.float64)
    torch.manual_seed(0)
    with torch.no_grad():
        layer.in_proj_weight.copy_(torch.randn(3 * D, D, dtype=torch.float64) / 3)
        layer.out_proj.weight.copy_(torch.randn(D, D, dtype=torch.float64))
        Q, K, V = (block.numpy().reshape(HEADS, size, D) for block in layer.in_proj_weight.chunk(3))
        output = layer.out_proj.weight.numpy().reshape(D, HEADS, size)
        heads = {"Q": Q, "K": K, "V": np.stack([output[:, h] @ V[h] for h in range(HEADS)])}
        x, tokens = np.linspace(-1, 1, D), sampled(model, (5, 9), seed=4)
        query = torch.from_numpy(np.broadcast_to(x, (5, 1, D)).copy())
        theirs = layer(query, torch.from_numpy(tokens), torch.from_numpy(tokens), need_weights=False)[0][:, 0].numpy()
        ours = sum(module.predict(tokens, query=x, **{n: heads[n][h] for n in "QKV"}) for h in range(HEADS))
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)

        # and its limit of many tokens is the layer on the law: within 1 % of its size at 200,000 tokens
        many = torch.from_numpy(sampled(model, (1, 200_000), seed=5))
        theirs = layer(torch.from_numpy(x.reshape(1, 1, D)), many, many, need_weights=False)[0][0, 0].numpy()
    ours = module.attention_at(x, mean=model["mean"], covariance=model["covariance"], **heads)
    assert np.abs(ours - theirs).max() < 0.01 * np.abs(ours).max()
