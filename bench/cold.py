"""What it costs to see a certificate or a token for the first time. Each load makes each of its requests once, on a server
that was started just before and remembers nothing; beside it the same number of requests with eight of them in turn."""

import json
import os
import statistics

from clients import CLIENTS, Asker, credentials, written
from loads import head, median_cpu, rounds, row, steady, title
from processes import Bare, Certbound

VERIFIED = "X-ClientCert-Verify: SUCCESS"


def part(bench):
    number = 15_000 * bench.options.seconds
    title(f"Never seen before: {number:,} of each, memory:")
    head("", "known µs", "new µs", "new costs", "at most")
    certificates = bench.pki.many(number)
    for name, believes, most in (
            ("a certificate, parsed (--front-end-verifies)", ["--front-end-verifies"], 40),
            ("a certificate, parsed and its chain validated (--client-ca)", ["--client-ca", "ca.pem"], 160)):
        with Certbound(bench, "memory", believes=believes) as server:
            token, _ = Asker(bench, server.address).token("fresh", certificates[0], dict([VERIFIED.split(": ")]))
        # Introspection by its client writes nothing, and the token is the same for all of them.
        form = {"client_id": "fresh", "token": token}
        requests = [written("POST", "/introspect", certificate, form, [VERIFIED]) for certificate in certificates]
        compare(bench, name, requests, believes, f"{most} µs", most)

    with Certbound(bench, "memory") as server:
        of_each = [gate_requests(bench, server, client, number // CLIENTS) for client in range(CLIENTS)]
    requests = sum(of_each, [])
    verify = verification(bench, requests)
    said = f"one ES256 verification: {verify:.1f} µs by the bare server, {bench.limits.verify:.1f} by itself"
    compare(bench, "a JWT at the gate", requests, ["--client-ca", "ca.pem"], said, verify)


def verification(bench, requests):
    """What a signature costs where it is checked for a request: the bare server's, with and without."""
    def load(deed):
        with Bare(bench, "x" * 300, deed=deed) as server:
            return steady(bench, server.address, requests, [server], number=len(requests))

    pairs = rounds(bench, lambda: load(None), lambda: load("verify"))
    return statistics.median(checks.cpu[0] - plain.cpu[0] for plain, checks in pairs)


def gate_requests(bench, server, client, number):
    """W4 with that many tokens of one client."""
    header, kept = bench.pki.header(f"client-{client}"), f"{bench.place}/kept"
    asked = [written("POST", "/token", header, credentials(f"jwt-{client}"))]
    steady(bench, server.address, asked, [server], number=number, keep=kept)
    with open(kept) as file:
        tokens = [json.loads(line)["access_token"] for line in file]
    os.remove(kept)
    return [written("GET", "/verify", header, headers=[f"Authorization: Bearer {token}"]) for token in tokens]


def compare(bench, name, requests, believes, said, most):
    known = [requests[at * len(requests) // CLIENTS] for at in range(CLIENTS)]

    def load(asked):
        with Certbound(bench, "memory", believes=believes) as server:
            return steady(bench, server.address, asked, [server], number=len(requests))

    pairs = rounds(bench, lambda: load(known), lambda: load(requests))
    more = statistics.median(new.cpu[0] - old.cpu[0] for old, new in pairs)
    row(name, f"{median_cpu(pairs, 0):.1f}", f"{median_cpu(pairs, 1):.1f}", f"**{more:.1f}**", f"{said}: {'within' if more <= most else 'OVER'}")
