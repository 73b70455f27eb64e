"""Sets of cases: a loss and its options, a peer's call, and at least five sets of inputs."""

import numpy as np

from inputs import SHAPES, Draw, hard_pair, pair
from peers import Case

# What a peer calls our reductions.
TORCH = {"none": "'none'", "mean": "'mean'", "sum": "'sum'", "mean_over_outputs": "'mean'"}
OPTAX = {"none": "{}", "mean": "jnp.mean({})", "sum": "jnp.sum({})"}


class Collection:
    def __init__(self, only=None):
        self.only = only
        self.cases = {}
        self.failures = []

    def wants(self, loss):
        return self.only is None or loss.split(":")[0] in self.only

    def add(self, loss, *arguments, **options):
        if self.wants(loss):
            try:
                case = Case(loss, *arguments, **options)
            except Exception as error:  # go on: one mistake should not cost the run
                self.failures.append(f"{loss} {arguments[:2]}: {type(error).__name__}: {str(error)[:200]}")
            else:
                self.cases.setdefault(loss.split(":")[0], []).append(case)


def call_text(peer, call, reduction):
    if peer == "torch":
        return call.replace("{r}", TORCH[reduction])
    if peer == "optax":
        return OPTAX[reduction].format(call)
    return call


def elements(out, loss, peer, call, domain, *, compat=None, hard=True, hard_of=None, kinked=False, weighted=None,
             make=pair, **options):
    """Five sets of inputs for an elementwise loss. `weighted` is the call with element weights and the reduction that
    it then has."""
    if not out.wants(loss):
        return
    cycle = {"torch": ("none", "mean", "sum", "none", "mean"), "optax": ("none", "mean", "sum", "none", "none"),
             "keras": ("mean_over_outputs",) * 5, "mpmath": ("none",) * 5}[peer]
    plain = cycle if not hard else cycle[:4]
    for number, (shape, reduction) in enumerate(zip(SHAPES, plain)):
        draw = Draw(loss, peer, number)
        y, t = make(domain, draw, shape)
        out.add(loss, peer, call_text(peer, call, reduction), {"prediction": y, "target": t}, reduction,
                compat=compat, **options)
    if hard:
        y, t = hard_of or hard_pair(domain)
        out.add(loss, peer, call_text(peer, call, cycle[4]), {"prediction": y, "target": t}, cycle[4], compat=compat,
                **(options | at_kinks(y, t) if kinked else options))
    if weighted:
        text, reduction = weighted
        for number, shape in enumerate(SHAPES):
            draw = Draw(loss, peer, "weighted", number)
            y, t = make(domain, draw, shape)
            by_rows = peer == "keras"
            weight = draw.weight((shape[0],) if by_rows else shape)
            out.add(loss, peer, call_text(peer, text, reduction), {"prediction": y, "target": t, "weight": weight},
                    reduction, compat=compat, **options)


def at_kinks(y, t):
    """JAX takes the derivative of |x| at 0 as 1."""
    return {"skip_gradient": np.flatnonzero(y == t).tolist(), "note": "the peer's slope of |x| at 0 is 1, here it is 0"}


def rows(out, loss, peer, call, make, *, compat=None, reductions=None, extra=(), weighted=None, **options):
    """Five sets of inputs for a loss of rows: make(draw, (rows, cols)) gives them, `extra` are further ones."""
    if not out.wants(loss):
        return
    cycle = reductions or {"torch": ("none", "mean", "sum", "mean", "none"), "keras": ("mean_over_outputs",) * 5,
                           "optax": ("none", "mean", "sum", "none", "none"), "mpmath": ("none",) * 5}[peer]
    shapes = ((4, 3), (2, 5), (6, 2), (3, 4), (5, 3))
    given = [make(Draw(loss, peer, call, number), shape) for number, shape in enumerate(shapes)] + list(extra)
    for number, inputs in enumerate(given):
        reduction = cycle[number % len(cycle)]
        out.add(loss, peer, call_text(peer, call, reduction), inputs, reduction, compat=compat, **options)
    if weighted:
        text, reduction = weighted
        for number, shape in enumerate(shapes):
            draw = Draw(loss, peer, "weighted", number)
            inputs = make(draw, shape) | {"weight": draw.weight((shape[0],))}
            out.add(loss, peer, call_text(peer, text, reduction), inputs, reduction, compat=compat, **options)


def scores_and_labels(draw, shape):
    return {"prediction": draw.grid(shape, -4, 4), "labels": draw.labels(*shape)}


def scores_and_shares(draw, shape):
    return {"prediction": draw.grid(shape, -4, 4), "target": draw.shares(shape)}


def shares_and_labels(draw, shape):
    return {"prediction": draw.shares(shape), "labels": draw.labels(*shape)}


def one_hot(labels, classes):
    return np.eye(classes)[labels]
