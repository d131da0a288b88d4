#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fig 4.1: test error of Traditional, SB and AdaptSB at equal cost, labels shuffled by 0, 10 and 20 %.

The paper's differences, AdaptSB - SB: -0.15, -4.06, -12.24 points; its search costs 300 trials beside the training.
The column "search" gives what the search cost here, in units of one training.
"""
import statistics

from adaptsb import FORWARD_BACKWARD, adapt, parse_arguments, train


def main():
    args = parse_arguments(__doc__.splitlines()[0])
    budget = FORWARD_BACKWARD * args.config["examples"] * args.config["epochs"]
    print("| label noise | Traditional | SB (beta 2) | AdaptSB | AdaptSB - SB | search |\n"
          "| ---: | ---: | ---: | ---: | ---: | ---: |")
    for noise in (0.0, 0.1, 0.2):
        root = args.out / f"noise-{noise}"
        best = adapt(args, root / "search", noise)
        arms = {"traditional": None, "sb": "power:2", "adaptsb": best["priority"]}
        error = {}
        for name, priority in arms.items():
            runs = [train(args, root / name / f"seed-{s}", budget, priority, noise, s)
                    for s in range(1, args.seeds + 1)]
            error[name] = statistics.mean(100 * run[-1]["test_error"] for run in runs)
        print(f"| {100 * noise:.0f} % | {error['traditional']:.2f} % | {error['sb']:.2f} % | {error['adaptsb']:.2f} % "
              f"| {error['adaptsb'] - error['sb']:+.2f} | {best['search_cost_units'] / budget:.1f} |", flush=True)


if __name__ == "__main__":
    main()
