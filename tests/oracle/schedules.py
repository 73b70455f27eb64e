"""Writes schedules.json: learning rates of the schedules of PyTorch, Keras and Optax that the library must reproduce.

    /some/where/bin/python tests/oracle/schedules.py      (see make.py)

A case has the peer's call, our text, the rate that our factors multiply, and the peer's rates at steps 0, 1, 2 ...; or,
for a plateau, what was observed and the rate after each observation. Keras computes in fp32, the others in fp64.
"""

import json
import os
import pathlib

os.environ["KERAS_BACKEND"] = "numpy"

import jax
import keras
import numpy as np
import optax
import torch

jax.config.update("jax_enable_x64", True)

STEPS = 36
CASES = []


def add(peer, call, ours, rates, lr=1.0, **more):
    CASES.append({"peer": peer, "call": call, "schedule": ours, "lr": lr, **more,
                  "rates": [float(f"{float(x):.13g}") for x in rates]})


def pytorch(call, ours, lr=1.0, steps=STEPS):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)
    S = torch.optim.lr_scheduler
    names = {name: getattr(S, name) for name in dir(S) if name.endswith("LR") or name in (
        "ChainedScheduler", "CosineAnnealingWarmRestarts")}
    scheduler = eval(call, names | {"o": optimizer})
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    add("torch", call, ours, rates, lr)


def keras_case(call, ours, lr=1.0, steps=STEPS):
    schedule = eval(call, vars(keras.optimizers.schedules) | {})
    add("keras", call, ours, [np.asarray(schedule(np.float64(t))) for t in range(steps)], lr)


def optax_case(call, ours, lr=1.0, steps=STEPS):
    schedule = eval(call, vars(optax) | {})
    add("optax", call, ours, [schedule(t) for t in range(steps)], lr)


pytorch("ConstantLR(o, factor=1.0, total_iters=3)", "constant", 0.3)
optax_case("constant_schedule(0.25)", "constant", 0.25)
optax_case("warmup_constant_schedule(0.5, 0.5, 4)", "constant", 0.5)
pytorch("ExponentialLR(o, gamma=1.0)", "constant", 0.1)
keras_case("ExponentialDecay(0.2, 5, 1.0)", "constant", 0.2)

pytorch("StepLR(o, step_size=3)", "step:every=3", 0.1)
pytorch("StepLR(o, step_size=7, gamma=0.5)", "step:every=7,gamma=0.5")
pytorch("StepLR(o, step_size=1, gamma=0.9)", "step:every=1,gamma=0.9")
pytorch("StepLR(o, step_size=5, gamma=1.5)", "step:every=5,gamma=1.5", 1e-3)
pytorch("StepLR(o, step_size=100, gamma=0.1)", "step:every=100")
keras_case("ExponentialDecay(0.1, 4, 0.3, staircase=True)", "step:every=4,gamma=0.3", 0.1)

pytorch("MultiStepLR(o, milestones=[5, 20])", "multistep:at=5/20")
pytorch("MultiStepLR(o, milestones=[1, 2, 3], gamma=0.5)", "multistep:at=1/2/3,gamma=0.5", 0.1)
pytorch("MultiStepLR(o, milestones=[30], gamma=0.25)", "multistep:at=30,gamma=0.25")
pytorch("MultiStepLR(o, milestones=[], gamma=0.25)", "multistep:at=none,gamma=0.25")
pytorch("MultiStepLR(o, milestones=[4, 9, 16, 25, 34, 35], gamma=0.9)", "multistep:at=4/9/16/25/34/35,gamma=0.9", 3.0)

pytorch("ExponentialLR(o, gamma=0.9)", "exponential:gamma=0.9", 0.1)
pytorch("ExponentialLR(o, gamma=1.1)", "exponential:gamma=1.1")
keras_case("ExponentialDecay(0.1, 10, 0.5)", "exponential:gamma=0.5,every=10", 0.1)
keras_case("ExponentialDecay(0.1, 10, 0.5, staircase=True)", "exponential:gamma=0.5,every=10,staircase=true", 0.1)
keras_case("ExponentialDecay(1.0, 7, 1.7)", "exponential:gamma=1.7,every=7")
optax_case("exponential_decay(0.1, 5, 0.8, transition_begin=3)", "exponential:gamma=0.8,every=5,begin=3", 0.1)
optax_case("exponential_decay(1.0, 5, 0.5, transition_begin=2, staircase=True, end_value=0.05)",
           "exponential:gamma=0.5,every=5,begin=2,staircase=true,limit=0.05")
