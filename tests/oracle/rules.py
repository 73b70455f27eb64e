"""The cases of trajectories.py: a peer's optimizer, and the text of the rule here that does the same.

`compat` names a peer's optimizer as it is without options; the text beside it is what that is here. A learning rate
that a peer has no default for is 1e-3.
"""

from collections import namedtuple

from peers import jax, jnp, optax

Case = namedtuple("Case", "rule peer call rates compat note")


class Cases:
    def __init__(self):
        self.by_rule = {}

    def add(self, peer, call, rule, rates=None, compat=None, note=None):
        self.by_rule.setdefault(rule.split(":")[0], []).append(Case(rule, peer, call, rates, compat, note))

    def torch(self, call, rule, **rest):
        """`call` is what stands behind torch.optim, without the parameters."""
        name, arguments = call[:-1].split("(", 1)
        self.add("torch", f"torch.optim.{name}(p{', ' if arguments else ''}{arguments})", rule, **rest)

    def torch_default(self, name, rule):
        self.torch(f"{name}()", rule, compat=f"torch.optim.{name}")

    def keras(self, call, rule, **rest):
        self.add("keras", f"keras.optimizers.{call}", rule, **rest)

    def keras_default(self, name, rule):
        self.keras(f"{name}()", rule, compat=f"keras.{name}")

    def optax(self, call, rule, **rest):
        self.add("optax", call, rule, **rest)

    def optax_default(self, name, rule, lr="1e-3"):
        self.optax(f"optax.{name}({lr})", rule, compat=f"optax.{name}")


def sgd(c):
    c.torch_default("SGD", "sgd")
    c.torch("SGD(lr=1e-2, momentum=0.9)", "sgd:lr=1e-2,momentum=0.9", rates="changing")
    c.torch("SGD(lr=1e-2, momentum=0.9, dampening=0.5)", "sgd:lr=1e-2,momentum=0.9,dampening=0.5", rates="changing")
    c.torch("SGD(lr=1e-2, momentum=0.75, nesterov=True)", "sgd:lr=1e-2,momentum=0.75,nesterov=true", rates="changing")
    c.torch("SGD(lr=0.1, weight_decay=0.1)", "sgd:lr=0.1,l2=0.1")
    c.torch("SGD(lr=1e-2, momentum=0.9, weight_decay=0.1, nesterov=True)",
            "sgd:lr=1e-2,momentum=0.9,nesterov=true,l2=0.1")
    c.torch("SGD(lr=1e-2, momentum=0.5, dampening=0.25, weight_decay=0.1, maximize=True)",
            "sgd:lr=1e-2,momentum=0.5,dampening=0.25,l2=0.1,maximize=true")
    c.keras_default("SGD", "sgd:lr=1e-2,velocity=scaled")
    c.keras("SGD(1e-2, momentum=0.9)", "sgd:lr=1e-2,momentum=0.9,velocity=scaled", rates="changing")
    c.keras("SGD(1e-2, momentum=0.9, nesterov=True)", "sgd:lr=1e-2,momentum=0.9,nesterov=true,velocity=scaled",
            rates="changing")
    c.keras("SGD(1e-2, momentum=0.5, weight_decay=0.1)", "sgd:lr=1e-2,momentum=0.5,velocity=scaled,decay=0.1",
            rates="changing")
    c.optax_default("sgd", "sgd")
    c.optax("optax.sgd(at(1e-2), momentum=0.9)", "sgd:lr=1e-2,momentum=0.9", rates="changing")
    c.optax("optax.sgd(at(1e-2), momentum=0.9, nesterov=True)", "sgd:lr=1e-2,momentum=0.9,nesterov=true",
            rates="changing")


def signsgd(c):
    c.optax_default("sign_sgd", "signsgd")
    c.optax_default("signum", "signsgd:momentum=0.9")
    c.optax("optax.sign_sgd(at(1e-2))", "signsgd:lr=1e-2", rates="changing")
    c.optax("optax.signum(at(1e-2), beta=0.5)", "signsgd:lr=1e-2,momentum=0.5", rates="changing")
    c.optax("optax.chain(optax.add_decayed_weights(0.25), optax.signum(1e-2))", "signsgd:lr=1e-2,momentum=0.9,l2=0.25")
    c.optax("optax.chain(optax.scale_by_sign(), optax.add_decayed_weights(0.25), optax.scale_by_learning_rate(1e-2))",
            "signsgd:lr=1e-2,decay=0.25")
    c.optax("optax.chain(optax.scale(-1.0), optax.signum(1e-2, beta=0.75))",
            "signsgd:lr=1e-2,momentum=0.75,maximize=true")


