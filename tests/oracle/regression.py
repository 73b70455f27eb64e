"""Elementwise losses of real predictions."""

from inputs import SHAPES, Draw, pair, single
from suites import elements

K = "keras.losses.{}(reduction='sum_over_batch_size'{})(t, y)"


def keras(name, options=""):
    return K.format(name, ", " + options if options else "")


def weighted_keras(name, options=""):
    return keras(name, options)[:-1] + ", sample_weight=w)", "mean_over_outputs"


def add(out):
    squares(out)
    robust(out)
    relative(out)
    likelihoods(out)


def squares(out):
    elements(out, "mse", "torch", "F.mse_loss(y, t, reduction={r})", "real", compat="mse_loss",
             weighted=("F.mse_loss(y, t, weight=w, reduction={r})", "mean"))
    elements(out, "mse", "keras", keras("MeanSquaredError"), "real", compat="mean_squared_error",
             weighted=weighted_keras("MeanSquaredError"))
    elements(out, "mse", "optax", "optax.losses.squared_error(y, t)", "real", compat="squared_error")
    for number, shape in enumerate(SHAPES):
        y, t = pair("real", Draw("rmse", number), shape)
        out.add("rmse", "torch", "torch.sqrt(F.mse_loss(y, t))", {"prediction": y, "target": t}, "mean")
    elements(out, "mae", "torch", "F.l1_loss(y, t, reduction={r})", "real", compat="l1_loss",
             weighted=("F.l1_loss(y, t, weight=w, reduction={r})", "mean"))
    elements(out, "mae", "keras", keras("MeanAbsoluteError"), "real", compat="mean_absolute_error", kinked=True,
             weighted=weighted_keras("MeanAbsoluteError"))
    for tau in (0.5, 0.75, 0.125):
        elements(out, f"expectile:tau={tau}" if tau != 0.5 else "expectile", "mpmath",
                 f"(1 - {tau} if y > t else {tau})*(y - t)**2", "real")
    elements(out, "expectile", "optax", "optax.losses.l2_loss(y, t)", "real", compat="l2_loss")


def robust(out):
    for delta in (1, 0.5, 2):
        loss = "huber" if delta == 1 else f"huber:delta={delta}"
        elements(out, loss, "torch", f"F.huber_loss(y, t, delta={delta}, reduction={{r}})", "real",
                 compat=f"huber_loss:delta={delta}",
                 weighted=(f"F.huber_loss(y, t, delta={delta}, weight=w, reduction={{r}})", "mean_over_outputs"))
        elements(out, loss, "keras", keras("Huber", f"delta={delta}"), "real", compat=f"huber:delta={delta}",
                 weighted=weighted_keras("Huber", f"delta={delta}"))
        elements(out, loss, "optax", f"optax.losses.huber_loss(y, t, delta={delta})", "real",
                 compat=f"huber_loss:delta={delta}")
    for beta in (1, 0.5, 2, 0):
        elements(out, "smooth_l1" if beta == 1 else f"smooth_l1:beta={beta}", "torch",
                 f"F.smooth_l1_loss(y, t, beta={beta}, reduction={{r}})", "real", compat=f"smooth_l1_loss:beta={beta}")
    elements(out, "log_cosh", "keras", keras("LogCosh"), "real", compat="log_cosh", weighted=weighted_keras("LogCosh"),
             # log cosh(1e-6) = 5e-13 cancels in double too: mpmath has it
             hard_of=(single([[0.5, 0, 100, -10000, 1, 3, -2.5]]), single([[0.5, 0, -3, 10000, 0, 2, -2.5]])))
    elements(out, "log_cosh", "optax", "optax.losses.log_cosh(y, t)", "real", compat="log_cosh", hard=False)
    elements(out, "log_cosh", "mpmath", "log(cosh(y - t))", "real")
    for q in (0.5, 0.75, 0.125):
        elements(out, "quantile" if q == 0.5 else f"quantile:q={q}", "mpmath",
                 f"{q}*(t - y) if y < t else (1 - {q})*(y - t)", "real", hard=False)
    for c in (1, 0.5, 2):
        elements(out, "cauchy" if c == 1 else f"cauchy:c={c}", "mpmath",
                 f"mpf({c})**2/2*log(1 + ((y - t)/{c})**2)", "real")
    for c in (4.685, 1.5):
        elements(out, "tukey" if c == 4.685 else f"tukey:c={c}", "mpmath",
                 f"mpf('{c}')**2/6*(1 - (1 - min(1, ((y - t)/mpf('{c}'))**2))**3)", "real",
                 slopes=f"abs(y - t)*(abs(y - t) < {c})")


