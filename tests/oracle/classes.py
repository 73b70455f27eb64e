"""Losses of rows of classes: logits, log-probabilities, probabilities, scores."""

import numpy as np

from inputs import Draw, single
from suites import one_hot, rows, scores_and_labels, scores_and_shares, shares_and_labels

K = "keras.losses.{}(reduction='sum_over_batch_size'{})({}, y)"


def keras(name, options="", target="t"):
    return K.format(name, ", " + options if options else "", target)


def weighted(text):
    return text[:-1] + ", sample_weight=w)", "mean_over_outputs"


def with_class_weight(make):
    def result(draw, shape):
        weight = draw.grid((shape[1],), 0.25, 2)
        return make(draw, shape) | {"class_weight": weight}

    return result


def with_ignored(make, label):
    def result(draw, shape):
        inputs = make(draw, shape)
        inputs["labels"][1 % shape[0]] = label
        if (inputs["labels"] == label).all():  # of nothing the mean is 0 here, and NaN in PyTorch
            inputs["labels"][0] = 0
        return inputs

    return result


def with_hot_target(make):
    """Labels for us, one-hot rows for a peer that wants them: kept under "target"; labels are dropped."""

    def result(draw, shape):
        inputs = make(draw, shape)
        labels = inputs.pop("labels")
        return inputs | {"target": one_hot(labels, shape[1])}

    return result


def with_one_hot(make):
    """Labels for us, and one-hot rows for the peer."""

    def result(draw, shape):
        inputs = make(draw, shape)
        return inputs | {"one_hot": one_hot(inputs["labels"], shape[1])}

    return result


def hard_logits(soft):
    """Ties, far from zero, saturated, one class, a wide range; -inf where its share is 0."""
    tables = [[[2, 2, 2], [1000, 1001, 1002], [0, -17, -40], [100, -100, 0], [-1e4, 1e4, 1e4]], [[3.5], [-1e4]],
              [[0, -17], [0, 17], [1e8, 1e8 - 8]]]
    labels = [[1, 0, 0, 1, 2], [0, 0], [0, 1, 0]]
    result = []
    for table, label in zip(tables, labels):
        y = single(table)
        target = {"target": one_hot(np.array(label), y.shape[1]) * 0.5 + 0.5 / y.shape[1]} if soft else {
            "labels": np.array(label)}
        if soft and y.shape[1] == 3:
            target["target"] = single(np.array([[0.5, 0.25, 0.25]] * len(y)))
        result.append({"prediction": y} | target)
    return result


def add(out):
    softmax(out)
    softmax_options(out)
    log_probabilities(out)
    probabilities(out)
    reweighted(out)
    class_weights(out)
    margins(out)
    actions(out)


