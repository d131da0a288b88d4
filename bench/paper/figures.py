# SPDX-License-Identifier: Apache-2.0
"""What bench/paper/run.py runs for each figure and table of the selective-backprop specification, section 6.

An entry has a `scaled` setting (default; minutes on two cores) and the thesis' own (`--paper`; for a GPU). A setting
is a list of commands: ("compare", data set, arms, options) or ("step", options of bench_train_step).
"""

# ResNet-8 on 10,000 images for 10 epochs, rates cut at the same parts of the run as the thesis does.
SCALED = {"model": "resnet8", "train-limit": 10000, "test-limit": 2000, "epochs": 10, "seeds": 3}
CIFAR_CUTS, CIFAR100_CUTS = (60, 120, 160), (60, 120)
PAPER = {
    "cifar10": {"model": "wrn-28-10:dropout=0.3", "cutout": 16, "epochs": 200, "seeds": 3, "sampler-preset": "paper"},
    "cifar100": {"model": "wrn-28-10:dropout=0.3", "cutout": 8, "epochs": 200, "seeds": 3, "sampler-preset": "paper"},
    "svhn": {"model": "wrn-16-8:dropout=0.4", "cutout": 20, "epochs": 160, "seeds": 3, "sampler-preset": "paper",
             "crop-pad": 0, "no-flip": True},
}
GAMMA = {"cifar10": 0.2, "cifar100": 0.1, "svhn": 0.1}
CUTS = {"cifar10": CIFAR_CUTS, "cifar100": CIFAR100_CUTS, "svhn": CIFAR100_CUTS}
BETA = {"cifar10": 2, "cifar100": 1, "svhn": 3}  # selects 33, 50 and 25 %
LETTER = {"cifar10": "a", "cifar100": "b", "svhn": "c"}


def cuts(data, epochs, factor=1.0):
    """The thesis' rate policy, its cuts moved to a run of `epochs` and by `factor`."""
    at = "/".join(f"{c * factor * epochs / PAPER[data]['epochs']:g}" for c in CUTS[data])
    return f"step:gamma={GAMMA[data]},at={at}"


def settings(data, arms, scaled=None, paper=None):
    """The two settings of a comparison; `arms`: text, or a function of the rate policy's cuts."""
    out = {}
    for name, base, more in (("scaled", SCALED, scaled), ("paper", PAPER[data], paper)):
        options = {"lr-policy": cuts(data, base["epochs"]), **base, **(more or {})}
        text = arms(lambda factor, o=options: cuts(data, o["epochs"], factor)) if callable(arms) else arms
        out[name] = [("compare", data, text, options)]
    return out


def methods(data):
    b = BETA[data]
    return f"traditional;random beta={b};sb beta={b};stale staleness=3 beta={b};kath18"


def pareto(data):
    def arms(policy):
        return ";".join(f"{arm} lr-policy={policy(factor)}" for factor in (1.0, 0.8)
                        for arm in ["traditional", "kath18"] +
                        [f"{s} beta={b}" for s in ("sb", "stale staleness=3") for b in (1, 2, 3)])
    return arms


def rates(data):
    def arms(policy):
        b = BETA[data]
        return ";".join(f"{arm} lr-policy={p}" for p in (policy(1.0), policy(0.8), "fixed")
                        for arm in ("traditional", f"sb beta={b}"))
    return arms


# Epochs of equal cost by the specification's cost model: 30 units an example at 10 epochs of Traditional.
EQUAL_COST = ("traditional;random beta=2 epochs=15;sb beta=2 epochs=15;stale staleness=3 beta=2 epochs=22;"
              "infobatch epochs=14;kakurenbo epochs=12;rho epochs=23;batchsb epochs=10")
SHORT = {"epochs": 10, "seeds": 3}
TIMED = ("resnet18:stem=imagenet", "squeezenet1_1", "densenet121:stem=imagenet",
         "resnet101:stem=imagenet")


def step_settings(batches):
    return {"scaled": [("step", {"models": "resnet20,squeezenet1_1", "batch": b, "split": True, "runs": 3})
                       for b in batches["scaled"]],
            "paper": [("step", {"models": ",".join(TIMED), "batch": b, "side": 224, "classes": 1000, "split": True})
                      for b in batches["paper"]]}


MOBILENET = {"model": "mobilenet_v2", "epochs": 117, "seed": 1337, "seeds": 1, "cutout": 0,
             "lr-policy": "step:gamma=0.1,at=50/83.4", "lr-clock": "backprops"}
TWO = "traditional;sb beta=2"


def figures():
    """id -> settings."""
    batches = {"scaled": (32, 64, 128), "paper": (32, 64, 128, 256, 512)}
    out = {"tab2.2": step_settings(batches), "tab2.3": step_settings(batches),
           "fig3.1": settings("svhn", "traditional;sb beta=3;stale staleness=3 beta=3")}
    for n in ("2", "3", "4", "5", "6"):
        out[f"fig3.{n}"] = settings("cifar10", TWO, scaled={"seeds": 1}, paper=MOBILENET)
    for data, letter in LETTER.items():
        b = BETA[data]
        for figure in ("fig3.7", "fig3.8", "tab3.1"):
            out[figure + letter] = settings(data, methods(data))
        out["fig3.11" + letter] = settings(data, f"traditional;sb beta={b};stale staleness=3 beta={b}")
        stale = ";".join(f"stale staleness={n} beta={b}" for n in (1, 2, 3))
        out["fig3.12" + letter] = settings(data, "traditional;" + stale)
        sweep = (0.5, 1, 2, 3) if data == "cifar100" else (1, 2, 3, 4)
        out["fig3.14" + letter] = settings(data, "traditional;" + ";".join(f"sb beta={v}" for v in sweep))
        out["fig3.15" + letter] = settings(data, pareto(data))
    for n in ("9", "10"):
        out[f"fig3.{n}"] = settings("cifar10", TWO, paper=SHORT)
    for letter, noise in (("a", 0.01), ("b", 0.1), ("c", 0.2)):
        flips = {"label-noise": noise, "label-noise-kind": "permute_prefix"}
        out["fig3.13" + letter] = settings("cifar10", TWO, scaled=flips, paper=flips)
    out["overhead"] = settings("cifar10", "sb beta=2", scaled={"seeds": 1, "probes": "none"},
                               paper={"seeds": 1, "epochs": 5, "probes": "none"})
    out["ext-1"] = settings("cifar10", "traditional;random beta=2;sb beta=2")
    out["ext-2"] = settings("cifar10", "traditional;sb beta=2;stale staleness=3 beta=2", scaled={"batch": 64},
                            paper={"batch": 64})
    out["ext-3"] = settings("cifar10", rates("cifar10"))
    # The cosine ends with each arm's own epochs, so that every rate is fully decayed at equal cost.
    out["ext-4"] = settings("cifar10", EQUAL_COST, scaled={"lr-policy": "cosine:warmup=1"},
                            paper={**SHORT, "lr-policy": "cosine:warmup=1"})
    out["ext-6"] = settings("cifar10", "traditional;sb beta=2;sb beta=2 select-dtype=bf16;sb beta=2 select-dtype=int8")
    return out