def adam(c):
    c.torch_default("Adam", "adam")
    c.torch("Adam(lr=1e-2, betas=(0.8, 0.99), eps=1e-4)", "adam:lr=1e-2,beta1=0.8,beta2=0.99,eps=1e-4",
            rates="changing")
    c.torch("Adam(lr=1e-2, weight_decay=0.1)", "adam:lr=1e-2,l2=0.1")
    c.torch("Adam(lr=1e-2, weight_decay=0.1, decoupled_weight_decay=True)", "adam:lr=1e-2,decay=0.1")
    c.torch("Adam(lr=1e-2, weight_decay=0.1, maximize=True)", "adam:lr=1e-2,l2=0.1,maximize=true")
    c.torch("Adam(lr=1e-2, betas=(0.0, 0.0), eps=1e-2)", "adam:lr=1e-2,beta1=0,beta2=0,eps=1e-2")
    c.keras_default("Adam", "adam:eps=1e-7,eps_form=uncorrected")
    c.keras("Adam(1e-2, beta_1=0.8, beta_2=0.99, epsilon=1e-3)",
            "adam:lr=1e-2,beta1=0.8,beta2=0.99,eps=1e-3,eps_form=uncorrected", rates="changing")
    c.keras("Adam(1e-2, weight_decay=0.1)", "adam:lr=1e-2,eps=1e-7,eps_form=uncorrected,decay=0.1", rates="changing")
    c.optax_default("adam", "adam")
    c.optax("optax.adam(at(1e-2), b1=0.8, b2=0.99, eps=1e-4, eps_root=1e-6)",
            "adam:lr=1e-2,beta1=0.8,beta2=0.99,eps=1e-4,eps_root=1e-6", rates="changing")


def adamw(c):
    c.torch_default("AdamW", "adamw")
    c.torch("AdamW(lr=1e-2, betas=(0.8, 0.99), eps=1e-4, weight_decay=0.2)",
            "adamw:lr=1e-2,beta1=0.8,beta2=0.99,eps=1e-4,weight_decay=0.2", rates="changing")
    c.torch("AdamW(lr=1e-2, weight_decay=0.2, maximize=True)", "adamw:lr=1e-2,weight_decay=0.2,maximize=true")
    c.keras_default("AdamW", "adamw:weight_decay=4e-3,eps=1e-7,eps_form=uncorrected")
    c.keras("AdamW(1e-2, beta_1=0.8, beta_2=0.99, epsilon=1e-3, weight_decay=0.2)",
            "adamw:lr=1e-2,beta1=0.8,beta2=0.99,eps=1e-3,weight_decay=0.2,eps_form=uncorrected", rates="changing")
    c.optax_default("adamw", "adamw:weight_decay=1e-4")
    c.optax("optax.adamw(at(1e-2), b1=0.8, b2=0.99, eps=1e-4, eps_root=1e-6, weight_decay=0.2)",
            "adamw:lr=1e-2,beta1=0.8,beta2=0.99,eps=1e-4,eps_root=1e-6,weight_decay=0.2", rates="changing")


def amsgrad(c):
    c.torch("Adam(amsgrad=True)", "amsgrad", compat="torch.optim.Adam(amsgrad=True)")
    c.torch("AdamW(amsgrad=True)", "amsgrad:decay=1e-2", compat="torch.optim.AdamW(amsgrad=True)")
    c.torch("Adam(lr=1e-2, betas=(0.8, 0.9), eps=1e-4, weight_decay=0.1, amsgrad=True)",
            "amsgrad:lr=1e-2,beta1=0.8,beta2=0.9,eps=1e-4,l2=0.1", rates="changing")
    c.torch("Adam(lr=1e-2, amsgrad=True, maximize=True)", "amsgrad:lr=1e-2,maximize=true")
    c.keras("Adam(amsgrad=True)", "amsgrad:eps=1e-7,eps_form=uncorrected", compat="keras.Adam(amsgrad=True)")
    c.keras("AdamW(amsgrad=True)", "amsgrad:eps=1e-7,eps_form=uncorrected,decay=4e-3",
            compat="keras.AdamW(amsgrad=True)")
    c.keras("Adam(1e-2, beta_1=0.8, beta_2=0.9, epsilon=1e-3, amsgrad=True)",
            "amsgrad:lr=1e-2,beta1=0.8,beta2=0.9,eps=1e-3,eps_form=uncorrected", rates="changing")
    c.optax_default("amsgrad", "amsgrad:maximum_of=corrected")
    c.optax("optax.amsgrad(at(1e-2), b1=0.8, b2=0.9, eps=1e-4, eps_root=1e-6)",
            "amsgrad:lr=1e-2,beta1=0.8,beta2=0.9,eps=1e-4,eps_root=1e-6,maximum_of=corrected", rates="changing")


