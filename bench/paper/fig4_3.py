#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fig 4.3: the best F for 0, 10 and 20 % of shuffled labels (the searches of Fig 4.1, resumed if they are there).

The paper: without noise F prefers the 80th percentile and above; with 10 % the top percentile is used 40 % of the
time; with 20 % it is used least, below 20 %.
"""
from adaptsb import adapt, knots, mean_probability, parse_arguments


def main():
    args = parse_arguments(__doc__.splitlines()[0])
    print("| label noise | F(0) F(.5) F(.8) F(1) | selects | validation accuracy | trials |\n"
          "| ---: | ---: | ---: | ---: | ---: |")
    for noise in (0.0, 0.1, 0.2):
        best = adapt(args, args.out / f"noise-{noise}" / "search", noise)
        print(f"| {100 * noise:.0f} % | {knots(best['priority'])} | {100 * mean_probability(best['priority']):.0f} % "
              f"| {100 * best['objective']:.2f} % | {best['trials']} |", flush=True)


if __name__ == "__main__":
    main()