optax_case("exponential_decay(1.0, 4, 2.0, end_value=20.0)", "exponential:gamma=2,every=4,limit=20")
optax_case("warmup_exponential_decay_schedule(0.1, 1.0, 5, 6, 0.7)",
           "warmup:steps=5,start=0.1,offset=0 | 5 | exponential:gamma=0.7,every=6")

pytorch("PolynomialLR(o, total_iters=20, power=1.0)", "polynomial:total=20", 0.1)
pytorch("PolynomialLR(o, total_iters=30, power=0.9)", "polynomial:total=30,power=0.9")
keras_case("PolynomialDecay(0.1, 20)", "polynomial:total=20,end=0.001", 0.1)
keras_case("PolynomialDecay(1.0, 20, 0.2, power=2.0)", "polynomial:total=20,end=0.2,power=2")
keras_case("PolynomialDecay(1.0, 10, 0.1, power=0.5, cycle=True)", "polynomial:total=10,end=0.1,power=0.5,cycle=true")
optax_case("polynomial_schedule(1.0, 0.1, 3, 16, transition_begin=4)", "polynomial:total=16,end=0.1,power=3,begin=4")
optax_case("polynomial_schedule(0.5, 1.0, 2, 16)", "polynomial:total=16,end=2,power=2", 0.5)

pytorch("LinearLR(o)", "linear:total=5,start=0.3333333333333333,end=1", 0.1)
pytorch("LinearLR(o, start_factor=1.0, end_factor=0.1, total_iters=20)", "linear:total=20,end=0.1")
pytorch("LinearLR(o, start_factor=0.5, end_factor=0.75, total_iters=30)", "linear:total=30,start=0.5,end=0.75")
optax_case("linear_schedule(0.0, 1.0, 10)", "linear:total=10,start=0,end=1")
optax_case("linear_schedule(1.0, 0.0, 10, transition_begin=6)", "linear:total=10,begin=6")

pytorch("CosineAnnealingLR(o, T_max=40)", "cosine:total=40")
pytorch("CosineAnnealingLR(o, T_max=35, eta_min=0.1)", "cosine:total=35,floor=0.1")
pytorch("CosineAnnealingLR(o, T_max=10, eta_min=0.01)", "cosine:total=10,floor=0.1,swing=true", 0.1)
keras_case("CosineDecay(0.1, 30)", "cosine:total=30", 0.1)
keras_case("CosineDecay(1.0, 20, alpha=0.2)", "cosine:total=20,floor=0.2")
keras_case("CosineDecay(0.1, 20, alpha=0.1, warmup_target=1.0, warmup_steps=8)",
           "warmup:steps=8,start=0.1,offset=0 | 8 | cosine:total=20,floor=0.1")
keras_case("CosineDecay(0.0, 25, warmup_target=0.4, warmup_steps=5)",
           "warmup:steps=5,offset=0 | 5 | cosine:total=25", 0.4)
optax_case("cosine_decay_schedule(1.0, 30, alpha=0.1, exponent=1.5)", "cosine:total=30,floor=0.1,power=1.5")
optax_case("warmup_cosine_decay_schedule(0.0, 1.0, 6, 30, end_value=0.1)",
           "warmup:steps=6,offset=0 | 6 | cosine:total=24,floor=0.1")
optax_case("warmup_cosine_decay_schedule(0.25, 1.0, 3, 33, exponent=2.0)",
           "warmup:steps=3,start=0.25,offset=0 | 3 | cosine:total=30,power=2")
