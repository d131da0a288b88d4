#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fig 4.4: the best F from Traditional's weights after 0, 30, 70 and 160 epochs (scaled: 0, 4, 8, 10), no label noise.

The paper: at epoch 0 the lowest losses are used less than 25 % of the time; after 30 epochs the lower half is ignored;
the emphasis on high losses grows. A snapshot is a run of the whole schedule that is stopped at its epoch.
"""
from adaptsb import FORWARD_BACKWARD, adapt, knots, mean_probability, parse_arguments, train


def main():
    args = parse_arguments(__doc__.splitlines()[0])
    an_epoch = FORWARD_BACKWARD * args.config["examples"]
    print("| epoch | F(0) F(.5) F(.8) F(1) | selects | validation accuracy |\n| ---: | ---: | ---: | ---: |")
    for epoch in args.config["stages"]:
        start = None
        if epoch > 0:
            start = args.out / f"snapshot-{epoch}"
            train(args, start, epoch * an_epoch, epochs=args.config["epochs"])
        best = adapt(args, args.out / f"stage-{epoch}", start=start)
        print(f"| {epoch} | {knots(best['priority'])} | {100 * mean_probability(best['priority']):.0f} % "
              f"| {100 * best['objective']:.2f} % |", flush=True)


if __name__ == "__main__":
    main()
