# SPDX-License-Identifier: Apache-2.0
"""Does inference start at once, and does its memory stay flat?

    python3 bench/reliability/inference_memory.py --graft build/cpu/runtime/graft --model m.graft --image cat.png

Times `graft classify` from process start to exit, then runs `graft bench inference` and reads its resident memory and
threads from /proc all along. Standard library only. Fails if the resident memory of the last tenth of the run exceeds
that of the second tenth by more than 1 MiB, or if there were more threads than asked for.
"""
import argparse
import pathlib
import statistics
import subprocess
import sys
import time

LIMIT_KIB = 1024


def status(pid):
    """Resident and peak resident KiB, and threads, of a process; None once it is gone."""
    try:
        lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
        fields = dict(line.split(":", 1) for line in lines)
        return tuple(int(fields[key].split()[0]) for key in ("VmRSS", "VmHWM", "Threads"))
    except (OSError, KeyError):
        return None


def start_times(graft, model, image, rounds):
    ms = []
    for _ in range(rounds):
        start = time.perf_counter()
        subprocess.run([graft, "classify", image, "--model", model, "--threads", "1"], check=True,
                       stdout=subprocess.DEVNULL)
        ms.append(1000 * (time.perf_counter() - start))
    return ms


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--graft", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--image", required=True)
    parser.add_argument("--runs", type=int, default=10000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=11)
    args = parser.parse_args()
    ms = start_times(args.graft, args.model, args.image, args.rounds)
    print(f"classify, process start to exit: median {statistics.median(ms):.0f} ms, {min(ms):.0f} to {max(ms):.0f}")
    run = subprocess.Popen([args.graft, "bench", "inference", "--model", args.model, "--runs", str(args.runs), "--threads",
                            str(args.threads)], stdout=subprocess.PIPE, text=True)
    seen = []
    while run.poll() is None:
        now = status(run.pid)
        if now:
            seen.append(now)
        time.sleep(0.02)
    resident = [s[0] for s in seen]
    tenth = max(1, len(seen) // 10)
    early, late = max(resident[tenth:2 * tenth]), max(resident[-tenth:])
    threads = max(s[2] for s in seen)
    print(run.stdout.read().strip())
    print(f"{args.runs} inferences, {len(seen)} samples: resident {early} KiB early, {late} KiB late, peak "
          f"{max(s[1] for s in seen)} KiB; {threads} threads")
    if run.returncode != 0 or late - early > LIMIT_KIB or threads > args.threads:
        sys.exit("memory grew, or there were too many threads")


if __name__ == "__main__":
    main()
