"""Divergences and losses of two or three inputs."""

import numpy as np

from inputs import SHAPES, Draw, single
from regression import keras
from suites import elements, rows

SINGLES = ("none", "mean", "sum", "mean", "none")


def add(out):
    divergences(out)
    similar(out)
    triplets(out)
    policies(out)


def logs_and_shares(domain, draw, shape):
    y = draw.grid(shape, -4, 0)
    t = draw.grid(shape, 0, 1)
    t.flat[0] = 0
    return y, t


def log_both(domain, draw, shape):
    return draw.grid(shape, -4, 0), draw.grid(shape, -4, 0)


def both_shares(draw, shape):
    return {"prediction": draw.shares(shape), "target": draw.shares(shape)}


def divergences(out):
    rest = {"terms": "abs(t*y) + 1", "slopes": "1 + 0*y"}
    elements(out, "kl", "torch", "F.kl_div(y, t, reduction={r})", "", make=logs_and_shares, hard=False,
             compat="kl_div", **rest)
    elements(out, "kl:log_target=true", "torch", "F.kl_div(y, t, log_target=True, reduction={r})", "", make=log_both,
             hard=False, compat="kl_div:log_target=true", terms="abs(y) + abs(t)", slopes="1 + 0*y")
    for log_target, make in ((False, logs_and_shares), (True, log_both)):
        for number, shape in enumerate(SHAPES):
            y, t = make("", Draw("batchmean", number), shape)
            out.add("kl:log_target=true" if log_target else "kl", "torch",
                    f"F.kl_div(y, t, log_target={log_target}, reduction='batchmean')",
                    {"prediction": y, "target": t}, "mean_over_batch", terms="5 + 0*y", slopes="1 + 0*y",
                    compat="kl_div:" + "log_target=true," * log_target + "reduction=batchmean")
    for number, shape in enumerate(((4, 3), (2, 5), (6, 2), (3, 4), (5, 3))):
        draw = Draw("kl", "optax", number)
        y, t = logs_and_shares("", draw, shape)
        out.add("kl", "optax", "jnp.mean(optax.losses.kl_divergence(y, t))", {"prediction": y, "target": t},
                "mean_over_batch", compat="kl_divergence", **rest)
        out.add("generalized_kl", "optax", "jnp.mean(optax.losses.generalized_kl_divergence(jnp.log(y), t))",
                {"prediction": draw.grid(shape, 0.0625, 2), "target": t}, "mean_over_batch",
                compat="generalized_kl_divergence", terms="abs(t*np.log(y)) + 2", slopes="1 + t/y")
        y, t = log_both("", draw, shape)
        out.add("kl:log_target=true", "optax", "jnp.mean(optax.losses.kl_divergence_with_log_targets(y, t))",
                {"prediction": y, "target": t}, "mean_over_batch", compat="kl_divergence_with_log_targets",
                terms="abs(y) + abs(t)", slopes="1 + 0*y")
        inputs = both_shares(draw, shape)
        if number == 4:
            inputs["prediction"][0, :2], inputs["target"][1, :2] = 0, 0
        out.add("kl:prediction=probability,eps=1e-07", "keras", keras("KLDivergence"), inputs, "mean_over_batch",
                compat="kl_divergence", terms="18 + 0*y", slopes="t/np.maximum(y, 1e-7) + 1")
    inside = lambda domain, draw, shape: (draw.grid(shape, 0.0625, 0.9375), draw.grid(shape, 0.0625, 0.9375))
    elements(out, "kl:prediction=probability", "mpmath", "t*(log(t) - log(y))", "", make=inside, hard=False,
             terms="4 + 0*y", slopes="t/y")
    elements(out, "kl:prediction=probability,order=prediction_target", "mpmath", "y*(log(y) - log(t))", "",
             make=inside, hard=False, terms="4 + 0*y", slopes="4 + 0*y")
    for beta in (0.5, 0.25):
        mixed = f"({beta}*t + (1 - {beta})*y)"
        elements(out, "js" if beta == 0.5 else f"js:beta={beta}", "mpmath",
                 f"{beta}*t*log(t/{mixed}) + (1 - {beta})*y*log(y/{mixed})", "", make=inside, hard=False,
                 terms="4 + 0*y", slopes="4 + 0*y")
    elements(out, "total_variation", "mpmath", "abs(y - t)/2", "", hard=False,
             make=lambda domain, draw, shape: (draw.grid(shape, 0, 0.5), draw.grid(shape, 0.515625, 1)))


def two(draw, shape):
    return {"prediction": draw.grid(shape, -2, 2), "target": draw.grid(shape, -2, 2)}


def two_and_sign(draw, shape):
    return {"prediction": draw.grid(shape, -2, 2), "second": draw.grid(shape, -2, 2),
            "single": draw.choice((shape[0],), [-1, 1])}