def softmax(out):
    name, torch = "softmax_cross_entropy", "F.cross_entropy(y, t, reduction={r}%s)"
    compat = {"torch": "cross_entropy", "dense": "softmax_cross_entropy",
              "sparse": "softmax_cross_entropy_with_integer_labels"}
    large = {"slopes": "np.ones_like(y)"}
    ignore = "ignore_index=-100"
    rows(out, f"{name}:{ignore}", "torch", torch % "", scores_and_labels, compat="cross_entropy",
         extra=hard_logits(False), **large)
    rows(out, f"{name}:{ignore}", "torch", torch % "", scores_and_shares, compat="cross_entropy",
         extra=hard_logits(True), terms="np.abs(y).max(1) - y.min(1)", **large)
    for make in (scores_and_labels, scores_and_shares):
        rows(out, f"{name}:{ignore}", "torch", torch % ", weight=c", with_class_weight(make), compat="cross_entropy",
             terms="2*(y.max(1) - y.min(1)) + 2", slopes="2 + 0*y")
        for smoothing in (0.125, 0.5):
            fields = f":label_smoothing={smoothing},{ignore}"
            rows(out, name + fields, "torch", torch % f", label_smoothing={smoothing}", make,
                 compat=f"cross_entropy:label_smoothing={smoothing}", terms="y.max(1) - y.min(1) + 2", **large)
            rows(out, name + fields, "torch", torch % f", weight=c, label_smoothing={smoothing}",
                 with_class_weight(make), compat=f"cross_entropy:label_smoothing={smoothing}",
                 terms="2*(y.max(1) - y.min(1)) + 2", slopes="2 + 0*y")
    for label in (-100, 1, 255):
        rows(out, f"{name}:ignore_index={label}", "torch", torch % f", ignore_index={label}",
             with_ignored(scores_and_labels, label), compat=f"cross_entropy:ignore_index={label}", **large)
    text = keras("CategoricalCrossentropy", "from_logits=True")
    rows(out, name, "keras", text, scores_and_shares, compat="categorical_crossentropy:from_logits=true",
         weighted=weighted(text), extra=hard_logits(True)[:1], terms="y.max(1) - y.min(1) + 2", **large)
    for smoothing in (0.125, 0.5):
        text = keras("CategoricalCrossentropy", f"from_logits=True, label_smoothing={smoothing}")
        rows(out, f"{name}:label_smoothing={smoothing}", "keras", text, scores_and_shares, weighted=weighted(text),
             compat=f"categorical_crossentropy:from_logits=true,label_smoothing={smoothing}",
             terms="y.max(1) - y.min(1) + 2", **large)
    text = keras("SparseCategoricalCrossentropy", "from_logits=True")
    rows(out, name, "keras", text, scores_and_labels, weighted=weighted(text), extra=hard_logits(False)[:1],
         compat="sparse_categorical_crossentropy:from_logits=true", **large)
    text = keras("SparseCategoricalCrossentropy", "from_logits=True, ignore_class=1")
    rows(out, f"{name}:ignore_index=1", "keras", text, scores_and_labels, reductions=("mean_over_counted",),
         weighted=(text[:-1] + ", sample_weight=w)", "mean_over_counted"),
         compat="sparse_categorical_crossentropy:from_logits=true,ignore_class=1", **large)
    rows(out, name, "optax", "optax.losses.softmax_cross_entropy(y, t)", scores_and_shares, compat=compat["dense"],
         extra=hard_logits(True)[:2], terms="y.max(1) - y.min(1) + 2", **large)
    rows(out, name, "optax", "optax.losses.softmax_cross_entropy_with_integer_labels(y, t)", scores_and_labels,
         compat=compat["sparse"], extra=hard_logits(False)[:2], **large)  # at 1e8 it loses the digits in double
    masked = {"prediction": np.array([[0, -np.inf, 1.5], [-np.inf, 2, -1]]),
              "target": single([[0.25, 0, 0.75], [0, 1, 0]])}
    rows(out, name, "optax", "optax.losses.safe_softmax_cross_entropy(y, t)", scores_and_shares, extra=[masked],
         compat="safe_softmax_cross_entropy", terms="4 + 0*y[:, 0]", **large)


def softmax_options(out):
    name, log_sum = "softmax_cross_entropy", "log(sum(exp(s) for s in y))"
    tiny = [{"prediction": single([[0, -17], [-60, 0], [1e8, 1e8 - 64], [-1e8, -1e8 + 8]]),
             "labels": np.array([0, 1, 0, 1])}]
    rows(out, name, "mpmath", f"{log_sum} - y[t]", scores_and_labels, extra=tiny)
    for z in (0.5, 0.0001):
        rows(out, f"{name}:z_loss={z}", "torch",
             f"F.cross_entropy(y, t, reduction='none') + {z}*torch.logsumexp(y, 1)**2", scores_and_labels,
             reductions=("none",), slopes="2 + 0*y", terms="10 + 0*y[:, 0]")
        rows(out, f"{name}:z_loss={z}", "mpmath", f"{log_sum} - y[t] + mpf('{z}')*{log_sum}**2", scores_and_labels,
             slopes="2 + 0*y", terms="10 + 0*y[:, 0]")
    for cap in (2, 30):
        rows(out, f"{name}:softcap={cap}", "torch", f"F.cross_entropy({cap}*torch.tanh(y/{cap}), t, reduction={{r}})",
             scores_and_labels, slopes="1 + 0*y", terms="10 + 0*y[:, 0]")
    for heat in (0.5, 4):
        rows(out, f"{name}:temperature={heat}", "torch", f"F.cross_entropy(y/{heat}, t, reduction={{r}})",
             scores_and_labels, slopes="2 + 0*y", terms="10 + 0*y[:, 0]")
        rows(out, f"{name}:temperature={heat}", "torch", f"F.cross_entropy(y/{heat}, t, reduction={{r}})",
             scores_and_shares, slopes="2 + 0*y", terms="10 + 0*y[:, 0]")