def adamax(c):
    c.torch_default("Adamax", "adamax")
    c.torch("Adamax(lr=1e-2, betas=(0.8, 0.9), eps=1e-3)", "adamax:lr=1e-2,beta1=0.8,beta2=0.9,eps=1e-3",
            rates="changing")
    c.torch("Adamax(lr=1e-2, weight_decay=0.1, maximize=True)", "adamax:lr=1e-2,l2=0.1,maximize=true")
    c.keras_default("Adamax", "adamax:lr=1e-3,eps=1e-7,eps_place=outside")
    c.keras("Adamax(1e-2, beta_1=0.8, beta_2=0.9, epsilon=1e-3, weight_decay=0.1)",
            "adamax:lr=1e-2,beta1=0.8,beta2=0.9,eps=1e-3,eps_place=outside,decay=0.1", rates="changing")
    c.optax_default("adamax", "adamax:lr=1e-3")
    c.optax_default("adamaxw", "adamax:lr=1e-3,decay=1e-4")
    c.optax("optax.adamax(at(1e-2), b1=0.8, b2=0.9, eps=1e-3)", "adamax:lr=1e-2,beta1=0.8,beta2=0.9,eps=1e-3",
            rates="changing")


def nadam(c):
    c.torch_default("NAdam", "nadam")
    c.torch("NAdam(lr=1e-2, betas=(0.8, 0.99), eps=1e-4, momentum_decay=0.1)",
            "nadam:lr=1e-2,beta1=0.8,beta2=0.99,eps=1e-4,momentum_decay=0.1", rates="changing")
    c.torch("NAdam(lr=1e-2, weight_decay=0.1)", "nadam:lr=1e-2,l2=0.1")
    c.torch("NAdam(lr=1e-2, weight_decay=0.1, decoupled_weight_decay=True, maximize=True)",
            "nadam:lr=1e-2,decay=0.1,maximize=true")
    c.keras_default("Nadam", "nadam:lr=1e-3,eps=1e-7,momentum_decay=1")
    c.keras("Nadam(1e-2, beta_1=0.8, beta_2=0.99, epsilon=1e-3, weight_decay=0.1)",
            "nadam:lr=1e-2,beta1=0.8,beta2=0.99,eps=1e-3,momentum_decay=1,decay=0.1", rates="changing")
    c.optax_default("nadam", "nadam:lr=1e-3,constant_momentum=true")
    c.optax_default("nadamw", "nadam:lr=1e-3,constant_momentum=true,decay=1e-4")
    c.optax("optax.nadam(at(1e-2), b1=0.8, b2=0.99, eps=1e-4, eps_root=1e-6)",
            "nadam:lr=1e-2,beta1=0.8,beta2=0.99,eps=1e-4,eps_root=1e-6,constant_momentum=true", rates="changing")


def radam(c):
    c.torch_default("RAdam", "radam")
    c.torch("RAdam(lr=1e-2, betas=(0.8, 0.9), eps=1e-3)", "radam:lr=1e-2,beta1=0.8,beta2=0.9,eps=1e-3",
            rates="changing")
    c.torch("RAdam(lr=1e-2, betas=(0.9, 0.6))", "radam:lr=1e-2,beta2=0.6", note="never adapts: r stays below 5")
    c.torch("RAdam(lr=1e-3, weight_decay=0.1)", "radam:l2=0.1")
    c.torch("RAdam(lr=1e-3, weight_decay=0.1, decoupled_weight_decay=True, maximize=True)",
            "radam:decay=0.1,maximize=true")
    c.optax_default("radam", "radam:eps_form=corrected")
    c.optax("optax.radam(at(1e-2), b1=0.8, b2=0.9, eps=1e-3, eps_root=1e-6, threshold=8.0)",
            "radam:lr=1e-2,beta1=0.8,beta2=0.9,eps=1e-3,eps_root=1e-6,threshold=8,eps_form=corrected", rates="changing")