def similar(out):
    unit = {"terms": "1 + 0*y[:, 0]", "slopes": "1/np.sqrt((y*y).sum(1, keepdims=True)) + 0*y"}
    rows(out, "cosine_similarity", "torch", "1 - F.cosine_similarity(y, t, dim=1)", two, reductions=("none",), **unit)
    clamped = "torch.clamp({}.norm(dim=1), min=2.0)"
    rows(out, "cosine_similarity:eps=2", "torch",
         f"1 - (y*t).sum(1)/({clamped.format('y')}*{clamped.format('t')})", two, reductions=("none",), **unit)
    rows(out, "cosine_similarity:eps=0", "optax", "optax.losses.cosine_distance(y, t)", two, compat="cosine_distance",
         **unit)
    text = keras("CosineSimilarity")
    rows(out, "cosine_similarity:form=negative,eps=1e-07", "keras", text, two, compat="cosine_similarity",
         weighted=(text[:-1] + ", sample_weight=w)", "mean_over_outputs"), **unit)
    low = single([[3e-7, -4e-7], [3e-8, 4e-8], [6e-9, -8e-9], [1.5, 2]])  # lengths around Keras's epsilon of 1e-7
    rows(out, "cosine_similarity:form=negative,eps=1e-07", "keras", text,
         lambda draw, shape: {"prediction": low, "target": draw.grid(low.shape, -2, 2)}, compat="cosine_similarity",
         terms="1 + 0*y[:, 0]", slopes="1/np.maximum(np.sqrt((y*y).sum(1, keepdims=True)), 1e-7) + 0*y")
    for margin in (0, 0.5, -0.5):
        fields = "" if margin == 0 else f":margin={margin}"
        rows(out, "cosine_embedding" + fields, "torch",
             f"F.cosine_embedding_loss(y, z, t, margin={margin}, reduction={{r}})", two_and_sign, reductions=SINGLES,
             compat="cosine_embedding_loss" + fields, terms="1 + 0*y[:, 0]",
             slopes="4/np.abs(y).max(1, keepdims=True) + 0*y")
    rows(out, "cosine_embedding:eps=0.5", "torch",
         "torch.where(t == 1, 1 - {0}, F.relu({0}))".format(
             "(y*z).sum(1)/torch.sqrt(((y*y).sum(1) + 0.5)*((z*z).sum(1) + 0.5))"),
         two_and_sign, reductions=("none",), terms="1 + 0*y[:, 0]", slopes="4 + 0*y")
    distance = "F.pairwise_distance(y, z)"
    far = {"terms": "20 + 0*y[:, 0]", "slopes": "8 + 0*y"}
    for margin in (1, 3):
        fields = "" if margin == 1 else f":margin={margin}"
        call = f"torch.where(t == 1, {distance}**2, F.relu({margin} - {distance})**2)/2"
        rows(out, "contrastive" + fields, "torch", call,
             lambda draw, shape: two_and_sign(draw, shape) | {"single": draw.choice((shape[0],), [0, 1])},
             reductions=("none",), **far)
    near, apart = "{0}**2", "F.relu(1 - {0})**2"
    for fields, one, zero, half, eps in (("eps=0.5", near, apart, "/2", 0.5), ("half=false", near, apart, "", 1e-6),
                                         ("labels=similar_is_zero", apart, near, "/2", 1e-6)):
        call = f"torch.where(t == 1, {one}, {zero}){half}".format(f"F.pairwise_distance(y, z, eps={eps})")
        rows(out, "contrastive:" + fields, "torch", call,
             lambda draw, shape: {"prediction": draw.grid(shape, -1, 1), "second": draw.grid(shape, -1, 1),
                                  "single": draw.choice((shape[0],), [0, 1])}, reductions=("none",), **far)


def three(draw, shape):
    return {name: draw.grid(shape, -2, 2) for name in ("prediction", "second", "third")}


def triplets(out):
    far = {"terms": "12 + 0*y[:, 0]", "slopes": "3 + 0*y"}
    for margin, p, swap in ((1, 2, False), (3, 2, False), (1, 1, False), (2, 3, False), (2, 2, True)):
        fields = ":" + ",".join([f"margin={margin}"] * (margin != 1) + [f"p={p}"] * (p != 2) + ["swap=true"] * swap)
        rows(out, "triplet" + fields.rstrip(":"), "torch",
             f"F.triplet_margin_loss(y, z, v, margin={margin}, p={p}, swap={swap}, reduction={{r}})", three,
             reductions=SINGLES, compat="triplet_margin_loss" + fields.rstrip(":"), **far)


    rows(out, "triplet:eps=0.5", "torch", "F.triplet_margin_loss(y, z, v, eps=0.5, reduction={r})", three,
         reductions=SINGLES, compat="triplet_margin_loss:eps=0.5", **far)


def policies(out):
    ratio = "torch.exp(y - z)"
    for clip in (0.2, 0.5):
        call = f"-torch.minimum({ratio}*t, torch.clamp({ratio}, 1 - {clip}, 1 + {clip})*t)"
        for number, shape in enumerate(SHAPES):
            draw = Draw("ppo_clip", clip, number)
            inputs = {"prediction": draw.grid(shape, -3, 0), "second": draw.grid(shape, -3, 0),
                      "target": draw.grid(shape, -3, 3)}
            out.add("ppo_clip" if clip == 0.2 else f"ppo_clip:clip={clip}", "torch", call, inputs, "none",
                    constant=("second",), slopes="3*np.exp(y - z)")
