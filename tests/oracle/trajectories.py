"""Writes trajectories/<rule>.json: where the optimizers of PyTorch, Keras and Optax go in 100 steps, in double.

    /some/where/bin/python tests/oracle/trajectories.py [RULE ...]

The gradients are given, the same for all: trajectories/inputs.json holds them, the parameters at the start, and the
factors by which learning rates change. The cases stand in rules.py; make.py says what the environment needs.
"""

import json
import pathlib
import random
import sys

import numpy as np

sys.dont_write_bytecode = True  # before the modules beside this one

import peers
import rules
from peers import jax, jnp, keras, optax, torch

DATA = pathlib.Path(__file__).parent / "trajectories"
STEPS = 100
STORED = (1, 2, 3, 10, 50, 100)
SHAPES = ((7,), (3, 2), (4,), (2,))
# Gradients are whole numbers from -8 to 8 times a power of two for each element. Of the third tensor all parameters
# start at 0, of the fourth all gradients are 0.
EXPONENTS = ((0, 4, -13, -6, 2, -2, 0), (-3, 1, -10, 3, -5, 0), (0, 2, -8, -1), (0, 0))

RATES = {"changing": [(0.5, 1.25, 1, 0.75, 2, 0.25, 1.5)[t % 7] for t in range(STEPS)],
         "warm_up_10": [min((t + 1) / 10, 1) for t in range(STEPS)]}


def start(tensor, draw):
    size = int(np.prod(SHAPES[tensor]))
    return [0 if tensor == 2 else (draw.randint(8, 192) * draw.choice((-1, 1))) / 64 for _ in range(size)]


def gradient(tensor, element, draw):
    """Of the first tensor, one element has gradients of one sign, and one has none."""
    whole = draw.randint(-8, 8)
    if tensor == 0 and element == 5:
        whole = 1 + abs(whole)
    if tensor == 3 or (tensor == 0 and element == 6):
        whole = 0
    return whole * 2.0 ** EXPONENTS[tensor][element]


def make_inputs():
    draw = random.Random("trajectories")
    starts = [start(tensor, draw) for tensor in range(len(SHAPES))]
    gradients = [[[gradient(tensor, e, draw) for e in range(len(p))] for tensor, p in enumerate(starts)]
                 for _ in range(STEPS)]
    return starts, gradients


STARTS, GRADIENTS = make_inputs()


def shaped(values):
    return [np.array(v, dtype=np.float64).reshape(shape) for v, shape in zip(values, SHAPES)]


def flat(tensors):
    return np.concatenate([np.asarray(t, dtype=np.float64).ravel() for t in tensors])


def run_torch(call, rates):
    torch.set_default_dtype(torch.float64)  # some keep scalars in it
    p = [torch.tensor(a, requires_grad=True) for a in shaped(STARTS)]
    optimizer = eval(call, {"torch": torch, "p": p})
    (group,) = optimizer.param_groups
    lr = group["lr"]
    for t in range(STEPS):
        for leaf, g in zip(p, shaped(GRADIENTS[t])):
            leaf.grad = torch.tensor(g)
        group["lr"] = lr * rates[t]
        optimizer.step()
        yield flat([leaf.detach().numpy() for leaf in p])


def run_keras(call, rates):
    p = [keras.Variable(a, dtype="float64") for a in shaped(STARTS)]
    optimizer = eval(call, {"keras": keras})
    lr = float(optimizer.learning_rate)
    for t in range(STEPS):
        optimizer.learning_rate = lr * rates[t]
        optimizer.apply([jnp.asarray(g) for g in shaped(GRADIENTS[t])], p)
        yield flat([leaf.numpy() for leaf in p])


def run_optax(call, rates):
    """In a call, at(lr) is the learning rate lr times the factors."""
    factors = jnp.asarray(rates, dtype=jnp.float64)
    at = lambda lr: (lambda count: lr * factors[count])
    optimizer = eval(call, {"optax": optax, "rules": rules, "at": at})
    p = [jnp.asarray(a) for a in shaped(STARTS)]
    state = optimizer.init(p)

    @jax.jit
    def step(g, state, p):
        updates, state = optimizer.update(g, state, p)
        return optax.apply_updates(p, updates), state

    for t in range(STEPS):
        p, state = step([jnp.asarray(g) for g in shaped(GRADIENTS[t])], state, p)
        yield flat(p)


RUN = {"torch": run_torch, "keras": run_keras, "optax": run_optax}


def number(x, digits=14):
    text = f"{float(x):.{digits}g}".replace("e-0", "e-").replace("e+", "e")
    return "0" if float(text) == 0 else text


def numbers(values, of=number):
    return "[" + ",".join(of(x) for x in values) + "]"


def case_text(case):
    rates = RATES[case.rates] if case.rates else [1] * STEPS
    stored = [p for t, p in enumerate(RUN[case.peer](case.call, rates), 1) if t in STORED]
    assert np.isfinite(stored).all(), case.call
    head = {"rule": case.rule, "peer": case.peer, "call": case.call}
    head |= {key: value for key in ("rates", "compat", "note") if (value := getattr(case, key))}
    rows = ",\n ".join(numbers(p) for p in stored)
    return json.dumps(head)[:-1] + ', "parameters":[\n ' + rows + "]}"


def inputs_text():
    exact = lambda x: number(x, 17)
    rows = ",\n".join("[" + ",".join(numbers(g, exact) for g in step) + "]" for step in GRADIENTS)
    return ('{"stored":' + json.dumps(STORED) + ',\n"rates":' + json.dumps(RATES) + ',\n"start":['
            + ",".join(numbers(p, exact) for p in STARTS) + '],\n"gradients":[\n' + rows + "]}\n")


def main(only):
    DATA.mkdir(exist_ok=True)
    (DATA / "inputs.json").write_text(inputs_text())
    for rule, cases in rules.all_cases().items():
        if only and rule not in only:
            continue
        text = ",\n".join(case_text(case) for case in cases)
        (DATA / f"{rule}.json").write_text(f'{{"versions":{json.dumps(peers.VERSIONS)},"cases":[\n{text}\n]}}\n')
        print(f"{rule}: {len(cases)} cases")
        jax.clear_caches()


if __name__ == "__main__":
    main(sys.argv[1:])