def adabelief(c):
    c.optax_default("adabelief", "adabelief")
    c.optax("optax.adabelief(at(1e-2))", "adabelief:lr=1e-2", rates="changing")
    c.optax("optax.adabelief(1e-2, b1=0.8, b2=0.99)", "adabelief:lr=1e-2,beta1=0.8,beta2=0.99")
    c.optax("optax.adabelief(1e-2, eps=1e-3, eps_root=1e-6)", "adabelief:lr=1e-2,eps=1e-3,eps_root=1e-6")
    c.optax("optax.adabelief(1e-2, b1=0.5, b2=0.9, eps=1e-4, eps_root=0.0)",
            "adabelief:lr=1e-2,beta1=0.5,beta2=0.9,eps=1e-4,eps_root=0")
    c.optax("optax.chain(optax.add_decayed_weights(0.1), optax.adabelief(1e-2))", "adabelief:lr=1e-2,l2=0.1")


def yogi(c):
    c.optax_default("yogi", "yogi:lr=1e-3")
    c.optax("optax.yogi(at(1e-2))", "yogi", rates="changing")
    c.optax("optax.yogi(1e-2, b1=0.8, b2=0.99, eps=1e-2)", "yogi:beta1=0.8,beta2=0.99,eps=1e-2")
    c.optax("optax.chain(optax.scale_by_yogi(eps_root=1e-4), optax.scale(-1e-2))", "yogi:eps_root=1e-4")
    c.optax("optax.chain(optax.scale_by_yogi(initial_accumulator_value=0.1), optax.scale(-1e-2))", "yogi:initial=0.1")
    c.optax("optax.chain(optax.scale_by_yogi(initial_accumulator_value=0.0), optax.add_decayed_weights(0.1), "
            "optax.scale(-1e-2))", "yogi:initial=0,decay=0.1")


def adan(c):
    c.optax_default("adan", "adan:eps_root=1e-8,difference=rest")
    c.optax("optax.adan(at(1e-2), eps_root=0.0)", "adan:lr=1e-2,difference=rest", rates="changing")
    c.optax("optax.adan(1e-2, b1=0.9, b2=0.75, b3=0.95, eps=1e-4)",
            "adan:lr=1e-2,beta1=0.9,beta2=0.75,beta3=0.95,eps=1e-4,eps_root=1e-8,difference=rest")
    c.optax("optax.adan(at(1e-2), b2=0.5, eps_root=1e-6)", "adan:lr=1e-2,beta2=0.5,eps_root=1e-6", rates="changing",
            note="where beta2 is a half both weights are the same")
    c.optax("optax.adan(1e-2, weight_decay=0.1)", "adan:lr=1e-2,eps_root=1e-8,difference=rest,decay=0.1",
            note="the peer's decay is not the paper's, which is proximal")


def adagrad(c):
    c.torch_default("Adagrad", "adagrad")
    c.torch("Adagrad(lr=0.1, lr_decay=0.1, initial_accumulator_value=0.5, eps=1e-3)",
            "adagrad:lr=0.1,lr_decay=0.1,initial=0.5,eps=1e-3", rates="changing")
    c.torch("Adagrad(lr=0.1, weight_decay=0.1, maximize=True)", "adagrad:lr=0.1,l2=0.1,maximize=true")
    c.keras_default("Adagrad", "adagrad:lr=1e-3,initial=0.1,eps=1e-7,eps_place=inside")
    c.keras("Adagrad(0.1, initial_accumulator_value=0.0, epsilon=1e-3, weight_decay=0.1)",
            "adagrad:lr=0.1,eps=1e-3,eps_place=inside,decay=0.1", rates="changing")
    c.optax_default("adagrad", "adagrad:lr=1e-3,initial=0.1,eps=1e-7,eps_place=inside")
    c.optax("optax.adagrad(at(0.1), initial_accumulator_value=0.0, eps=0.0)",
            "adagrad:lr=0.1,eps=0,eps_place=inside", rates="changing", note="0/0 is 0 in both")


