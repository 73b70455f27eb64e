"""Losses over all pairs of rows of a batch: compositions in PyTorch, Optax, and PyTorch Metric Learning."""

import numpy as np

from inputs import Draw, single

SHAPES = ((4, 3), (2, 5), (6, 2), (3, 4), (7, 3))


def add(out):
    two_sets(out)
    one_set(out)
    triplets(out)


def fields_of(name, **fields):
    """Those that are given; a text form."""
    given = [f"{key}={value}" for key, value in fields.items() if value is not None]
    return name + (":" + ",".join(given) if given else "")


def two(draw, shape):
    return {"prediction": draw.grid(shape, -2, 2), "second": draw.grid(shape, -2, 2)}


def bounds(temperature, normalise=True):
    """Largest terms of the mean: a similarity is rounded to float, so the softmax is off by its size in ulp."""
    size = f"{1 / temperature}" if normalise else f"y.shape[1]*abs(y).max()*abs(z).max()/{temperature}"
    length = "np.maximum(np.sqrt((y*y).sum(1, keepdims=True)), 0.25)" if normalise else "1/abs(z).max()"
    return {"terms": f"[4 + {size}]", "slopes": f"(1 + {size})*2/{temperature}/len(y)/{length} + 0*y"}


def two_sets(out):
    unit = "F.normalize({}, dim=1, eps={})"
    clip = "(lambda s, n: (F.cross_entropy(s, n) + F.cross_entropy(s.T, n))/2)({}, torch.arange(len(y)))"
    one_way = "F.cross_entropy({}, torch.arange(len(y)))"
    each = "F.cross_entropy({}, n, reduction='none')"
    weighted = (f"(lambda s, n: (w*({each.format('s')} + {each.format('s.T')})).sum()/(2*w.sum()))"
                "({}, torch.arange(len(y)))")
    settings = ((True, True, None, None), (False, True, None, None), (True, True, 0.5, None), (True, False, 2, None),
                (False, False, 4, None), (True, True, 0.02, None), (True, True, 1, 2), (False, True, 0.25, 2))
    for symmetric, normalise, heat, eps in settings:
        temperature = heat or 0.07
        rows = [unit.format(letter, eps or 1e-8) if normalise else letter for letter in "yz"]
        similarity = f"{rows[0]} @ {rows[1]}.T/{temperature}"
        loss = fields_of("info_nce", temperature=heat, symmetric=None if symmetric else "false",
                         normalise=None if normalise else "false", eps=eps)
        for number, shape in enumerate(SHAPES):
            inputs = two(Draw(loss, number), shape)
            if eps and number == 4:
                inputs["prediction"][1] = 0
            out.add(loss, "torch", (clip if symmetric else one_way).format(similarity), inputs, "mean",
                    **bounds(temperature, normalise))
            if symmetric and normalise:
                draw = Draw(loss, "weighted", number)
                inputs = two(draw, shape) | {"weight": draw.weight((shape[0],))}
                out.add(loss, "torch", weighted.format(similarity), inputs, "mean", **bounds(temperature, normalise))


def one_set(out):
    both = "torch.cat([{0}(y), {0}(z)])"
    torch_call = ("(lambda x, n: F.cross_entropy((x @ x.T/{}).masked_fill(torch.eye(2*n, dtype=bool), -torch.inf), "
                  "(torch.arange(2*n) + n) % (2*n)))({}, len(y))")
    optax_call = ("optax.losses.ntxent(jnp.concatenate([y, z]), jnp.tile(jnp.arange(len(y)), 2), temperature={})")
    metric_call = "NTXentLoss(temperature={})(torch.cat([y, z]), torch.arange(len(y)).repeat(2))"
    for heat in (None, 0.5, 1):
        temperature = heat or 0.07
        loss = fields_of("info_nce", pairs="one_set", temperature=heat)
        calls = (("torch", torch_call.format(temperature, both.format("F.normalize"))),
                 ("optax", optax_call.format(temperature)),
                 ("pytorch-metric-learning", metric_call.format(temperature)))
        for peer, call in calls:
            for number, shape in enumerate(SHAPES):
                out.add(loss, peer, call, two(Draw(loss, peer, number), shape), "mean", **bounds(temperature))
    loss = "info_nce:pairs=one_set,normalise=false,temperature=4"
    for number, shape in enumerate(SHAPES):
        out.add(loss, "torch", torch_call.format(4, "torch.cat([y, z])"), two(Draw(loss, number), shape), "mean",
                **bounds(4, False))


