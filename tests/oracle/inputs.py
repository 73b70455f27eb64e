"""Seeded small inputs, exact in float32 and mostly on a grid of 1/64, with the hard ones in fixed places."""

import random

import numpy as np


def single(values):
    """Rounded to float32, kept as double: the peers see what the library sees."""
    return np.asarray(values, dtype=np.float32).astype(np.float64)


class Draw:
    """Numbers of one case, a function of its name."""

    def __init__(self, *seed):
        self.random = random.Random("/".join(str(s) for s in seed))

    def grid(self, shape, low, high):
        count = int(np.prod(shape))
        return single([self.random.randint(int(low * 64), int(high * 64)) / 64 for _ in range(count)]).reshape(shape)

    def choice(self, shape, values):
        return single([self.random.choice(values) for _ in range(int(np.prod(shape)))]).reshape(shape)

    def labels(self, rows, classes):
        return np.array([self.random.randrange(classes) for _ in range(rows)], dtype=np.int64)

    def shares(self, shape):
        """Rows of positive numbers, in 64ths, whose sum is 1."""
        rows, cols = shape
        result = []
        for _ in range(rows):
            cuts = sorted(self.random.sample(range(1, 64), cols - 1))
            result.append([b - a for a, b in zip([0] + cuts, cuts + [64])])
        return single(np.array(result) / 64)

    def weight(self, shape):
        weight = self.grid(shape, 0, 2)
        weight.flat[1 % weight.size] = 0
        weight.flat[0] = 1.25
        return weight


SHAPES = ((4, 2), (7, 1), (3, 3), (1, 5), (2, 4))


def put(array, values):
    """`values` in the places from the front; what does not fit is dropped."""
    array.flat[: len(values)] = single(values)[: array.size]
    return array


# Pairs (prediction, target) that formulas stumble over, by the domain of the loss.
HARD = {
    "real": ([0.5, 0, 100, -10000, 1e-6, 1, 3, -2.5], [0.5, 0, -3, 10000, 0, 0, 2, -2.5]),
    "positive": ([0.015625, 1000, 1e-6, 1, 7, 1, 0.5, 100], [1, 3, 0, 1, 0, 2, 20, 100]),
    "log_mean": ([0, 8, -8, 10, -10, 1, 0.5, -60], [0, 1, 2, 20, 3, 2, 0.5, 1]),
    "probability": ([0, 1, 0, 1, 1e-9, 0.99999994, 0.5, 0.25], [0, 1, 1, 0, 1, 0, 0.25, 0.25]),
    "logit": ([0, 30, -30, 100, -100, 17, -17, 1e4, -1e4], [0, 1, 1, 0, 0.5, 1, 0, 1, 1]),
    "score": ([0.5, -0.5, 100, -100, 1.5, -1.5, 20, -20], [1, 1, -1, -1, 1, 1, -1, 1]),
}


def pair(domain, draw, shape):
    """Ordinary prediction and target."""
    if domain == "real":
        return draw.grid(shape, -4, 4), draw.grid(shape, -4, 4)
    if domain == "positive":
        return draw.grid(shape, 0.25, 8), draw.grid(shape, 0, 9)
    if domain == "log_mean":
        return draw.grid(shape, -3, 3), draw.choice(shape, [0, 1, 2, 3, 5, 0.5])
    if domain == "probability":
        return draw.grid(shape, 0.0625, 0.9375), draw.choice(shape, [0, 1, 0.25, 0.75])
    if domain == "logit":
        return draw.grid(shape, -6, 6), draw.choice(shape, [0, 1, 0.25, 0.75])
    if domain == "score":
        y = draw.grid(shape, -3, 3)
        y[(abs(y) == 1) | (y == 0)] += 0.25  # not on the kinks
        return y, draw.choice(shape, [-1, 1])
    raise KeyError(domain)


def hard_pair(domain):
    y, t = HARD[domain]
    return single(y).reshape(1, -1), single(t).reshape(1, -1)
