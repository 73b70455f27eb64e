"""Writes data/<loss>.json: numbers of PyTorch, Keras, Optax and others that the library must reproduce.

    python3 -m venv /some/where && /some/where/bin/pip install -r tests/oracle/requirements.txt
    /some/where/bin/python tests/oracle/make.py [LOSS ...]

The tests read the files and need none of this. Inputs are seeded: a run with the same versions writes the same files.
"""

import json
import pathlib
import sys

import numpy as np

sys.dont_write_bytecode = True  # before the modules beside this one

import batches
import binary
import classes
import pairs
import peers
import regression
from suites import Collection

DATA = pathlib.Path(__file__).parent / "data"


def short(x, digits=10):
    """The shortest JSON of a number."""
    x = float(x)
    if not np.isfinite(x):
        return '"nan"' if np.isnan(x) else '"inf"' if x > 0 else '"-inf"'
    text = f"{x:.{digits}g}"
    text = text.replace("e+0", "e").replace("e-0", "e-").replace("e+", "e")
    return "0" if float(text) == 0 else text


def exact(x):
    """An input: the shortest text of the float32 number, or an integer."""
    if isinstance(x, (int, np.integer)):
        return str(int(x))
    return short(x) if not np.isfinite(x) or float(np.float32(f"{x:.10g}")) == x else repr(float(x))


def numbers(values, of, skip=()):
    return "[" + ",".join("null" if i in skip else of(x) for i, x in enumerate(np.asarray(values).ravel())) + "]"


def largest_terms(case, text):
    if not text:
        return None
    letters = {peers.LETTERS[n]: case.inputs[n] for n in case.names()} | peers.arguments(case, np.asarray)
    return eval(text, {"np": np, "abs": abs} | letters)


def to_json(case):
    inputs, parts = case.inputs, []

    def put(key, text):
        parts.append(f'"{key}":{text}')

    put("loss", json.dumps(case.loss))
    put("peer", json.dumps(case.peer))
    put("call", json.dumps(case.call))
    for key in ("compat", "note"):
        if getattr(case, key):
            put(key, json.dumps(getattr(case, key)))
    put("reduction", json.dumps(case.reduction))
    put("shape", numbers(inputs["prediction"].shape, exact))
    for name in case.names() + ["target", "labels", "single", "weight", "class_weight"]:
        if name in inputs:
            put(name, numbers(inputs[name], exact))
    if case.reduction == "none":
        put("values", numbers(case.output, short))
    else:
        put("value", short(case.output))
    for name, gradient in case.gradients.items():
        put({"prediction": "gradient"}.get(name, name + "_gradient"), numbers(gradient, short, case.skipped(name)))
    for key in ("terms", "slopes"):
        largest = largest_terms(case, getattr(case, key))
        if largest is not None:
            put(key, numbers(largest, lambda x: short(x, 3)))
    return "{" + ",".join(parts) + "}"


def main(only):
    out = Collection(set(only) or None)
    for family in (regression, binary, classes, pairs, batches):
        family.add(out)
        peers.jax.clear_caches()
    DATA.mkdir(exist_ok=True)
    for loss, cases in sorted(out.cases.items()):
        text = ",\n".join(to_json(case) for case in cases)
        (DATA / f"{loss}.json").write_text(f'{{"versions":{json.dumps(peers.versions(cases))},"cases":[\n{text}\n]}}\n')
        print(f"{loss}: {len(cases)} cases")
    if out.failures:
        sys.exit("\n".join(out.failures))


if __name__ == "__main__":
    main(sys.argv[1:])