pytorch("CosineAnnealingWarmRestarts(o, T_0=10)", "cosine:first=10")
pytorch("CosineAnnealingWarmRestarts(o, T_0=4, T_mult=2, eta_min=0.05)", "cosine:first=4,growth=2,floor=0.05")
pytorch("CosineAnnealingWarmRestarts(o, T_0=3, T_mult=3)", "cosine:first=3,growth=3", 0.1)
keras_case("CosineDecayRestarts(0.1, 5)", "cosine:first=5,growth=2", 0.1)
keras_case("CosineDecayRestarts(1.0, 6, t_mul=1.5, m_mul=0.9, alpha=0.1)",
           "cosine:first=6,growth=1.5,shrink=0.9,floor=0.1")
keras_case("CosineDecayRestarts(1.0, 7, t_mul=1.0, m_mul=0.5)", "cosine:first=7,shrink=0.5")
optax_case("sgdr_schedule([dict(init_value=0.0, peak_value=1.0, warmup_steps=2, decay_steps=12), "
           "dict(init_value=0.1, peak_value=0.5, warmup_steps=4, decay_steps=20)])",
           "warmup:steps=2,offset=0 | 2 | cosine:total=10 | 12 | linear:total=4,start=0.1,end=0.5 | 16 | "
           "cosine:total=16 * piecewise:at=none,values=0.5", steps=30)

pytorch("OneCycleLR(o, max_lr=1.0, total_steps=40, cycle_momentum=False)", "one_cycle:total=40")
pytorch("OneCycleLR(o, max_lr=0.1, total_steps=37, pct_start=0.4, div_factor=10, final_div_factor=100, "
        "cycle_momentum=False)", "one_cycle:total=37,pct_start=0.4,div_factor=10,final_div_factor=100", 0.1)
pytorch("OneCycleLR(o, max_lr=1.0, total_steps=40, anneal_strategy='linear', cycle_momentum=False)",
        "one_cycle:total=40,anneal=linear")
pytorch("OneCycleLR(o, max_lr=1.0, total_steps=40, three_phase=True, cycle_momentum=False)",
        "one_cycle:total=40,three_phase=true")
pytorch("OneCycleLR(o, max_lr=1.0, total_steps=39, pct_start=0.45, three_phase=True, anneal_strategy='linear', "
        "cycle_momentum=False)", "one_cycle:total=39,pct_start=0.45,three_phase=true,anneal=linear")
pytorch("OneCycleLR(o, max_lr=1.0, total_steps=37, pct_start=0.0, cycle_momentum=False)",
        "one_cycle:total=37,pct_start=0")
optax_case("linear_onecycle_schedule(30, 1.0)",
           "piecewise:at=9/25/30,values=0.04/1/0.04/4e-6,interpolate=linear")
optax_case("cosine_onecycle_schedule(30, 1.0, pct_start=0.4)",
           "piecewise:at=12/30,values=0.04/1/4e-6,interpolate=cosine")

optax_case("warmup_constant_schedule(0.0, 1.0, 10)", "warmup:steps=10,offset=0")
optax_case("warmup_constant_schedule(0.1, 1.0, 10)", "warmup:steps=10,start=0.1,offset=0")
optax_case("linear_schedule(0.1, 1.0, 9)", "warmup:steps=10")
pytorch("LinearLR(o, start_factor=0.25, total_iters=7)", "warmup:steps=7,start=0.25,offset=0")
pytorch("LambdaLR(o, lambda t: min(1, (t + 1) / 12))", "warmup:steps=12", 0.01)

WSD = "join_schedules([linear_schedule({first}, 1.0, {to}), constant_schedule(1.0), {decay}], [{to}, {at}])"
for warmup, total, decay, floor, shape in ((5, 30, 10, 0.0, "linear"), (1, 33, 20, 0.1, "linear"),
                                           (10, 34, 8, 0.0, "cosine"), (4, 40, 0, 0.0, "linear"),
                                           (3, 20, 17, 0.25, "cosine")):
    n = decay or total // 10
    tail = (f"linear_schedule(1.0, {floor}, {n})" if shape == "linear"
            else f"cosine_decay_schedule(1.0, {n}, alpha={floor})")
    optax_case(WSD.format(first=1 / warmup, to=max(1, warmup - 1), decay=tail, at=total - n),
               f"wsd:total={total},warmup={warmup},decay={decay},floor={floor},shape={shape}")

