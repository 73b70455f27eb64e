"""Writes groups.json: returns and advantages of episodes, and penalties on groups, which no peer has.

    /some/where/bin/python tests/oracle/groups.py      (see make.py)

Returns and advantages are recurrences from the last step back, in NumPy; penalties are PyTorch on the formula of the
means, with its own derivative. Both are double precision on numbers that a float holds.
"""

import json
import pathlib

import numpy as np
import torch

random = np.random.default_rng(5)


def grid(shape, low, high):
    return np.round(random.uniform(low, high, shape) * 64) / 64


def numbers(a):
    return [float(f"{float(x):.13g}") for x in np.asarray(a).ravel()]


def episodes(sequences, steps, gamma, trace, ends, cut):
    reward, value, bootstrap = (grid((sequences, steps), -2, 2), grid((sequences, steps), -2, 2),
                                grid((sequences,), -2, 2))
    done = (random.uniform(size=(sequences, steps)) < ends).astype(int)
    length = random.integers(0, steps + 1, sequences) if cut else np.full(sequences, steps)
    returns, advantage = np.zeros((sequences, steps)), np.zeros((sequences, steps))
    for s in range(sequences):
        later, ahead, gain = bootstrap[s], bootstrap[s], 0.0
        for t in reversed(range(length[s])):
            goes_on = 1 - done[s, t]
            later = returns[s, t] = reward[s, t] + gamma * goes_on * later
            gain = advantage[s, t] = (reward[s, t] + gamma * goes_on * ahead - value[s, t]
                                      + gamma * trace * goes_on * gain)
            ahead = value[s, t]
    return {"shape": [sequences, steps], "gamma": gamma, "lambda": trace, "reward": numbers(reward),
            "value": numbers(value), "bootstrap": numbers(bootstrap), "done": done.ravel().tolist(),
            "length": length.tolist(), "returns": numbers(returns), "advantage": numbers(advantage)}


def mean(x, w, of):
    return (x * w)[of].sum() / w[of].sum()


def spread(x, w, group, of, form):
    """D of the means of x over the rows `of`."""
    shares = [(w[of & (group == g)].sum() / w[of].sum(), mean(x, w, of & (group == g)))
              for g in range(int(group.max()) + 1) if (of & (group == g)).any()]
    means = torch.stack([m for _, m in shares])
    if form == "range":
        return means.max() - means.min()
    return sum(share * (m - mean(x, w, of)) ** 2 for share, m in shares)


def penalty(text, rows, groups, f):
    y = torch.tensor(grid((rows,), -3, 3), requires_grad=True)
    t, w = torch.tensor(grid((rows,), -1, 2)), torch.tensor(grid((rows,), 0.25, 2))
    group = torch.tensor(random.permutation(np.arange(rows) % groups))
    value = f(y, t, w, group, torch.ones(rows, dtype=bool))
    value.backward()
    return {"penalty": text, "groups": groups, "prediction": numbers(y.detach()), "target": numbers(t),
            "weight": numbers(w), "group": group.tolist(), "value": numbers(value.detach())[0],
            "gradient": numbers(y.grad)}


def scores(name):
    return {"logit": torch.sigmoid, "raw": lambda y: y}[name]


def losses_of(y, w, group):
    """Of values that their weights have multiplied already, as a loss without a reduction gives them."""
    return torch.stack([y[group == g].sum() / w[group == g].sum() for g in range(int(group.max()) + 1)])


def penalties():
    for score in ("logit", "raw"):
        for form in ("squared", "range"):
            rest = f"score={score},form={form}"
            yield f"demographic_parity:{rest}", lambda y, t, w, g, all, s=scores(score), f=form: spread(
                s(y), w, g, all, f)
            yield f"equal_opportunity:{rest}", lambda y, t, w, g, all, s=scores(score), f=form: spread(
                s(y), w, g, t > 0.5, f)
            yield f"equalized_odds:strength=2,{rest}", lambda y, t, w, g, all, s=scores(score), f=form: 2 * (
                spread(s(y), w, g, t > 0.5, f) + spread(s(y), w, g, t <= 0.5, f))
    for form in ("squared", "range"):
        for of in ("prediction", "residual"):
            yield f"mean_difference:form={form},of={of}", lambda y, t, w, g, all, f=form, o=of: spread(
                y - t if o == "residual" else y, w, g, all, f)
    for strength, bound, share in ((1, 0, 0), (2, 0.5, 0), (1, -1, 0.5), (0.5, 0.25, 1), (4, -0.5, 2)):
        yield (f"bounded_group_loss:strength={strength},bound={bound},mean={share}",
               lambda y, t, w, g, all, s=strength, b=bound, m=share: s * torch.relu(
                   losses_of(y, w, g) - b).sum() + m * y.sum() / w.sum())
    for strength in (0.5, 1, 2, 3, 4):
        yield (f"group_dro:worst=true,strength={strength}",
               lambda y, t, w, g, all, s=strength: s * losses_of(y, w, g).max())


def main():
    settings = [(1, 4, 0.5, 0.5, 0, False), (3, 7, 0.96875, 0.9375, 0.2, False), (5, 9, 1, 1, 0.1, True),
                (4, 6, 0, 0.5, 0.3, True), (2, 33, 0.9375, 0, 0.05, False), (6, 12, 0.875, 0.75, 0.2, True)]
    file = {"versions": {"numpy": np.__version__, "torch": torch.__version__},
            "episodes": [episodes(*each) for each in settings],
            "penalties": [penalty(text, 12 + 5 * i, 2 + i, f) for text, f in penalties() for i in range(2)]}
    lines = [f'"{key}":[\n' + ",\n".join(json.dumps(case) for case in file[key]) + "\n]"
             for key in ("episodes", "penalties")]
    text = f'{{"versions":{json.dumps(file["versions"])},\n' + ",\n".join(lines) + "}\n"
    (pathlib.Path(__file__).parent / "groups.json").write_text(text)


if __name__ == "__main__":
    main()