def adadelta(c):
    c.torch_default("Adadelta", "adadelta")
    c.torch("Adadelta(lr=0.5, rho=0.8, eps=1e-3)", "adadelta:lr=0.5,rho=0.8,eps=1e-3", rates="changing")
    c.torch("Adadelta(weight_decay=0.1, maximize=True)", "adadelta:l2=0.1,maximize=true")
    c.keras_default("Adadelta", "adadelta:lr=1e-3,rho=0.95,eps=1e-7")
    c.keras("Adadelta(0.5, rho=0.8, epsilon=1e-3, weight_decay=0.1)", "adadelta:lr=0.5,rho=0.8,eps=1e-3,decay=0.1",
            rates="changing")
    c.optax_default("adadelta", "adadelta:lr=1e-3")
    c.optax("optax.adadelta(at(0.5), rho=0.8, eps=1e-3, weight_decay=0.1)", "adadelta:lr=0.5,rho=0.8,eps=1e-3,l2=0.1",
            rates="changing")


def rmsprop(c):
    c.torch_default("RMSprop", "rmsprop")
    c.torch("RMSprop(lr=1e-2, alpha=0.9, eps=1e-3, centered=True)", "rmsprop:rho=0.9,eps=1e-3,centered=true",
            rates="changing")
    c.torch("RMSprop(lr=1e-2, momentum=0.9)", "rmsprop:momentum=0.9", rates="changing")
    c.torch("RMSprop(lr=1e-2, momentum=0.5, centered=True, weight_decay=0.1, maximize=True)",
            "rmsprop:momentum=0.5,centered=true,l2=0.1,maximize=true")
    c.keras_default("RMSprop", "rmsprop:lr=1e-3,rho=0.9,eps=1e-7,eps_place=inside,velocity=scaled")
    c.keras("RMSprop(1e-2, momentum=0.9, epsilon=1e-3)",
            "rmsprop:rho=0.9,momentum=0.9,eps=1e-3,eps_place=inside,velocity=scaled", rates="changing")
    c.keras("RMSprop(1e-2, rho=0.8, momentum=0.5, epsilon=1e-3, centered=True, weight_decay=0.1)",
            "rmsprop:rho=0.8,momentum=0.5,eps=1e-3,centered=true,eps_place=inside,velocity=scaled,decay=0.1",
            rates="changing")
    c.optax_default("rmsprop", "rmsprop:lr=1e-3,rho=0.9,eps_place=inside,velocity=scaled")
    c.optax("optax.rmsprop(at(1e-2), decay=0.8, eps=1e-3, initial_scale=1.0, eps_in_sqrt=False, momentum=0.9)",
            "rmsprop:rho=0.8,eps=1e-3,initial=1,momentum=0.9,velocity=scaled", rates="changing")
    c.optax("optax.rmsprop(at(1e-2), eps=1e-3, momentum=0.9, nesterov=True)",
            "rmsprop:rho=0.9,eps=1e-3,momentum=0.9,nesterov=true,eps_place=inside,velocity=scaled", rates="changing")
    c.optax("optax.rmsprop(1e-2, momentum=0.75, nesterov=True)",
            "rmsprop:rho=0.9,momentum=0.75,nesterov=true,eps_place=inside",
            note="at one rate both kinds of velocity are the same")
    c.optax("optax.rmsprop(at(1e-2), decay=0.99, bias_correction=True, initial_scale=0.5)",
            "rmsprop:initial=0.5,bias_correction=true,eps_place=inside", rates="changing")
    c.optax("optax.rmsprop(1e-2, eps=0.5, centered=True, bias_correction=True, momentum=0.5)",
            "rmsprop:rho=0.9,eps=0.5,centered=true,bias_correction=true,momentum=0.5,eps_place=inside,velocity=scaled")


def in_time(late):
    def update(g, state, p):
        state = late.update(g, state, p)[1]
        return jax.tree.map(lambda step: -step, state[0].prev_updates), state

    return optax.GradientTransformation(late.init, update)