def log_rows(draw, shape):
    y = draw.grid(shape, -4, 4)
    return {"prediction": single(y - np.log(np.exp(y).sum(1, keepdims=True))), "labels": draw.labels(*shape)}


def log_probabilities(out):
    for label in (-100, 1):
        torch = "F.nll_loss(y, t, reduction={r}, ignore_index=%d%s)"
        rows(out, f"nll:ignore_index={label}", "torch", torch % (label, ""), with_ignored(log_rows, label),
             compat=f"nll_loss:ignore_index={label}")
        rows(out, f"nll:ignore_index={label}", "torch", torch % (label, ", weight=c"),
             with_class_weight(with_ignored(log_rows, label)), compat=f"nll_loss:ignore_index={label}")
    smooth = "-0.875*y.gather(1, t[:, None])[:, 0] - 0.125*y.mean(1)"
    rows(out, "nll:label_smoothing=0.125", "torch", smooth, log_rows, reductions=("none",))


def probabilities(out):
    """Of a row of probabilities, which Keras divides by their sum and clips."""
    rest = {"slopes": "2/np.maximum(y, 1e-7)", "terms": "20 + 0*y[:, 0]"}
    uneven = {"prediction": single([[0.5, 1, 2.5], [0, 0.25, 0.75], [1, 0, 0]])}
    for smoothing in (0, 0.125):
        text = keras("CategoricalCrossentropy", f"label_smoothing={smoothing}")
        fields = f":label_smoothing={smoothing}" if smoothing else ""
        rows(out, "cross_entropy" + fields, "keras", text, with_hot_target(shares_and_labels), weighted=weighted(text),
             extra=[uneven | {"target": single([[0.25, 0.5, 0.25], [0, 1, 0], [0, 0, 1]])}],
             compat="categorical_crossentropy" + fields, **rest)
    shares, plain = "y/y.sum(1, keepdim=True)", "y"
    for fields, share, clip, label in ((":clip=0.1328125", shares, 0.1328125, -100),
                                       (":normalise=false", plain, 1e-7, -100),
                                       (":clip=0.2578125,normalise=false", plain, 0.2578125, -100),
                                       (":ignore_index=1", shares, 1e-7, 1)):
        call = (f"F.nll_loss(torch.log(torch.clamp({share}, {clip}, 1 - {clip})), t, ignore_index={label}, "
                "reduction={r})")
        rows(out, "cross_entropy" + fields, "torch", call,
             with_ignored(shares_and_labels, 1) if label == 1 else shares_and_labels, **rest)
    rows(out, "cross_entropy", "torch",
         f"F.nll_loss(torch.log(torch.clamp({shares}, 1e-7, 1 - 1e-7)), t, weight=c, reduction={{r}})",
         with_class_weight(shares_and_labels), **rest)
    text = keras("SparseCategoricalCrossentropy")
    rows(out, "cross_entropy", "keras", text, shares_and_labels, weighted=weighted(text),
         compat="sparse_categorical_crossentropy", **rest)


def reweighted(out):
    for alpha, gamma in ((0.25, 2), (1, 2), (0.25, 0.5), (0.5, 3)):
        fields = ":" + ",".join([f"alpha={alpha}"] * (alpha != 0.25) + [f"gamma={gamma}"] * (gamma != 2))
        text = keras("CategoricalFocalCrossentropy", f"from_logits=True, alpha={alpha}, gamma={gamma}")
        rows(out, "categorical_focal" + fields.rstrip(":"), "keras", text, with_hot_target(scores_and_labels),
             weighted=weighted(text), slopes="1 + 0*y",
             compat=f"categorical_focal_crossentropy:from_logits=true,alpha={alpha},gamma={gamma}")
    text = keras("CategoricalFocalCrossentropy", "from_logits=True, label_smoothing=0.125")
    rows(out, "categorical_focal:label_smoothing=0.125", "keras", text, with_hot_target(scores_and_labels),
         slopes="1 + 0*y", compat="categorical_focal_crossentropy:from_logits=true,label_smoothing=0.125")
    for epsilon in (1, 2, -0.5):
        fields = "" if epsilon == 1 else f":epsilon={epsilon}"
        rows(out, "poly1" + fields, "optax", f"optax.losses.poly_loss_cross_entropy(y, t, epsilon={epsilon})",
             with_hot_target(scores_and_labels), slopes="4 + 0*y", terms="4 + 0*y[:, 0]",
             compat=f"poly_loss_cross_entropy:epsilon={epsilon}")
    rows(out, "poly1:label_smoothing=0.125", "optax",
         "optax.losses.poly_loss_cross_entropy(y, optax.losses.smooth_labels(t, 0.125), epsilon=1)",
         with_hot_target(scores_and_labels), slopes="4 + 0*y", terms="10 + 0*y[:, 0]")
    for q in (0.5, 0.75, 0.25):
        fields = "" if q == 0.5 else f":q={q}"
        softmax = keras("CategoricalGeneralizedCrossEntropy", f"q={q}").replace(", y)", ", jax.nn.softmax(y))")
        rows(out, "generalized_cross_entropy" + fields, "keras", softmax, scores_and_labels, slopes="1 + 0*y",
             compat=f"categorical_generalized_cross_entropy:q={q}", weighted=weighted(softmax))


