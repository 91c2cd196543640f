"""How much longer the slowest answers take, at four fifths of the highest rate. Requests come at random moments, and one
that finds every connection busy waits: that counts, too."""

from concurrent.futures import ThreadPoolExecutor

from clients import Asker
from loads import head, middle, row, steady, title
from processes import BOTH, Bare, Certbound, run
from workloads import workload

CONNECTIONS = 128
MOST = 10


def part(bench):
    title("At 80 % of the highest rate")
    head("Redis", "highest requests/s", "p50 µs", "p99 µs", "p99 to p50", f"under {MOST}", "p99 of the middle 0.1 s", "to p50", f"under {MOST}",
         f"of all 0.1 s under {MOST}")
    with Certbound(bench) as server:
        asked = []
        for name in ("W3", "W4"):
            requests, body, _ = workload(bench, name, Asker(bench, server.address))
            asked.append((name, server, requests))
        # What the machine and the load add by themselves. The signature is there so that it is the server that is busy.
        with Bare(bench, body, deed="sign") as bare:
            asked.append(("bare, with a signature", bare, requests))
            turns = [[once(bench, server, requests) for _, server, requests in asked] for _ in range(bench.options.rounds)]
    for (name, _, _), results in zip(asked, zip(*turns)):
        highest, load = middle(results, lambda result: result[1].p99 / result[1].p50)
        cells = [name, f"{highest:,.0f}", f"{load.p50:.0f}"]
        for p99 in (load.p99, load.usual_p99):
            ratio = p99 / load.p50
            cells += [f"{p99:.0f}", f"**{ratio:.1f}**", "yes" if ratio < MOST else "NO"]
        row(*cells, f"{load.even:.0f} %")
    stalls(bench)


def once(bench, server, requests):
    highest = steady(bench, server.address, requests, [server], connections=CONNECTIONS).rate
    rate, seconds = 0.8 * highest, 2 * bench.options.seconds
    return highest, steady(bench, server.address, requests, [server], connections=CONNECTIONS, rate=rate, seconds=seconds)


def stalls(bench):
    """Whatever waits while a core stands still at this rate takes five times as long to be made up for."""
    seconds = 3 * bench.options.seconds
    with ThreadPoolExecutor() as both:
        said = both.map(lambda core: run(bench.options.bare, "stalls", seconds, cores=core), BOTH.split(","))
    for core, stood in zip(BOTH.split(","), said):
        number, all_of_them, longest = stood.split()
        print(f"\nCore {core}, busy with nothing but the clock, as the other, stood still for over 1 ms {number} times in {seconds} s: "
              f"{all_of_them} ms in all, {longest} ms at most.")
