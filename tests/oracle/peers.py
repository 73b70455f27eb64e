"""Runs the peers in double precision on the inputs of a case, and keeps what they gave.

A peer's call is a text that is both run and stored, so that the two cannot differ. In it y is the prediction, z and v
the further inputs, t the target (labels are integers), w the sample weight, c the class weight.
"""

import importlib.metadata
import os
import warnings

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
warnings.filterwarnings("ignore")

import jax
import jax.numpy as jnp
import keras
import mpmath
import numpy as np
import optax
import torch
import torch.nn.functional as F
from pytorch_metric_learning.distances import LpDistance
from pytorch_metric_learning.losses import NTXentLoss, TripletMarginLoss
from pytorch_metric_learning.miners import BatchHardMiner
from pytorch_metric_learning.reducers import AvgNonZeroReducer, MeanReducer

jax.config.update("jax_enable_x64", True)
keras.config.set_floatx("float64")
mpmath.mp.dps = 60

METRIC_LEARNING = (LpDistance, NTXentLoss, TripletMarginLoss, BatchHardMiner, AvgNonZeroReducer, MeanReducer)


def versions(cases):
    names = ["torch", "keras", "optax", "jax", "mpmath"]
    names += sorted({case.peer for case in cases} - set(names))
    return {name: importlib.metadata.version(name) for name in names}


INPUTS = ("prediction", "second", "third")
LETTERS = {"prediction": "y", "second": "z", "third": "v"}


class Case:
    """One set of inputs, one call, and what came of it. Arrays are NumPy; floating ones hold float32 numbers."""

    def __init__(self, loss, peer, call, inputs, reduction, **rest):
        self.loss, self.peer, self.call, self.inputs, self.reduction = loss, peer, call, inputs, reduction
        self.compat = rest.pop("compat", None)
        self.note = rest.pop("note", None)
        self.constant = rest.pop("constant", ())
        self.terms = rest.pop("terms", None)
        self.slopes = rest.pop("slopes", None)
        self.skip_gradient = rest.pop("skip_gradient", ())  # of all inputs, or {input: places}
        assert not rest, rest
        run = {"torch": run_torch, "keras": run_jax, "optax": run_jax, "mpmath": run_mpmath,
               "pytorch-metric-learning": run_torch}[peer]
        self.output, self.gradients = run(self)

    def names(self):
        return [name for name in INPUTS if name in self.inputs]

    def skipped(self, name):
        return self.skip_gradient.get(name, ()) if isinstance(self.skip_gradient, dict) else self.skip_gradient

    def differentiable(self):
        return [name for name in self.names() if name not in self.constant]


def arguments(case, convert):
    """The letters of a call, but for the inputs themselves."""
    values = {}
    targets = ("target", "labels", "single", "one_hot")
    for letter, names in (("t", targets), ("w", ("weight",)), ("c", ("class_weight",))):
        for name in names:
            if name in case.inputs:
                values[letter] = convert(case.inputs[name])
    return values


def run_torch(case):
    names = {"F": F, "torch": torch} | {kind.__name__: kind for kind in METRIC_LEARNING}
    names |= arguments(case, lambda a: torch.tensor(a))
    leaves = {}
    for name in case.names():
        leaves[name] = torch.tensor(case.inputs[name], dtype=torch.float64, requires_grad=name not in case.constant)
        names[LETTERS[name]] = leaves[name]
    output = eval(case.call, names)
    output.sum().backward()
    return output.detach().numpy(), {name: leaves[name].grad.numpy() for name in case.differentiable()}


def run_jax(case):
    names = {"jnp": jnp, "jax": jax, "optax": optax, "keras": keras} | arguments(case, jnp.asarray)

    def call(leaves):
        return eval(case.call, names | {LETTERS[name]: leaf for name, leaf in leaves.items()})

    leaves = {name: jnp.asarray(case.inputs[name], dtype=jnp.float64) for name in case.names()}
    gradients = jax.grad(lambda l: jnp.sum(call(l)))(leaves)
    return np.asarray(call(leaves)), {name: np.asarray(gradients[name]) for name in case.differentiable()}


def run_mpmath(case):
    """Elementwise calls see numbers; calls on rows (the text says `y[`) see lists, and the row's own t and w."""
    names = {name: getattr(mpmath, name) for name in ("mpf", "exp", "log", "log1p", "cosh", "sqrt")}
    names |= {"max": max, "min": min, "sum": sum, "abs": abs}
    code = compile(case.call, case.loss, "eval")
    rows, cols = case.inputs["prediction"].shape
    by_rows = "y[" in case.call or " in y" in case.call
    big = lambda a: [[mpmath.mpf(float(x)) for x in row] for row in np.asarray(a).reshape(rows, -1)]
    leaves = {name: big(case.inputs[name]) for name in case.names()}
    sides = {}
    for letter, kinds in (("t", ("target", "single")), ("w", ("weight",))):
        for kind in kinds:
            if kind in case.inputs:
                sides[letter] = big(case.inputs[kind])
    if "class_weight" in case.inputs:
        names["c"] = [mpmath.mpf(float(x)) for x in case.inputs["class_weight"]]
    if "labels" in case.inputs:
        sides["t"] = [[int(x)] for x in case.inputs["labels"]]

    def at(values, r, i):
        row = values[r]
        if len(row) == 1 and (values is not leaves["prediction"] or not by_rows):
            return row[0]
        return list(row) if by_rows else row[i]

    outputs, gradients = [], {name: [] for name in case.differentiable()}
    for r in range(rows):
        for i in range(1 if by_rows else cols):
            point = {LETTERS[n]: at(v, r, i) for n, v in leaves.items()} | {l: at(v, r, i) for l, v in sides.items()}
            outputs.append(eval(code, names | point))
            for name in gradients:
                letter = LETTERS[name]
                for k in range(cols if by_rows else 1):

                    def along(s):
                        moved = list(point[letter]) if by_rows else s
                        if by_rows:
                            moved[k] = s
                        return eval(code, names | point | {letter: moved})

                    gradients[name].append(mpmath.diff(along, point[letter][k] if by_rows else point[letter]))
    shape = (rows,) if by_rows else (rows, cols)
    as_array = lambda a, s: np.array([float(x) for x in a]).reshape(s)
    return as_array(outputs, shape), {n: as_array(g, (rows, cols)) for n, g in gradients.items()}
