"""How much longer the slowest answers take, at four fifths of the highest rate. Requests come at random moments, and one
that finds every connection busy waits: that counts, too."""

from concurrent.futures import ThreadPoolExecutor

from clients import Asker
from loads import head, middle, row, steady, title
from processes import BESIDE, BOTH, MEASURED, Bare, Certbound, run
from workloads import workload

CONNECTIONS = 128
MOST = 10


def part(bench):
    title("At 80 % of the highest rate")
    with Certbound(bench) as server:
        asked = []
        for name in ("W3", "W4"):
            requests, body, _ = workload(bench, name, Asker(bench, server.address))
            asked.append((name, server, requests))
        # What the machine and the load add by themselves. The signature is there so that it is the server that is busy.
        with Bare(bench, body, deed="sign") as bare:
            asked.append(("bare, with a signature", bare, requests))
            print("The load has a core of its own:\n")
            table(bench, asked, BESIDE, 0.8)
            stalls(bench)
            # No core stands still while the other has nothing to do.
            for share in (0.8, 0.6):
                print(f"\nThe load on the server's core, the other idle, at {share:.0%} of the highest rate of both:\n")
                table(bench, asked, MEASURED, share)


def table(bench, asked, cores, share):
    head("Redis", "highest requests/s", "p50 µs", "p99 µs", "p99 to p50", f"under {MOST}", "p99 of the middle 0.1 s", "to p50", f"under {MOST}",
         f"of all 0.1 s under {MOST}")
    turns = [[once(bench, server, requests, cores, share) for _, server, requests in asked] for _ in range(bench.options.rounds)]
    for (name, _, _), results in zip(asked, zip(*turns)):
        highest, load = middle(results, lambda result: result[1].p99 / result[1].p50)
        cells = [name, f"{highest:,.0f}", f"{load.p50:.0f}"]
        for p99 in (load.p99, load.usual_p99):
            ratio = p99 / load.p50
            cells += [f"{p99:.0f}", f"**{ratio:.1f}**", "yes" if ratio < MOST else "NO"]
        row(*cells, f"{load.even:.0f} %")


def once(bench, server, requests, cores, share):
    highest = steady(bench, server.address, requests, [server], connections=CONNECTIONS, cores=cores).rate
    rate, seconds = share * highest, 2 * bench.options.seconds
    return highest, steady(bench, server.address, requests, [server], connections=CONNECTIONS, cores=cores, rate=rate, seconds=seconds)


def stalls(bench):
    """Whatever waits while a core stands still at this rate takes five times as long to be made up for."""
    seconds = 3 * bench.options.seconds
    with ThreadPoolExecutor() as both:
        said = both.map(lambda core: run(bench.options.bare, "stalls", seconds, cores=core), BOTH.split(","))
    for core, stood in zip(BOTH.split(","), said):
        number, all_of_them, longest = stood.split()
        print(f"\nCore {core}, busy with nothing but the clock, as the other, stood still for over 1 ms {number} times in {seconds} s: "
              f"{all_of_them} ms in all, {longest} ms at most.")
