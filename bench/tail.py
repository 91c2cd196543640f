"""How much longer the slowest answers take, at four fifths of the highest rate. Requests come at random moments, and one
that finds every connection busy waits: that counts, too."""

from clients import Asker
from loads import head, middle, row, steady, title
from processes import Bare, Certbound
from workloads import workload

CONNECTIONS = 128
MOST = 10


def part(bench):
    title("At 80 % of the highest rate")
    head("Redis", "highest requests/s", "p50 µs", "p99 µs", "p99 to p50", f"under {MOST}")
    with Certbound(bench) as server:
        for name in ("W3", "W4"):
            requests, body, _ = workload(bench, name, Asker(bench, server.address))
            highest = tail(bench, name, server, requests)
        # What the load adds by itself.
        with Bare(bench, body) as bare:
            tail(bench, "bare, at W4's rate", bare, requests, highest)


def tail(bench, name, server, requests, known=None):
    def once():
        highest = known or steady(bench, server.address, requests, [server], connections=CONNECTIONS).rate
        return highest, steady(bench, server.address, requests, [server], connections=CONNECTIONS, rate=0.8 * highest)

    results = [once() for _ in range(bench.options.rounds)]
    highest, load = middle(results, lambda result: result[1].p99 / result[1].p50)
    ratio = load.p99 / load.p50
    row(name, f"{highest:,.0f}", f"{load.p50:.0f}", f"{load.p99:.0f}", f"**{ratio:.1f}**", "yes" if ratio < MOST else "NO")
    return highest
