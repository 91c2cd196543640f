"""How what a request costs grows with what there is: clients, tokens, certificates, connections."""

import functools
import json
import os
import re

from clients import CLIENTS, Asker, credentials, write_registrations, written
from loads import CONNECTIONS, head, middle, rounds, row, steady, title, wrk
from processes import Bare, Certbound
from workloads import workload

# How many different requests a load makes in turn, at most.
MOST = 10_000
STEP = 500_000


def part(bench):
    title("Scale")
    print("CPU µs a request on Redis, and the ratio to the bare server with the same requests.\n")
    clients(bench, (10, 1_000, 100_000) + ((1_000_000,) if bench.options.scale else ()))
    tokens(bench, (1_000, 100_000) + ((5_000_000,) if bench.options.scale else ()))
    certificates(bench, (1, 100, 10_000))
    connections(bench, (1, 32, 1_000))


def clients(bench, sizes):
    head("registered clients", "W1 µs", "ratio", "W2 µs", "ratio", "start ms", "MiB after it")
    for size in sizes:
        write_registrations(f"{bench.place}/many.json", size)
        with Certbound(bench, clients="many.json") as server:
            resident, cells = server.resident(), []
            for odd in (0, 1):
                # As many as a load makes, spread over all of them.
                numbers = range(odd, size, max(2, size // MOST // 2 * 2))
                headers = [bench.pki.header(f"client-{number}") for number in range(CLIENTS)]
                requests = [written("POST", "/token", headers[n % CLIENTS], credentials(f"many-{n}")) for n in numbers]
                _, body = Asker(bench, server.address).token(f"many-{odd}", headers[odd])
                cells += against_bare(bench, server, requests, body)
            row(f"{size:,}", *cells, f"{server.start * 1000:,.0f}", f"{resident:.1f}")
        os.remove(f"{bench.place}/many.json")
    bench.redis.ask("FLUSHALL")
    print()


def tokens(bench, sizes):
    head("live opaque tokens", "Redis MiB", "of them in turn", "W3 µs", "ratio", "W1 µs", "ratio", "tokens after it")
    for size in sizes:
        bench.redis.ask("FLUSHALL")
        with Certbound(bench, flags=["--access-token-ttl", "1h"]) as server:
            asker, header, kept = Asker(bench, server.address), bench.pki.header("client-0"), f"{bench.place}/kept"
            ask = [written("POST", "/token", header, credentials("client-0"))]
            looked_at = min(size, MOST)
            # In steps, as each of them leaves a line in the log, which is emptied after each load.
            for made in range(0, size - looked_at, STEP):
                steady(bench, server.address, ask, [server], number=min(STEP, size - looked_at - made))
            steady(bench, server.address, ask, [server], number=looked_at, keep=kept)
            with open(kept) as file:
                forms = [{"client_id": "client-0", "token": json.loads(line)["access_token"]} for line in file]
            os.remove(kept)
            there = int(bench.redis.ask("DBSIZE"))
            memory = re.search(r"used_memory:(\d+)", bench.redis.ask("INFO", "memory")).group(1)
            body = asker.ask("POST", "/introspect", forms[0], header)[2]
            requests = [written("POST", "/introspect", header, form) for form in forms]
            introspected = against_bare(bench, server, requests, body)
            requests, body, _ = workload(bench, "W1", asker)
            issued = against_bare(bench, server, requests, body)
            row(f"{there:,}", f"{int(memory) / 2**20:,.0f}", f"{looked_at:,}", *introspected, *issued,
                f"{int(bench.redis.ask('DBSIZE')):,}")
    bench.redis.ask("FLUSHALL")
    print()


def certificates(bench, sizes):
    head("certificates in turn", "W1 µs", "ratio", "requests/s")
    made = bench.pki.many(max(sizes))
    with Certbound(bench) as server:
        for size in sizes:
            headers = made[:size]
            requests = [written("POST", "/token", header, credentials("fresh-opaque")) for header in headers]
            _, body = Asker(bench, server.address).token("fresh-opaque", headers[0])
            # Once through all of them, so that none is new.
            steady(bench, server.address, requests, [server], number=size)
            row(f"{size:,}", *against_bare(bench, server, requests, body, rate=True))
    print()


def connections(bench, sizes):
    head("connections", "W4 µs", "ratio", "requests/s", "p50 µs", "p99 µs")
    with Certbound(bench) as server:
        requests, body, _ = workload(bench, "W4", Asker(bench, server.address))
        with Bare(bench, body) as bare:
            for size in sizes:
                own, limit = compare(bench, server, bare, requests, size)
                row(f"{size:,}", f"{own.cpu[0]:.1f}", f"**{own.cpu[0] / limit.cpu[0]:.2f}**", f"{own.rate:,.0f}", f"{own.p50:.0f}", f"{own.p99:.0f}")


def against_bare(bench, server, requests, body, rate=False):
    with Bare(bench, body) as bare:
        own, limit = compare(bench, server, bare, requests)
    cells = [f"{own.cpu[0]:.1f}", f"**{own.cpu[0] / limit.cpu[0]:.2f}**"]
    return [*cells, f"{own.rate:,.0f}"] if rate else cells


def compare(bench, server, bare, requests, connections=CONNECTIONS):
    # There are many of them: each takes half the time of other loads.
    half = functools.partial(wrk, bench, requests=requests, connections=connections, seconds=max(1, bench.options.seconds // 2))
    pairs = rounds(bench, *(functools.partial(half, address=one.address, measured=[one]) for one in (server, bare)))
    return middle(pairs, lambda pair: pair[0].cpu[0] / pair[1].cpu[0])