def rprop(c):
    c.torch_default("Rprop", "rprop")
    c.torch("Rprop(lr=0.1, etas=(0.25, 1.5))", "rprop:lr=0.1,shrink=0.25,grow=1.5", rates="changing",
            note="the rate of step 1 alone counts; it has the factor 1/2")
    c.torch("Rprop(lr=0.1, step_sizes=(1e-2, 0.2))", "rprop:lr=0.1,smallest=1e-2,largest=0.2")
    c.torch("Rprop(lr=0.1, maximize=True)", "rprop:lr=0.1,maximize=true")
    late = "the peer makes each step when the next gradient comes; its state has it in time"
    c.optax("rules.in_time(optax.rprop(1e-3))", "rprop:lr=1e-3", note=late)
    c.optax("rules.in_time(optax.rprop(0.1, eta_minus=0.25, eta_plus=1.5, min_step_size=1e-2, max_step_size=0.2))",
            "rprop:lr=0.1,shrink=0.25,grow=1.5,smallest=1e-2,largest=0.2", note=late)


def lion(c):
    c.keras_default("Lion", "lion:lr=1e-3")
    c.keras("Lion(1e-2, beta_1=0.8, beta_2=0.95, weight_decay=0.1)", "lion:lr=1e-2,beta1=0.8,beta2=0.95,decay=0.1",
            rates="changing")
    c.optax_default("lion", "lion:lr=1e-3,weight_decay=1e-3")
    c.optax("optax.lion(at(1e-2), b1=0.8, b2=0.95, weight_decay=0.1)",
            "lion:lr=1e-2,beta1=0.8,beta2=0.95,weight_decay=0.1", rates="changing")
    c.optax("optax.chain(optax.add_decayed_weights(0.1), optax.lion(1e-2, weight_decay=0.0))", "lion:lr=1e-2,l2=0.1")


# AdEMAMix warms up by the half-life of the slow mean, as its authors' program has it; a peer's count begins at 0.
def slow_mean(beta1, beta3, warmup):
    half_life = lambda beta: jnp.log(0.5) / jnp.log(beta)
    between = lambda x: (1 - x) * half_life(beta1) + x * half_life(beta3)
    return lambda count: 0.5 ** (1 / between(jnp.minimum((count + 1.0) / warmup, 1.0)))


def slow_weight(alpha, warmup):
    return lambda count: alpha * jnp.minimum((count + 1.0) / warmup, 1.0)


def ademamix(c):
    c.optax_default("contrib.ademamix", "ademamix")
    c.optax("optax.contrib.ademamix(at(1e-2), b1=0.8, b2=0.99, b3=0.995, alpha=2.0)",
            "ademamix:lr=1e-2,beta1=0.8,beta2=0.99,beta3=0.995,alpha=2", rates="changing")
    c.optax("optax.contrib.ademamix(1e-2, b3=0.99, eps=1e-4, eps_root=1e-6, weight_decay=0.1)",
            "ademamix:lr=1e-2,beta3=0.99,eps=1e-4,eps_root=1e-6,weight_decay=0.1")
    for warmup, alpha, b1, b3 in ((40, 5.0, 0.9, 0.999), (1000, 8.0, 0.8, 0.9999)):
        c.optax(f"optax.contrib.ademamix(1e-2, b1={b1}, b3=rules.slow_mean({b1}, {b3}, {warmup}), "
                f"alpha=rules.slow_weight({alpha}, {warmup}))",
                f"ademamix:lr=1e-2,beta1={b1},beta3={b3},alpha={alpha:g},warmup={warmup}")


def lamb(c):
    c.keras_default("Lamb", "lamb:eps=1e-7")
    c.keras("Lamb(1e-2, beta_1=0.8, beta_2=0.99, epsilon=1e-3, weight_decay=0.1)",
            "lamb:lr=1e-2,beta1=0.8,beta2=0.99,eps=1e-3,decay=0.1", rates="changing")
    c.optax_default("lamb", "lamb")
    c.optax("optax.lamb(at(1e-2), b1=0.8, b2=0.99, eps=1e-3, eps_root=1e-6, weight_decay=0.1)",
            "lamb:lr=1e-2,beta1=0.8,beta2=0.99,eps=1e-3,eps_root=1e-6,weight_decay=0.1", rates="changing")
    c.optax("optax.lamb(1e-2, weight_decay=1.0)", "lamb:lr=1e-2,weight_decay=1")


def lars(c):
    c.optax_default("lars", "lars:norm=combined")
    c.optax("optax.lars(at(1.0), weight_decay=0.1)", "lars:lr=1,weight_decay=0.1,norm=combined", rates="changing")
    c.optax("optax.lars(at(1.0), weight_decay=0.1, trust_coefficient=1e-2, eps=0.5, momentum=0.75, nesterov=True)",
            "lars:lr=1,weight_decay=0.1,trust=1e-2,eps=0.5,momentum=0.75,nesterov=true,norm=combined", rates="changing")
    c.optax("optax.lars(at(1.0), trust_coefficient=1e-2, eps=1e-3)", "lars:lr=1,trust=1e-2,eps=1e-3", rates="changing",
            note="without decay both norms are the same")
    c.optax("optax.lars(1.0, momentum=0.0)", "lars:lr=1,momentum=0")


