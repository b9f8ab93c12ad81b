"""`python -m tests.fuzz [--mutations N] [--seed S] [--seconds T] [READER ...]`: the long run, reader after reader."""

from __future__ import annotations

import argparse
import math
import sys

from tests.fuzz.campaign import attack
from tests.fuzz.readers import READERS


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--mutations", type=int, default=1000, help="of each reader's file")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=math.inf, help="at most, for each reader")
    parser.add_argument("readers", nargs="*", metavar="READER", help=", ".join(READERS))
    options = parser.parse_args()
    bad = 0
    for name in options.readers or READERS:
        done = attack(name, options.mutations, options.seed, options.seconds)
        bad += len(done.findings)
        print(f"{name}: {done.mutations} mutations, {len(done.findings)} findings", flush=True)
        for finding in done.findings:
            print(f"  {finding}", flush=True)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
