"""Loads: wrk, or the one of bench/src where it must be steady or each request be made once; and what they cost."""

import contextlib
import os
import re
import statistics
import subprocess
from dataclasses import dataclass

from processes import BESIDE

CONNECTIONS = 32
# Seconds between two looks at the memory of what is measured.
LOOK = 0.5


@dataclass
class Load:
    """What came of one. `cpu` is microseconds a request, of each process that was measured."""

    rate: float
    p50: float
    p99: float
    cpu: list
    resident: float
    # Where the load tells: the p99 of the middle tenth of a second, and of how many percent it is under ten times the p50 of all.
    usual_p99: float
    even: float


def wrk(bench, address, requests, measured, wanted=200, connections=CONNECTIONS, seconds=None, pool=None, cores=BESIDE):
    script = os.path.join(os.path.dirname(__file__), "load.lua")
    with written_down(bench, requests) as path:
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds or bench.options.seconds}s", "-s", script, f"http://{address}", "--", path]
        return measure([*command, pool] if pool else command, measured, wanted, cores)


def steady(bench, address, requests, measured, wanted=200, cores=BESIDE, **options):
    """`load` of bench/src; the options are its own."""
    with written_down(bench, requests) as path:
        given = [f"{name}={value}" for name, value in {"wanted": wanted, **options}.items()]
        return measure([bench.options.bare, "load", address, path, *given], measured, wanted, cores)


class written_down:
    number = 0

    def __init__(self, bench, requests):
        written_down.number += 1
        self.path, self.requests = f"{bench.place}/requests-{written_down.number}", requests

    def __enter__(self):
        with open(self.path, "w") as file:
            file.writelines(f"{line}\n" for line in self.requests)
        return self.path

    def __exit__(self, *_):
        os.remove(self.path)


def measure(command, measured, wanted, cores):
    before = [process.cpu() for process in measured]
    with subprocess.Popen(["taskset", "-c", cores, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          env={**os.environ, "WANTED": str(wanted)}) as load:
        try:
            resident, over = 0, False
            while not over:
                # Not often: to look takes the load's core from it.
                with contextlib.suppress(subprocess.TimeoutExpired):
                    over = load.wait(LOOK) is not None
                resident = max([resident, *(process.resident() for process in measured[:1])])
            said, complained = load.communicate()
        finally:
            load.kill()
    result = re.search(r"RESULT (\d+) (\d+) ([\d.]+) ([\d.]+) (\d+) (\d+)(?: ([\d.]+) (\d+))?", said)
    if load.returncode or not result or complained:
        raise SystemExit(f"the load failed: {' '.join(command)}: {said}{complained}")
    number, microseconds, p50, p99, refused, broken, usual, even = map(float, result.groups(0))
    # wrk counts as refused what is over 399.
    if not number or broken or refused != (number if wanted > 399 and command[0] == "wrk" else 0):
        raise SystemExit(f"{refused:.0f} of {number:.0f} requests were not answered {wanted}, {broken:.0f} not at all: {said}")
    spent = [(process.cpu() - earlier) / number for process, earlier in zip(measured, before)]
    for process in measured:
        process.trim()
    return Load(number / microseconds * 1e6, p50, p99, spent, resident, usual, even)


def rounds(bench, *loads):
    """Each of the loads in turn, as often as there are rounds."""
    return [tuple(load() for load in loads) for _ in range(bench.options.rounds)]


def middle(results, figure):
    """The result that has the median of that figure."""
    return sorted(results, key=figure)[len(results) // 2]


def median_cpu(results, at=0):
    return statistics.median(sum(result[at].cpu) for result in results)


def title(text):
    print(f"\n## {text}\n", flush=True)


def head(*cells):
    row(*cells)
    row(*["---"] * len(cells))


def row(*cells):
    print("| " + " | ".join(cells) + " |", flush=True)