def class_weights(out):
    """Of losses whose peers take none: PyTorch on the formula."""
    formulas = {"categorical_focal": "-0.25*(1 - L.exp())**2*L", "categorical_focal:alpha=1,gamma=20":
                "-(1 - L.exp())**20*L", "poly1": "1 - L.exp() - L", "poly1:epsilon=2": "2*(1 - L.exp()) - L",
                "generalized_cross_entropy": "(1 - (L/2).exp())/0.5", "generalized_cross_entropy:q=1": "1 - L.exp()"}
    for loss, formula in formulas.items():
        call = f"(lambda L: c[t]*({formula}))(F.log_softmax(y, 1).gather(1, t[:, None])[:, 0])"
        rows(out, loss, "torch", call, with_class_weight(scores_and_labels), reductions=("none",), slopes="4 + 0*y",
             terms="4 + 0*y[:, 0]")


def margins(out):
    for p, margin in ((1, 1), (2, 1), (1, 0.5), (2, 2)):
        fields = ":" + ",".join([f"p={p}"] * (p != 1) + [f"margin={margin}"] * (margin != 1))
        torch = f"F.multi_margin_loss(y, t, p={p}, margin={margin}, reduction={{r}}%s)"
        rows(out, "multi_margin" + fields.rstrip(":"), "torch", torch % "", scores_and_labels,
             compat=f"multi_margin_loss:p={p},margin={margin}", terms="10 + 0*y[:, 0]", slopes="10 + 0*y")
        rows(out, "multi_margin" + fields.rstrip(":"), "torch", torch % ", weight=c", terms="20 + 0*y[:, 0]",
             make=with_class_weight(scores_and_labels), reductions=("none", "mean_over_outputs", "sum"),
             slopes="10 + 0*y", compat=f"multi_margin_loss:p={p},margin={margin}")
    text = keras("CategoricalHinge")
    far = lambda draw, shape: {"prediction": draw.grid(shape, -4, 4)} | {"labels": draw.labels(*shape)}
    rows(out, "categorical_hinge:zero=true", "keras", text, with_one_hot(far), weighted=weighted(text),
         compat="categorical_hinge", terms="9 + 0*y[:, 0]")
    rows(out, "categorical_hinge", "optax", "optax.losses.multiclass_hinge_loss(y, t)", scores_and_labels,
         compat="multiclass_hinge_loss", terms="9 + 0*y[:, 0]")


def returns(make):
    def result(draw, shape):
        return make(draw, shape) | {"second": draw.grid((shape[0], 1), -3, 3)}

    return result


def actions(out):
    rest = {"constant": ("second",), "terms": "30 + 0*y[:, 0]", "slopes": "6 + 0*y"}
    logits = "-F.log_softmax(y, 1).gather(1, t[:, None])[:, 0]*z[:, 0]"
    entropy = "-(torch.softmax(y, 1)*F.log_softmax(y, 1)).sum(1)"
    rows(out, "policy_gradient", "torch", logits, returns(scores_and_labels), reductions=("none",), **rest)
    rows(out, "policy_gradient:entropy=0.5", "torch", f"{logits} - 0.5*({entropy})", returns(scores_and_labels),
         reductions=("none",), **rest)
    rows(out, "policy_gradient:form=log_probabilities", "torch", "-y.gather(1, t[:, None])[:, 0]*z[:, 0]",
         returns(log_rows), reductions=("none",), **rest)
    rows(out, "policy_gradient:form=scores", "torch", "-y.gather(1, t[:, None])[:, 0]*z[:, 0]",
         returns(scores_and_labels), reductions=("none",), **rest)