def relative(out):
    elements(out, "mape", "keras", keras("MeanAbsolutePercentageError"), "real",
             compat="mean_absolute_percentage_error", kinked=True,
             weighted=weighted_keras("MeanAbsolutePercentageError"))
    elements(out, "mape:eps=0.5", "mpmath", "100*abs(y - t)/max(abs(t), mpf(0.5))", "real", hard=False)
    elements(out, "msle", "keras", keras("MeanSquaredLogarithmicError"), "positive",
             compat="mean_squared_logarithmic_error", weighted=weighted_keras("MeanSquaredLogarithmicError"))
    elements(out, "msle:floor=0.5", "mpmath", "(log(1 + max(y, mpf(0.5))) - log(1 + max(t, mpf(0.5))))**2",
             "positive", hard=False)
    # tiny-cuda-nn has the values; it cannot be called from here
    for loss, call in (("smape", "2*abs(y - t)/(abs(y) + abs(t) + mpf('0.02'))"),
                       ("smape:eps=0.5", "2*abs(y - t)/(abs(y) + abs(t) + mpf('0.5'))"),
                       ("relative_l1", "abs(y - t)/(abs(y) + mpf('0.01'))"),
                       ("relative_l1:eps=0.5", "abs(y - t)/(abs(y) + mpf('0.5'))"),
                       ("relative_l2", "(y - t)**2/(y**2 + mpf('0.01'))"),
                       ("relative_l2:eps=0.5", "(y - t)**2/(y**2 + mpf('0.5'))")):
        elements(out, loss, "mpmath", call, "real", hard=False, make=without_kinks,
                 slopes="2*abs(t*y + 0.5)/(y*y + 0.01)**2*abs(y - t)" if "l2" in loss else None)


def without_kinks(domain, draw, shape):
    y, t = draw.grid(shape, -4, 4), draw.grid(shape, -4, 4)
    y[(y == t) | (y == 0)] += 0.015625
    return y, t


def positive_targets(domain, draw, shape):
    return draw.grid(shape, -12, 12), draw.grid(shape, 0.125, 9)


def likelihoods(out):
    torch = "F.poisson_nll_loss(y, t, log_input={}, full={}, eps={}, reduction={{r}})"
    logs = {"terms": "np.exp(y) + abs(t*y) + abs(t*np.log(t + (t == 0))) + t + 2", "slopes": "np.exp(y) + t"}
    means = {"terms": "y + abs(t*np.log(y + 1e-7)) + abs(t*np.log(t + (t == 0))) + t + 2", "slopes": "1 + t/y"}
    for full in (False, True):
        text = ",full=true" if full else ""
        elements(out, "poisson_nll" + text.replace(",", ":"), "torch", torch.format(True, full, 1e-8), "log_mean",
                 compat="poisson_nll_loss" + text.replace(",", ":"), **logs)
        elements(out, f"poisson_nll:log_input=false{text}", "torch", torch.format(False, full, 1e-8), "positive",
                 compat=f"poisson_nll_loss:log_input=false{text}", **means)
    elements(out, "poisson_nll:log_input=false,eps=0.5", "torch", torch.format(False, False, 0.5), "positive",
             compat="poisson_nll_loss:log_input=false,eps=0.5", **means)
    elements(out, "poisson_nll:log_input=false,eps=1e-07", "keras", keras("Poisson"), "positive", compat="poisson",
             weighted=weighted_keras("Poisson"), **means)
    elements(out, "gamma_nll", "mpmath", "y + t*exp(-y)", "log_mean", make=positive_targets, hard=False,
             terms="abs(y) + t*np.exp(-y)",
             slopes="1 + t*np.exp(-y)")
    for power in (1.5, 1.25, 1.75):
        elements(out, "tweedie" if power == 1.5 else f"tweedie:power={power}", "mpmath",
                 f"t*exp(-({power} - 1)*y)/({power} - 1) + exp((2 - {power})*y)/(2 - {power})", "log_mean",
                 slopes=f"t*np.exp(-({power} - 1)*y) + np.exp((2 - {power})*y)")
    gaussians(out)


def gaussians(out):
    """Cases of mean and variance."""
    bounds = {"terms": "abs(np.log(z)) + (y - t)**2/z + 1", "slopes": "1/z + (y - t)**2/z**2 + abs(y - t)/z"}
    for full, eps in ((False, 1e-6), (True, 1e-6), (False, 0.5)):
        loss = "gaussian_nll" + (":full=true" if full else f":eps={eps}" if eps != 1e-6 else "")
        for number, (shape, reduction) in enumerate(zip(SHAPES, ("none", "mean", "sum", "none", "mean"))):
            draw = Draw(loss, number)
            inputs = {"prediction": draw.grid(shape, -4, 4), "second": draw.grid(shape, 0.625, 4),
                      "target": draw.grid(shape, -4, 4)}
            if number == 4:
                inputs["second"].flat[:3] = single([0.625, 100, 1e4])
            out.add(loss, "torch", f"F.gaussian_nll_loss(y, t, z, full={full}, eps={eps}, reduction='{reduction}')",
                    inputs, reduction, compat="gaussian_nll_loss" + loss[12:],
                    **bounds)
    y, t = single([[1, -2, 0.5, 3, -1, 2]]), single([[0, -2, 1.5, 1, -1, 2.5]])
    for z, note in (([0.5, 0.5, 0.5, 0.5, 0.5, 0.75], None),
                    ([0.5, 0.25, 0, 0.4375, 1e-9, 0.5], "below eps PyTorch's gradient by the variance is that at eps, "
                                                        "not that of the value, which is 0: not compared there")):
        below = [i for i, x in enumerate(z) if x < 0.5]
        out.add("gaussian_nll:eps=0.5", "torch", "F.gaussian_nll_loss(y, t, z, eps=0.5, reduction='none')",
                {"prediction": y, "second": single([z]), "target": t}, "none", compat="gaussian_nll_loss:eps=0.5",
                note=note, skip_gradient={"second": below},
                **{key: text.replace("z", "np.maximum(z, 0.5)") for key, text in bounds.items()})
