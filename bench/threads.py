"""Two worker threads instead of one; and RSA, which takes long enough for others to wait."""

import functools
import time
from concurrent.futures import ThreadPoolExecutor

from clients import Asker
from loads import CONNECTIONS, head, median_cpu, middle, rounds, row, steady, title, wrk
from processes import BOTH, Bare, Certbound, run
from workloads import workload

MOST = 1.1
# How many requests there are at once.
AT_ONCE = (CONNECTIONS, 128, 512)
# Of what one thread can answer: what two have to do is little enough for both cores, and whoever waits does so for nobody's turn.
EASY = 0.4


def part(bench):
    title("One worker thread and two, both cores, the load on both as well")
    print(f"Microseconds with one, with two, and two to one: within {MOST}, or not. The last columns are with requests that come at {EASY:.0%} of\n"
          f"certbound's rate with one thread and {CONNECTIONS} connections.\n")
    head("Redis", *(f"{number} connections" for number in AT_ONCE), f"requests/s of {CONNECTIONS} with one, with two", f"at {EASY:.0%}", "p50 µs with one, with two")
    asked = {}
    with Certbound(bench, cores=BOTH, workers=1) as one, Certbound(bench, cores=BOTH, workers=2) as two:
        for name in ("W1", "W2", "W3", "W4"):
            requests, body, _ = workload(bench, name, Asker(bench, one.address))
            asked[name] = requests, body, compare(bench, name, requests, None, one, two)
    # What the machine adds: to two threads that share cores with the load, whatever they do, when they are asked as often.
    for name, said, deed in (("W1", "", None), ("W2", " and a signature", "sign")):
        requests, body, easy = asked[name]
        with Bare(bench, body, cores=BOTH, workers=1, deed=deed) as one, Bare(bench, body, cores=BOTH, workers=2, deed=deed) as two:
            compare(bench, f"bare, {name}'s requests{said}", requests, easy, one, two)


def compare(bench, name, requests, rate, *servers):
    """At the highest rate, and at that, or else at an easy one, which it gives."""
    highest, cells = [], [name]
    for number in AT_ONCE:
        one, two = pair(bench, functools.partial(wrk, connections=number), requests, servers)
        cells.append(judged(one, two))
        highest.append((one.rate, two.rate))
    rate = rate or EASY * highest[0][0]
    one, two = pair(bench, functools.partial(steady, connections=CONNECTIONS, rate=rate), requests, servers)
    row(*cells, ", ".join(f"{rate:,.0f}" for rate in highest[0]), judged(one, two), f"{one.p50:.0f}, {two.p50:.0f}")
    return rate


def judged(one, two):
    ratio = two.cpu[0] / one.cpu[0]
    return f"{one.cpu[0]:.1f}, {two.cpu[0]:.1f}: **{ratio:.2f}** {'within' if ratio <= MOST else 'NOT'}"


def pair(bench, load, requests, servers):
    """That load on each of two servers, in the round with the median ratio."""
    loads = (functools.partial(load, bench, server.address, requests, [server], cores=BOTH) for server in servers)
    return middle(rounds(bench, *loads), lambda pair: pair[1].cpu[0] / pair[0].cpu[0])


def rsa(bench):
    title("W2 signed by RSA-2048, and who waits for it")
    run(bench.options.certbound, "keys", "generate", "--alg", "RS256", "--keys", "keys-rsa", "--store", "memory:", cwd=bench.place)
    head("Redis, one core", "W2 µs", "of it the signature", "requests/s", "W4 at 100/s beside it: p50 µs", "p99 µs")
    with Certbound(bench) as server:
        requests, _, _ = workload(bench, "W4", Asker(bench, server.address))
        alone = middle(rounds(bench, lambda: steady(bench, server.address, requests, [server], **LIGHT)), lambda result: result[0].p99)[0]
        row("nothing", "", "", "", f"{alone.p50:.0f}", f"{alone.p99:.0f}")
        beside(bench, "ES256", server, bench.limits.sign)
    with Certbound(bench, keys="keys-rsa") as server:
        beside(bench, "RS256", server, bench.limits.sign_rsa)


LIGHT = {"rate": 100, "connections": 32}


def beside(bench, name, server, signature):
    asker = Asker(bench, server.address)
    heavy, light = workload(bench, "W2", asker)[0], workload(bench, "W4", asker)[0]
    alone = rounds(bench, lambda: wrk(bench, server.address, heavy, [server]))
    cpu = median_cpu(alone)

    def both():
        # The light load begins when the other is under way, and ends before it.
        with ThreadPoolExecutor(1) as other:
            loaded = other.submit(wrk, bench, server.address, heavy, [server], seconds=bench.options.seconds + 2)
            time.sleep(0.5)
            waited = steady(bench, server.address, light, [server], seconds=bench.options.seconds + 1, **LIGHT)
            loaded.result()
        return waited

    waited = middle(rounds(bench, both), lambda result: result[0].p99)[0]
    rate = middle(alone, lambda result: result[0].rate)[0].rate
    row(f"W2 {name}", f"{cpu:.1f}", f"{signature:.1f} ({signature / cpu:.0%})", f"{rate:,.0f}", f"{waited.p50:.0f}", f"{waited.p99:.0f}")