def batch(draw, shape, classes):
    """Rows of which every class has two or none, then any."""
    labels = np.array([draw.random.randrange(classes) for _ in range(shape[0])], dtype=np.int64)
    labels[1], labels[2] = labels[0], labels[0] + 1
    return {"prediction": draw.grid(shape, -2, 2), "labels": labels * 5 - 3}


def triplets(out):
    shapes = ((6, 3), (9, 2), (5, 4), (12, 3), (8, 1))
    apart = "((y[:, None] - y)**2).sum(2)"
    root = f"(lambda s: torch.where(s > 0, torch.where(s > 0, s, 1).sqrt(), 0))({apart})"  # derivative 0 at 0
    every = ("(lambda d, same, other: (lambda l: l.sum()/{count})(F.relu(d[:, :, None] - d[:, None, :] + {margin})"
             "[same[:, :, None] & other[:, None, :]]))({distance}, (t[:, None] == t) & ~torch.eye(len(t), dtype=bool), "
             "t[:, None] != t)")
    hardest = ("(lambda d, same, other: (lambda l: l.sum()/{count})(F.relu(d.masked_fill(~same, -1).max(1)[0] - "
               "d.masked_fill(~other, torch.inf).min(1)[0] + {margin})[same.any(1) & other.any(1)]))({distance}, "
               "(t[:, None] == t) & ~torch.eye(len(t), dtype=bool), t[:, None] != t)")
    metric = ("TripletMarginLoss(margin={margin}, distance={distance}, reducer={reducer}())(y, t{mined})")
    lengths = "LpDistance(normalize_embeddings=False, p=2, power={})"
    for mining in (None, "all"):
        for average, margin, squared, eps in ((None, None, None, None), ("nonzero", 0.05, None, None),
                                              (None, 0.5, "true", None), ("nonzero", 3, "true", None),
                                              (None, None, None, 0.25)):
            loss = fields_of("batch_triplet", mining=mining, average=average, margin=margin, squared=squared, eps=eps)
            m = 1 if margin is None else margin
            rooted = f"torch.sqrt({apart} + {eps})" if eps else root
            composed = (every if mining else hardest).format(
                margin=m, count="(l > 0).sum().clamp(min=1)" if average else "max(len(l), 1)",
                distance=apart if squared else rooted)
            distance = lengths.format(2 if squared else 1)
            learned = metric.format(margin=m, distance=distance,
                                    reducer="AvgNonZeroReducer" if average else "MeanReducer",
                                    mined="" if mining else f", BatchHardMiner(distance={distance})(y, t)")
            largest = "4*(y*y).sum(1).max()" if squared else "4*np.sqrt((y*y).sum(1).max())"
            rest = {"terms": f"[{largest} + {m}]", "slopes": "2*np.abs(y).max() + 2 + 0*y" if squared else "2 + 0*y"}
            for number, shape in enumerate(shapes):
                for peer, call in (("torch", composed), ("pytorch-metric-learning", learned)):
                    if peer == "torch" or not eps:  # which has no eps
                        out.add(loss, peer, call, batch(Draw(loss, peer, number), shape, 3), "mean", **rest)
    alike = {"prediction": single([[1, 2], [1, 2], [3, 0], [-1, 1]]), "labels": np.array([4, 4, 4, 4])}
    alone = alike | {"labels": np.array([4, 5, 6, 7])}
    near = alike | {"labels": np.array([4, 4, 1, 1])}  # equal rows
    for mining in (None, "all"):
        for inputs in (near, alike, alone):  # the last two have no triplets
            out.add(fields_of("batch_triplet", mining=mining), "torch",
                    (every if mining else hardest).format(margin=1, count="max(len(l), 1)", distance=root), inputs,
                    "mean")
