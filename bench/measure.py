"""Measures certbound. See bench/README.md; started by bench/run."""

import argparse
import collections
import functools
import os
import re
import signal
import statistics
import sys
import tempfile

import cold
import memory
import scale
import tail
import threads
import workloads
from clients import Pki, write_registrations
from processes import MEASURED, Awake, Process, Redis, run

PARTS = {"workloads": workloads.part, "nginx": workloads.nginx, "cold": cold.part, "threads": threads.part, "rsa": threads.rsa,
         "tail": tail.part, "memory": memory.part, "scale": scale.part}
STORES = ("redis", "memory", "file")
SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


class Limits:
    """What the crypto library and Redis do by themselves, each in certbound's place: on the first core."""

    def __init__(self, bench):
        self.bench = bench

    def microseconds(self, *command):
        return statistics.median(float(run(self.bench.options.bare, *command, cores=MEASURED)) for _ in range(3))

    @functools.cached_property
    def sign(self):
        return self.microseconds("sign", 1, "ES256")

    @functools.cached_property
    def sign_rsa(self):
        return self.microseconds("sign", 1, "RS256")

    @functools.cached_property
    def verify(self):
        return self.microseconds("verify", 1)

    @functools.cached_property
    def redis(self):
        """Requests a second, by how many are sent at once and the command."""
        rates = collections.defaultdict(list)
        for at_once in (1, 16) * 3:
            asked = run("redis-benchmark", "-p", self.bench.redis.port, "-q", "-t", "get,set", "-n", 80_000 * at_once, "-c", 32,
                        "-P", at_once, "--csv", cores=MEASURED)
            for command, rate in re.findall(r'"(GET|SET)","([\d.]+)"', asked):
                rates[at_once, command].append(float(rate))
        return {what: statistics.median(found) for what, found in rates.items()}

    def __str__(self):
        return (f"One ES256 signature: {self.sign:.1f} µs. redis-benchmark, 32 connections: GET {self.redis[1, 'GET']:,.0f}/s, "
                f"SET {self.redis[1, 'SET']:,.0f}/s; sixteen at once: GET {self.redis[16, 'GET']:,.0f}/s, SET {self.redis[16, 'SET']:,.0f}/s.")


class Bench:
    """What every part needs."""

    def __init__(self, options, place):
        self.options, self.place = options, place
        self.redis = Redis(place)
        self.pki = Pki(place, options.bare)
        self.limits = Limits(self)
        with open(f"{place}/secret", "w") as file:
            file.write("0123456789abcdef0123456789abcdef")
        write_registrations(f"{place}/clients.json")
        # One for each algorithm, so that no server makes RSA keys while it is measured.
        run(options.certbound, "keys", "generate", "--keys", "keys", "--store", "memory:", cwd=place)


def arguments():
    parser = argparse.ArgumentParser(prog="bench/run")
    parser.add_argument("certbound")
    parser.add_argument("bare")
    parser.add_argument("workloads", nargs="*",
                        help=f"of {', '.join(workloads.LIMITS)}; only the part workloads runs then, unless --part says otherwise")
    parser.add_argument("--part", action="append", choices=PARTS, help="run this part only; may repeat")
    parser.add_argument("--seconds", type=int, default=2, help="how long each load takes")
    parser.add_argument("--rounds", type=int, default=3, help="of how many the median is taken")
    parser.add_argument("--stores", default=",".join(STORES), help="of the part workloads")
    parser.add_argument("--scale", action="store_true", help="the large points of the part scale as well")
    options = parser.parse_intermixed_args()
    unknown = [name for name in options.workloads if name not in workloads.LIMITS]
    if unknown:
        parser.error(f"there is no workload {unknown[0]}: write one of {', '.join(workloads.LIMITS)}")
    for store in options.stores.split(","):
        if store not in STORES:
            parser.error(f"there is no store {store}: write some of {','.join(STORES)}")
    if os.cpu_count() < 2:
        parser.error("two cores are needed: one for what is measured, one for the load")
    options.certbound, options.bare = os.path.abspath(options.certbound), os.path.abspath(options.bare)
    options.part = options.part or (["workloads"] if options.workloads else ["scale"] if options.scale else list(PARTS))
    options.workloads = options.workloads or list(workloads.LIMITS)
    return options


def end(number, _):
    # Once is enough: what runs is ended in peace.
    for other in SIGNALS:
        signal.signal(other, signal.SIG_IGN)
    sys.exit(128 + number)


def main():
    options = arguments()
    for number in SIGNALS:
        signal.signal(number, end)
    # What asks and counts is not to be where something is measured.
    os.sched_setaffinity(0, {1})
    print("CPU microseconds a request, of all threads; what is measured has one core, the load and Redis the other. The limit is the\n"
          "bare hyper server in the same rounds; each line is the round with the median ratio.", flush=True)
    awake = Awake()
    print(f"The load's core: {awake}.", flush=True)
    with tempfile.TemporaryDirectory(prefix="certbound-bench-") as place:
        try:
            bench = Bench(options, place)
            for name in options.part:
                PARTS[name](bench)
        finally:
            for process in reversed(Process.running[:]):
                process.stop()
            awake.restore()


if __name__ == "__main__":
    main()