keras_case("PiecewiseConstantDecay([5, 20], [1.0, 0.5, 0.1])", "piecewise:at=6/21,values=1/0.5/0.1")
keras_case("PiecewiseConstantDecay([3], [0.1, 0.05])", "piecewise:at=4,values=1/0.5", 0.1)
optax_case("piecewise_constant_schedule(1.0, {5: 0.5, 20: 0.1})", "piecewise:at=5/20,values=1/0.5/0.05")
optax_case("piecewise_interpolate_schedule('linear', 1.0, {10: 0.5, 20: 0.1})",
           "piecewise:at=10/20,values=1/0.5/0.05,interpolate=linear")
optax_case("piecewise_interpolate_schedule('cosine', 0.1, {8: 10.0, 30: 0.01})",
           "piecewise:at=8/30,values=0.1/1/0.01,interpolate=cosine")
pytorch("ConstantLR(o, factor=0.25, total_iters=6)", "piecewise:at=6,values=0.25/1", 0.1)

keras_case("InverseTimeDecay(0.1, 10, 0.5)", "inverse_time:rate=0.5,every=10", 0.1)
keras_case("InverseTimeDecay(0.1, 10, 0.5, staircase=True)", "inverse_time:rate=0.5,every=10,staircase=true", 0.1)
keras_case("InverseTimeDecay(1.0, 1, 2.0)", "inverse_time:rate=2,every=1")
keras_case("InverseTimeDecay(1.0, 7, 0.0)", "inverse_time:rate=0,every=7")
keras_case("InverseTimeDecay(1.0, 3, 1.0, staircase=True)", "inverse_time:rate=1,every=3,staircase=true")
pytorch("LambdaLR(o, lambda t: (1 + t / 16) ** -0.5)", "inverse_sqrt:timescale=16")

pytorch("SequentialLR(o, [LinearLR(o, start_factor=0.1, total_iters=8), CosineAnnealingLR(o, T_max=28)], [8])",
        "linear:total=8,start=0.1,end=1 | 8 | cosine:total=28")
pytorch("SequentialLR(o, [ConstantLR(o, factor=0.5, total_iters=40), ExponentialLR(o, gamma=0.9)], [12])",
        "piecewise:at=none,values=0.5 | 12 | exponential:gamma=0.9")
pytorch("ChainedScheduler([ConstantLR(o, factor=0.1, total_iters=4), ExponentialLR(o, gamma=0.9)], optimizer=o)",
        "piecewise:at=4,values=0.1/1 * exponential:gamma=0.9", 0.5)
pytorch("ChainedScheduler([LinearLR(o, start_factor=0.2, total_iters=10), StepLR(o, step_size=6, gamma=0.5)], "
        "optimizer=o)", "warmup:steps=10,start=0.2,offset=0 * step:every=6,gamma=0.5")
optax_case("join_schedules([linear_schedule(0.0, 1.0, 5), constant_schedule(1.0), cosine_decay_schedule(1.0, 10)], "
           "[5, 15])", "linear:total=5,start=0,end=1 | 5 | constant | 15 | cosine:total=10")


def observations(kind):
    """Values that fall, stay, rise, are not numbers: what a plateau meets."""
    rng = np.random.default_rng(7)
    noise = rng.standard_normal(60)
    if kind == "falling":
        return [round(float(2 * 0.9 ** min(i, 20) + 0.02 * noise[i]), 6) for i in range(60)]
    if kind == "flat":
        return [1.0] * 30
    if kind == "nan":
        return [1.0, 0.9, float("nan"), 0.8, float("nan"), float("nan"), float("nan"), 0.7, 0.7, 0.7, 0.7, 0.7]
    return [round(float(0.5 + 0.02 * min(i, 15) + 0.05 * noise[i]), 6) for i in range(60)]


def text_of(observed):
    return ["nan" if np.isnan(x) else x for x in observed]


