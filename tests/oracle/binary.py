"""Binary losses: probabilities, logits, scores with labels -1 and +1."""

from inputs import SHAPES, Draw, hard_pair, single
from regression import keras, weighted_keras
from suites import elements


def add(out):
    probabilities(out)
    logits(out)
    focal(out)
    margins(out)


def probabilities(out):
    y, t = hard_pair("probability")
    at_the_floor = [i for i in range(y.size) if y.flat[i] in (0, 1)]
    note = ("where a logarithm is floored at -100, PyTorch's gradient is not that of its value (a slope of up to "
            "1e12): not compared there")
    soft = "t/np.maximum(y, 1e-12) + (1 - t)/np.maximum(1 - y, 1e-12)"
    elements(out, "bce", "torch", "F.binary_cross_entropy(y, t, reduction={r})", "probability", slopes=soft,
             compat="binary_cross_entropy", hard=False,
             weighted=("F.binary_cross_entropy(y, t, weight=w, reduction={r})", "mean_over_outputs"))
    if out.wants("bce"):
        for reduction in ("none", "mean"):
            out.add("bce", "torch", f"F.binary_cross_entropy(y, t, reduction='{reduction}')",
                    {"prediction": y, "target": t}, reduction, compat="binary_cross_entropy", note=note,
                    skip_gradient=at_the_floor, slopes=soft)
    slopes = "1/np.clip(y, 1e-7, 1 - 1e-7) + 1/(1 - np.clip(y, 1e-7, 1 - 1e-7))"
    for smoothing in (0, 0.125, 0.5):
        elements(out, "bce:clip=1e-07" + (f",label_smoothing={smoothing}" if smoothing else ""), "keras",
                 keras("BinaryCrossentropy", f"label_smoothing={smoothing}"), "probability",
                 compat=f"binary_crossentropy:label_smoothing={smoothing}", slopes=slopes,
                 weighted=weighted_keras("BinaryCrossentropy", f"label_smoothing={smoothing}"))
    for weight in (3, 0.25):
        elements(out, f"bce:pos_weight={weight}", "mpmath", f"-({weight}*t*log(y) + (1 - t)*log(1 - y))",
                 "probability", hard=False, slopes=f"{weight}*t/y + (1 - t)/(1 - y)")


def logits(out):
    slopes = "1 + 0*y"
    elements(out, "bce_with_logits", "torch", "F.binary_cross_entropy_with_logits(y, t, reduction={r})", "logit",
             compat="binary_cross_entropy_with_logits", slopes=slopes,
             weighted=("F.binary_cross_entropy_with_logits(y, t, weight=w, reduction={r})", "mean_over_outputs"))
    for weight in (3, 0.25):
        elements(out, f"bce_with_logits:pos_weight={weight}", "torch",
                 f"F.binary_cross_entropy_with_logits(y, t, pos_weight=torch.tensor({float(weight)}), reduction={{r}})",
                 "logit", compat=f"binary_cross_entropy_with_logits:pos_weight={weight}", slopes=f"{weight}*t + 1")
    for smoothing in (0, 0.125, 0.5):
        options = f"from_logits=True, label_smoothing={smoothing}"
        elements(out, "bce_with_logits" + (f":label_smoothing={smoothing}" if smoothing else ""), "keras",
                 keras("BinaryCrossentropy", options), "logit", slopes=slopes,
                 compat=f"binary_crossentropy:from_logits=true,label_smoothing={smoothing}",
                 weighted=weighted_keras("BinaryCrossentropy", options))
    elements(out, "bce_with_logits", "optax", "optax.losses.sigmoid_binary_cross_entropy(y, t)", "logit",
             compat="sigmoid_binary_cross_entropy", slopes=slopes)
    tiny = single([[-17, -60, -80, 17, 60, 1e8, -1e8, 0]]), single([[0, 0, 0, 1, 1, 1, 1, 1]])
    elements(out, "bce_with_logits", "mpmath", "t*log1p(exp(-y)) + (1 - t)*log1p(exp(y))", "logit", hard_of=tiny)


def certain(domain, draw, shape):
    """Logits and targets 0 or 1."""
    return draw.grid(shape, -6, 6), draw.choice(shape, [0, 1])


