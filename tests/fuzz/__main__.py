"""`python -m tests.fuzz [--mutations N] [--seed S] [--minutes T] [READER ...]`: the long run, reader after reader."""

from __future__ import annotations

import argparse
import math
import sys
import time

from tests.fuzz.campaign import attack
from tests.fuzz.readers import READERS


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--mutations", type=int, default=1000, help="of each reader's file")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=math.inf, help="for all readers: each may take its share")
    parser.add_argument("readers", nargs="*", metavar="READER", help=", ".join(READERS))
    options = parser.parse_args()
    names, end, bad = options.readers or list(READERS), time.monotonic() + 60 * options.minutes, 0
    for number, name in enumerate(names):
        share = (end - time.monotonic()) / (len(names) - number)  # what quick readers leave is for those behind them
        done = attack(name, options.mutations, options.seed, share)
        bad += len(done.findings)
        print(f"{name}: {done.mutations} mutations, {len(done.findings)} findings", flush=True)
        for finding in done.findings:
            print(f"  {finding}", flush=True)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
