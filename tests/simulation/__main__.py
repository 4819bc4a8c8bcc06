"""`make simulate`: a school year of 10,000 educators; exits 1 when a rule was broken."""

import argparse
import os
import secrets
import sys
import time

from tests.simulation.run import simulate


def main() -> int:
    """Simulate, print, and return the exit status."""
    parser = argparse.ArgumentParser(prog="make simulate", description=__doc__)
    parser.add_argument("--educators", type=int, default=10_000)
    parser.add_argument("--seed", default=secrets.token_hex(4), help="the same seed is the same year")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    print(f"Seed {given.seed}; {given.processes} processes", flush=True)
    began = time.monotonic()
    report = simulate(given.educators, seed=given.seed, processes=given.processes)
    print(f"\n{report}\n\n{time.monotonic() - began:.0f} seconds; again with --seed {given.seed}")
    return 1 if report.violations else 0


if __name__ == "__main__":
    sys.exit(main())
