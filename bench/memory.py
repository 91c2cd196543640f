"""What is held in memory, in Redis and in the process; and how long a start takes."""

import statistics
import time

from clients import Asker, write_registrations
from loads import head, row, title, wrk
from processes import Certbound, run
from workloads import workload

REGISTRATIONS = 10_000
CONNECTIONS = 1_000


def part(bench):
    title("Memory, and the start")
    head("", "", "at most")
    records(bench)
    with Certbound(bench) as server:
        time.sleep(1)
        limited("resident, idle", server.resident(), 20, "{:.1f} MiB")
        requests, _, _ = workload(bench, "W2", Asker(bench, server.address))
        load = wrk(bench, server.address, requests, [server], connections=CONNECTIONS)
        limited(f"resident with {CONNECTIONS:,} connections, W2", load.resident, 64, "{:.1f} MiB")
    start(bench)


def records(bench):
    """What Redis needs for one: the record, its key, and what Redis itself adds."""
    bench.redis.ask("FLUSHALL")
    with Certbound(bench) as server:
        asker = Asker(bench, server.address)
        for _ in range(20):
            asker.token("client-0", bench.pki.header("client-0"))
        used("an opaque access token in Redis (W1)", bench, "at", 400)
        for token, _ in list(asker.refresh_tokens(20)):
            form = {"grant_type": "refresh_token", "client_id": "rotates", "refresh_token": token}
            asker.ask("POST", "/token", form, bench.pki.header("client-0"))
        used("a refresh token in Redis (W6)", bench, "rt", 600, lambda value: '"x":true' not in value)
        used("one that was used: another came in its place", bench, "rt", None, lambda value: '"x":true' in value)
        used("what a user allowed, once for all its tokens", bench, "fa", None)
    bench.redis.ask("FLUSHALL")


def used(name, bench, kind, most, counts=lambda value: True):
    keys = bench.redis.ask("--scan", "--pattern", f"cb:{kind}:*").splitlines()
    octets = [int(bench.redis.ask("MEMORY", "USAGE", key)) for key in keys if counts(bench.redis.ask("GET", key))]
    limited(name, statistics.median(octets), most, "{:.0f} octets")


def start(bench):
    """A second start: the keys are there, sealed in Redis."""
    write_registrations(f"{bench.place}/many.json", REGISTRATIONS)
    run(bench.options.certbound, "keys", "generate", "--store", f"redis://{bench.redis.address}", "--store-secret-file", "secret",
        cwd=bench.place)
    starts = []
    for _ in range(5):
        with Certbound(bench, keys=None, clients="many.json") as server:
            starts.append(server.start * 1000)
    limited(f"start to first answer, {REGISTRATIONS:,} registrations, Redis", statistics.median(starts), 100, "{:.0f} ms")
    bench.redis.ask("FLUSHALL")


def limited(name, value, most, unit):
    row(name, f"**{unit.format(value)}**", f"{most}: {'within' if value <= most else 'OVER'}" if most else "")