def novograd(c):
    c.optax_default("novograd", "novograd:beta1=0.9,beta2=0.25,eps=1e-6")
    c.optax("optax.novograd(at(1e-2), b1=0.95, b2=0.98, eps=1e-8)", "novograd:lr=1e-2", rates="changing")
    c.optax("optax.novograd(1e-2, weight_decay=0.1)", "novograd:lr=1e-2,beta1=0.9,beta2=0.25,eps=1e-6,weight_decay=0.1")
    c.optax("optax.novograd(1e-2, b1=0.5, b2=0.9, eps=0.1, eps_root=0.5)",
            "novograd:lr=1e-2,beta1=0.5,beta2=0.9,eps=0.1,eps_root=0.5")
    c.optax("optax.chain(optax.add_decayed_weights(0.1), optax.novograd(1e-2))",
            "novograd:lr=1e-2,beta1=0.9,beta2=0.25,eps=1e-6,l2=0.1")


# A schedule's weight of step t is that of the rate which the step takes; the peer's own helpers are one step ahead.
def in_step(base, rate, rest=""):
    return f"optax.contrib.schedule_free({base}, learning_rate=lambda count: at({rate})(count - 1){rest})"


def schedule_free_sgd(c):
    c.optax_default("contrib.schedule_free_sgd", "schedule_free_sgd", lr="")
    c.optax("optax.contrib.schedule_free_sgd(0.1, b1=0.75, weight_decay=0.1)",
            "schedule_free_sgd:lr=0.1,beta1=0.75,weight_decay=0.1")
    c.optax(in_step("optax.sgd(at(0.1))", 0.1), "schedule_free_sgd:lr=0.1", rates="changing")
    c.optax(in_step("optax.sgd(at(0.1))", 0.1, ", b1=0.5, weight_lr_power=1.0"),
            "schedule_free_sgd:lr=0.1,beta1=0.5,lr_power=1", rates="warm_up_10")
    c.optax(in_step("optax.sgd(at(0.1))", 0.1, ", weight_lr_power=0.0"), "schedule_free_sgd:lr=0.1,lr_power=0",
            rates="changing")


def schedule_free_adamw(c):
    c.keras_default("ScheduleFreeAdamW", "schedule_free_adamw:lr_power=0")
    c.keras("ScheduleFreeAdamW(1e-2, beta_1=0.75, beta_2=0.99, epsilon=1e-3)",
            "schedule_free_adamw:lr=1e-2,beta1=0.75,beta2=0.99,eps=1e-3,lr_power=0", rates="changing")
    c.keras("ScheduleFreeAdamW(1e-2)", "schedule_free_adamw:lr=1e-2,lr_power=0", rates="warm_up_10")
    c.optax_default("contrib.schedule_free_adamw", "schedule_free_adamw", lr="")
    c.optax("optax.contrib.schedule_free_adamw(1e-2, b1=0.75, b2=0.99, eps=1e-3, weight_decay=0.1)",
            "schedule_free_adamw:lr=1e-2,beta1=0.75,beta2=0.99,eps=1e-3,weight_decay=0.1")
    base = ("optax.chain(optax.scale_by_rms(decay=0.99, eps=1e-8, eps_in_sqrt=False, bias_correction=True), "
            "optax.add_decayed_weights(0.1), optax.scale_by_learning_rate(at(1e-2)))")
    c.optax(in_step(base, 1e-2, ", weight_lr_power=1.5"),
            "schedule_free_adamw:lr=1e-2,beta2=0.99,weight_decay=0.1,lr_power=1.5", rates="changing")


def all_cases():
    cases = Cases()
    for rule in (sgd, signsgd, adam, adamw, amsgrad, adamax, nadam, radam, adabelief, yogi, adan, adagrad, adadelta,
                 rmsprop, rprop, lion, ademamix, lamb, lars, novograd, schedule_free_sgd, schedule_free_adamw):
        rule(cases)
    return cases.by_rule