def focal(out):
    for alpha, gamma in ((None, 2), (None, 0.5), (None, 3), (0.25, 2), (0.75, 1)):
        fields = ([f"alpha={alpha}"] if alpha else []) + ([f"gamma={gamma}"] if gamma != 2 else [])
        loss = "focal" + (":" + ",".join(fields) if fields else "")
        options = f"from_logits=True, gamma={gamma}"
        options += f", apply_class_balancing=True, alpha={alpha}" if alpha else ""
        compat = f"binary_focal_crossentropy:from_logits=true,gamma={gamma}"
        compat += f",apply_class_balancing=true,alpha={alpha}" if alpha else ""
        elements(out, loss, "keras", keras("BinaryFocalCrossentropy", options), "logit", make=certain, hard=False,
                 compat=compat, weighted=weighted_keras("BinaryFocalCrossentropy", options))
        elements(out, loss, "optax", f"optax.losses.sigmoid_focal_loss(y, t, alpha={alpha}, gamma={gamma})", "logit",
                 make=certain, hard_of=(single([[0, 17, -17, 30, -30, 60]]), single([[1, 1, 0, 0, 1, 0]])),
                 compat="sigmoid_focal_loss:" + ",".join([f"alpha={alpha}"] * bool(alpha) + [f"gamma={gamma}"]))
    p = "1/(1 + exp(-y))"
    asymmetric = (f"-t*(1 - {p})**{{0}}*log({p}) - (1 - t)*max({p} - {{2}}, mpf(0))**{{1}}"
                  f"*log(1 - max({p} - {{2}}, mpf(0)))")
    for positive, negative, clip in ((0, 4, 0.05), (1, 4, 0.05), (0, 2, 0.25), (2, 1, 0)):
        fields = f"gamma_pos={positive},gamma_neg={negative},clip={clip}"
        # what float takes from p and clip shows in their difference m
        probability, m = "1/(1 + np.exp(-y))", f"np.maximum(1/(1 + np.exp(-y)) - {clip}, 0)"
        elements(out, f"asymmetric:{fields}", "mpmath", asymmetric.format(positive, negative, f"mpf('{clip}')"),
                 "logit", make=certain, hard=False,
                 terms=f"(1 - t)*{probability}*{m}**({negative} - 1)*-np.log(1 - {m})")


def margins(out):
    elements(out, "hinge", "keras", keras("Hinge"), "score", compat="hinge", weighted=weighted_keras("Hinge"),
             slopes="1 + 0*y", terms="1 + abs(y)")
    elements(out, "hinge", "optax", "optax.losses.hinge_loss(y, t)", "score", compat="hinge_loss", terms="1 + abs(y)")
    elements(out, "squared_hinge", "keras", keras("SquaredHinge"), "score", compat="squared_hinge",
             weighted=weighted_keras("SquaredHinge"))
    elements(out, "soft_margin", "torch", "F.soft_margin_loss(y, t, reduction={r})", "score",
             compat="soft_margin_loss")
    elements(out, "perceptron", "optax", "optax.losses.perceptron_loss(y, t)", "score", compat="perceptron_loss")
    for margin in (1, 0.5, 2):
        fields = "" if margin == 1 else f":margin={margin}"
        elements(out, "hinge_embedding" + fields, "torch",
                 f"F.hinge_embedding_loss(y, t, margin={margin}, reduction={{r}})", "score",
                 make=lambda domain, draw, shape: (draw.grid(shape, 0.0625, 3), draw.choice(shape, [-1, 1])),
                 hard=False, compat="hinge_embedding_loss" + fields, terms=f"{margin} + abs(y)")
    for margin in (0, 0.5, -0.25):
        fields = "" if margin == 0 else f":margin={margin}"
        for number, (shape, reduction) in enumerate(zip(SHAPES, ("none", "mean", "sum", "none", "mean"))):
            draw = Draw("margin_ranking", margin, number)
            inputs = {"prediction": draw.grid(shape, -4, 4), "second": draw.grid(shape, -4, 4),
                      "target": draw.choice(shape, [-1, 1])}
            inputs["prediction"][inputs["prediction"] == inputs["second"]] += 1
            out.add("margin_ranking" + fields, "torch",
                    f"F.margin_ranking_loss(y, z, t, margin={margin}, reduction='{reduction}')", inputs, reduction,
                    compat="margin_ranking_loss" + fields, terms="abs(y) + abs(z) + 1")