def pytorch_plateau(options, ours, kind, lr=1.0):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)
    scheduler = eval(f"torch.optim.lr_scheduler.ReduceLROnPlateau(o, {options})", {"torch": torch, "o": optimizer})
    rates = []
    for x in observations(kind):
        scheduler.step(x)
        rates.append(optimizer.param_groups[0]["lr"])
    add("torch", f"ReduceLROnPlateau(o, {options})", ours, rates, lr, observed=text_of(observations(kind)))


def keras_plateau(options, ours, kind, lr=1.0):
    callback = eval(f"keras.callbacks.ReduceLROnPlateau(monitor='loss', {options})", {"keras": keras})
    model = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(1)])
    model.compile(optimizer=keras.optimizers.SGD(lr), loss="mse")
    callback.set_model(model)
    callback.on_train_begin()
    rates = []
    for epoch, x in enumerate(observations(kind)):
        callback.on_epoch_end(epoch, {"loss": x})
        rates.append(np.asarray(model.optimizer.learning_rate.value))
    add("keras", f"ReduceLROnPlateau({options})", ours, rates, lr, observed=text_of(observations(kind)))


def optax_plateau(options, ours, kind):
    rule = eval(f"reduce_on_plateau({options})", {"reduce_on_plateau": optax.contrib.reduce_on_plateau})
    state = rule.init({"p": np.zeros(1)})
    rates = []
    for x in observations(kind):
        _, state = rule.update({"p": np.zeros(1)}, state, value=np.float64(x))
        rates.append(np.asarray(state.scale))
    add("optax", f"contrib.reduce_on_plateau({options})", ours, rates, 1.0, observed=text_of(observations(kind)))


pytorch_plateau("factor=0.5, patience=2", "plateau:gamma=0.5,patience=2,eps=1e-8", "falling")
pytorch_plateau("patience=0", "plateau:patience=0,eps=1e-8", "flat")
pytorch_plateau("factor=0.5, patience=1, cooldown=3", "plateau:gamma=0.5,patience=1,cooldown=3,eps=1e-8", "flat")
pytorch_plateau("factor=0.3, patience=1, min_lr=0.01", "plateau:gamma=0.3,patience=1,floor=0.1,eps=1e-7", "falling",
                0.1)
pytorch_plateau("mode='max', factor=0.5, patience=3", "plateau:mode=max,gamma=0.5,patience=3,eps=1e-8", "rising")
pytorch_plateau("mode='max', factor=0.5, patience=1, threshold=0.05, threshold_mode='abs', cooldown=1",
                "plateau:mode=max,gamma=0.5,patience=1,threshold=0.05,threshold_mode=abs,cooldown=1,eps=1e-8", "rising")
pytorch_plateau("factor=0.5, patience=2, threshold=0.2", "plateau:gamma=0.5,patience=2,threshold=0.2,eps=1e-8",
                "falling")
pytorch_plateau("factor=0.5, patience=1, eps=0.1", "plateau:gamma=0.5,patience=1,eps=0.1", "flat")
pytorch_plateau("factor=0.5, patience=1", "plateau:gamma=0.5,patience=1,eps=1e-8", "nan")
keras_plateau("factor=0.5, patience=3", "plateau:gamma=0.5,patience=2,threshold_mode=abs", "falling")
keras_plateau("factor=0.1, patience=4, min_delta=0.05, cooldown=2, min_lr=0.02",
              "plateau:patience=3,threshold=0.05,threshold_mode=abs,cooldown=1,floor=0.02", "falling")
optax_plateau("factor=0.5, patience=3, rtol=1e-3", "plateau:gamma=0.5,patience=2,threshold=1e-3", "falling")
optax_plateau("factor=0.5, patience=2, rtol=0.0, atol=0.01, cooldown=2",
              "plateau:gamma=0.5,patience=1,threshold=0.01,threshold_mode=abs,cooldown=2", "falling")

versions = {"torch": torch.__version__.split("+")[0], "keras": keras.__version__, "optax": optax.__version__,
            "jax": jax.__version__, "numpy": np.__version__}
lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in CASES)
(pathlib.Path(__file__).parent / "schedules.json").write_text(
    '{"versions":' + json.dumps(versions) + ',\n"cases":[\n' + lines + "\n]}\n")
print(len(CASES), "cases")
