"""The workloads, against what the physics cost; and two of them through nginx."""

from clients import CLIENTS, Asker, credentials, written
from loads import CONNECTIONS, head, middle, rounds, row, title, wrk
from processes import Bare, Certbound, Nginx

# What each workload may cost at most, as a multiple of the bare hyper server, and what to reach for.
LIMITS = {"W1": (2.8, 2.2), "W2": (5.2, 4.2), "W3": (2.4, 1.8), "W3j": (2.4, 1.8), "W4": (2.2, 1.7), "W5": (2.2, 1.7), "W6": (4.0, 3.2)}
# What Redis is asked to do in each; W2 asks it nothing.
COMMANDS = {"W1": "SET", "W3": "GET", "W3j": "GET", "W4": "GET", "W5": "GET", "W6": "SET"}


def workload(bench, name, asker):
    """The requests, the answer to one of them, and the status."""
    numbers = range(CLIENTS)
    header = bench.pki.header
    if name in ("W1", "W2"):
        prefix = "client" if name == "W1" else "jwt"
        requests = [written("POST", "/token", header(f"client-{n}"), credentials(f"{prefix}-{n}")) for n in numbers]
        return requests, asker.token(f"{prefix}-0", header("client-0"))[1], 200
    if name in ("W3", "W3j"):
        prefix = "client" if name == "W3" else "jwt"
        tokens = [asker.token(f"{prefix}-{n}", header(f"client-{n}"))[0] for n in numbers]
        forms = [{"client_id": f"{prefix}-{n}", "token": tokens[n]} for n in numbers]
        requests = [written("POST", "/introspect", header(f"client-{n}"), forms[n]) for n in numbers]
        return requests, asker.ask("POST", "/introspect", forms[0], header("client-0"))[2], 200
    if name in ("W4", "W5"):
        tokens = [asker.token(f"jwt-{n}", header(f"client-{n}"))[0] for n in numbers]
        shown = [header(f"client-{n if name == 'W4' else (n + 1) % CLIENTS}") for n in numbers]
        requests = [written("GET", "/verify", shown[n], headers=[f"Authorization: Bearer {tokens[n]}"]) for n in numbers]
        return requests, "", 200 if name == "W4" else 401
    given = list(asker.refresh_tokens(4 * CONNECTIONS))
    with open(f"{bench.place}/pool", "w") as file:
        file.write("".join(f"{token}\n" for token, _ in given))
    start = written("POST", "/token", header("client-0"), headers=["Content-Type: application/x-www-form-urlencoded"])
    # The length and the body come with each token.
    return [start.removesuffix("\\r\\n\\r\\n") + "\\r\\n"], given[0][1], 200


def compared(bench, name, server):
    """A workload on certbound and on the bare server in turn: the pair with the median ratio, and the bare one's MiB."""
    asker = Asker(bench, server.address)
    requests, body, wanted = workload(bench, name, asker)
    pool = f"{bench.place}/pool" if name == "W6" else None
    plain = requests
    if pool:
        form = {"grant_type": "refresh_token", "client_id": "rotates", "refresh_token": "x" * 71}
        plain = [written("POST", "/token", bench.pki.header("client-0"), form)]

    def own():
        if pool:
            # Those of the load before are used up.
            workload(bench, name, asker)
        return wrk(bench, server.address, requests, [server], wanted, pool=pool)

    with Bare(bench, body) as bare:
        wrk(bench, server.address, requests, [server], wanted, pool=pool, seconds=1)
        pairs = rounds(bench, own, lambda: wrk(bench, bare.address, plain, [bare]))
    return middle(pairs, lambda pair: pair[0].cpu[0] / pair[1].cpu[0])


def part(bench):
    title("Workloads")
    head("", "store", "µs", "bare µs", "ratio", "at most / reach for", "", "requests/s", "to bare", "p50 µs", "to bare", "p99 µs", "to bare",
         "MiB", "to bare")
    measured = {}
    for store in bench.options.stores.split(","):
        with Certbound(bench, store) as server:
            for name in bench.options.workloads:
                own, bare = compared(bench, name, server)
                measured[store, name] = own, bare
                (most, reach), ratio = LIMITS[name], own.cpu[0] / bare.cpu[0]
                verdict = "reached" if ratio <= reach else "within" if ratio <= most else "OVER"
                row(name, store, f"{own.cpu[0]:.1f}", f"{bare.cpu[0]:.1f}", f"**{ratio:.2f}**", f"{most} / {reach}", verdict,
                    f"{own.rate:,.0f}", f"{own.rate / bare.rate:.2f}", f"{own.p50:.0f}", f"{own.p50 / bare.p50:.2f}",
                    f"{own.p99:.0f}", f"{own.p99 / bare.p99:.2f}", f"{own.resident:.1f}", f"{own.resident / bare.resident:.2f}")
    for store, name in measured:
        if name == "W2":
            own, bare = measured[store, name]
            print(f"\nW2, {store}: {bench.limits.sign / bare.cpu[0]:.2f} of the ratio of {own.cpu[0] / bare.cpu[0]:.2f} is the signature; "
                  f"its rate is {own.rate * bench.limits.sign / 1e6:.2f} of the raw signing rate.")
    print(f"\n{bench.limits}", flush=True)
    beside = [name for name in COMMANDS if ("redis", name) in measured]
    if beside:
        print()
        head("on Redis", "requests/s", "redis-benchmark", "of it", "with -P 16", "of it")
        for name in beside:
            rate, command = measured["redis", name][0].rate, COMMANDS[name]
            one, many = bench.limits.redis[1, command], bench.limits.redis[16, command]
            row(name, f"{rate:,.0f}", f"{command} {one:,.0f}", f"{rate / one:.2f}", f"{command} {many:,.0f}", f"{rate / many:.2f}")


def nginx(bench):
    title("Through nginx, over a Unix socket")
    head("Redis", "certbound µs", "nginx µs", "bare µs", "nginx before it µs", "ratio", "with nginx", "requests/s", "to bare",
         "p50 µs", "to bare", "p99 µs", "to bare")
    own_socket = f"{bench.place}/certbound.sock"
    with Certbound(bench, address=f"unix:{own_socket}") as server, Nginx(bench, own_socket) as front:
        asker = Asker(bench, front.address)
        for number, name in enumerate(("W1", "W4", "W4 by auth_request")):
            bare_socket = f"{bench.place}/bare-{number}.sock"
            requests, body, wanted = workload(bench, name[:2], asker)
            if name.endswith("auth_request"):
                requests = [request.replace("GET /verify ", "GET /gated/file ", 1) for request in requests]
            with Bare(bench, body, f"unix:{bare_socket}") as bare, Nginx(bench, bare_socket) as bare_front:
                wrk(bench, front.address, requests, [server], wanted, seconds=1)
                pairs = rounds(bench, lambda: wrk(bench, front.address, requests, [server, front]),
                               lambda: wrk(bench, bare_front.address, requests, [bare, bare_front]))
            own, limit = middle(pairs, lambda pair: sum(pair[0].cpu) / sum(pair[1].cpu))
            row(name, f"{own.cpu[0]:.1f}", f"{own.cpu[1]:.1f}", f"{limit.cpu[0]:.1f}", f"{limit.cpu[1]:.1f}",
                f"**{own.cpu[0] / limit.cpu[0]:.2f}**", f"**{sum(own.cpu) / sum(limit.cpu):.2f}**", f"{own.rate:,.0f}",
                f"{own.rate / limit.rate:.2f}", f"{own.p50:.0f}", f"{own.p50 / limit.p50:.2f}", f"{own.p99:.0f}", f"{own.p99 / limit.p99:.2f}")
