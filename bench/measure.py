"""Measures certbound. See bench/README.md; started by bench/run."""

import argparse
import base64
import hashlib
import http.client
import json
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse

CLIENTS = 8
CONNECTIONS = 32
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
CALLBACK = "https://app.example.com/cb"
# What each workload may cost at most, as a multiple of the bare hyper server, and what to reach for.
LIMITS = {"W1": (2.8, 2.2), "W2": (5.2, 4.2), "W3": (2.4, 1.8), "W3j": (2.4, 1.8), "W4": (2.2, 1.7), "W5": (2.2, 1.7), "W6": (4.0, 3.2)}


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def run(*command, **more):
    return subprocess.run(command, check=True, capture_output=True, text=True, **more).stdout


class Pki:
    """A CA and eight clients, whose certificates make headers of about 1.9 kB."""

    def __init__(self, place):
        self.place = place
        self.config("ca", "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n")
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key",
                     "-out", "ca.crt", "-days", "30", "-subj", "/C=NO/O=Example Bank/CN=Bench CA",
                     "-addext", "keyUsage=critical,keyCertSign,cRLSign")
        for number in range(CLIENTS):
            self.issue(f"client-{number}")
        self.issue("other")

    def openssl(self, *arguments):
        run("openssl", *arguments, cwd=self.place, stdin=subprocess.DEVNULL)

    def config(self, name, text):
        with open(f"{self.place}/{name}.ext", "w") as file:
            file.write(text)

    def issue(self, name):
        self.config(name, "extendedKeyUsage=clientAuth\nkeyUsage=critical,digitalSignature\n"
                    f"subjectAltName=DNS:{name}.example.com,URI:urn:example:{name}\n")
        self.openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr",
                     "-subj", f"/C=NO/O=Example Bank/CN={name}")
        self.openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-days", "20",
                     "-out", f"{name}.crt", "-extfile", f"{name}.ext")

    def header(self, name):
        with open(f"{self.place}/{name}.crt") as file:
            return urllib.parse.quote(file.read(), safe="")


class Server:
    """A process on the first core, whose CPU time is read from /proc."""

    def __init__(self, *command, cwd):
        self.log = open(f"{cwd}/log", "a")
        self.process = subprocess.Popen(["taskset", "-c", "0", *command], cwd=cwd, stdout=self.log, stderr=self.log)

    def ready(self, port):
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", port), 0.2).close()
                return self
            except OSError:
                time.sleep(0.05)
        raise SystemExit(f"nothing listens at port {port}: see {self.log.name}")

    def cpu(self):
        """Microseconds of CPU time of all threads. The scheduler's own account has nanoseconds."""
        total = 0
        tasks = f"/proc/{self.process.pid}/task"
        for task in os.listdir(tasks):
            with open(f"{tasks}/{task}/schedstat") as file:
                total += int(file.read().split()[0])
        return total / 1000

    def resident(self):
        with open(f"/proc/{self.process.pid}/status") as file:
            return int(re.search(r"VmRSS:\s+(\d+)", file.read()).group(1)) / 1024

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(15)


class Bench:
    def __init__(self, options, place):
        self.options, self.place = options, place
        self.pki = Pki(place)
        self.redis_port = free_port()
        self.redis = subprocess.Popen(
            ["taskset", "-c", "1", "redis-server", "--port", str(self.redis_port), "--save", "", "--appendonly", "no",
             "--maxmemory-policy", "noeviction"], cwd=place, stdout=subprocess.DEVNULL)
        with open(f"{place}/secret", "w") as file:
            file.write("0123456789abcdef0123456789abcdef")
        registrations = [self.client(f"client-{number}", "opaque") for number in range(CLIENTS)]
        registrations += [self.client(f"jwt-{number}", "jwt", f"client-{number}") for number in range(CLIENTS)]
        registrations.append({**self.client("rotates", "opaque", "client-0"), "grant_types": ["authorization_code", "refresh_token"],
                              "redirect_uris": [CALLBACK], "consent": False, "refresh_token_rotation": "always", "scope": "a"})
        with open(f"{place}/clients.json", "w") as file:
            json.dump(registrations, file)

    @staticmethod
    def client(name, access_token_format, certificate=None):
        return {"client_id": name, "token_endpoint_auth_method": "tls_client_auth",
                "tls_client_auth_subject_dn": f"CN={certificate or name},O=Example Bank,C=NO",
                "grant_types": ["client_credentials"], "scope": "orders.read orders.write",
                "audience": ["https://orders.example.com"], "access_token_format": access_token_format}

    def serve(self, store):
        port = free_port()
        urls = {"memory": "memory:", "file": f"file:{self.place}/state", "redis": f"redis://127.0.0.1:{self.redis_port}"}
        flags = ["--issuer", f"http://localhost:{port}", "--listen", f"127.0.0.1:{port}", "--admin-listen", f"127.0.0.1:{free_port()}",
                 "--trusted-proxy", "127.0.0.1", "--client-ca", "ca.crt", "--clients", "clients.json", "--user-header", "X-User",
                 "--store", urls[store]]
        if store == "redis":
            flags += ["--store-secret-file", "secret"]
        self.port = port
        self.server = Server(self.options.certbound, "serve", *flags, cwd=self.place).ready(port)
        # The first start makes keys, two of them RSA.
        time.sleep(2)

    def ask(self, method, path, form=None, certificate=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        sent = {"X-ClientCert": self.pki.header(certificate)} if certificate else {}
        sent.update(headers or {})
        body = None
        if form is not None:
            sent["Content-Type"] = "application/x-www-form-urlencoded"
            body = urllib.parse.urlencode(form)
        connection.request(method, path, body, sent)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read().decode()

    def token(self, client, certificate):
        status, _, body = self.ask("POST", "/token", {"grant_type": "client_credentials", "client_id": client}, certificate)
        assert status == 200, body
        return json.loads(body)["access_token"], body

    def refresh_tokens(self, number):
        for _ in range(number):
            query = urllib.parse.urlencode({
                "client_id": "rotates", "response_type": "code", "redirect_uri": CALLBACK, "scope": "a",
                "code_challenge": CHALLENGE, "code_challenge_method": "S256"})
            status, headers, body = self.ask("GET", f"/authorize?{query}", headers={"X-User": "somebody"})
            assert status == 303, body
            code = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(headers["Location"]).query))["code"]
            status, _, body = self.ask("POST", "/token", {
                "grant_type": "authorization_code", "client_id": "rotates", "code": code, "redirect_uri": CALLBACK,
                "code_verifier": VERIFIER}, "client-0")
            assert status == 200, body
            yield json.loads(body)["refresh_token"], body

    def written(self, method, path, certificate, form=None, headers=()):
        """A whole request on one line, as load.lua reads it."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: localhost:{self.port}", *headers]
        if certificate:
            lines.append(f"X-ClientCert: {self.pki.header(certificate)}")
        if form is not None:
            body = urllib.parse.urlencode(form)
            lines += ["Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(body)}", "", body]
        else:
            lines += ["", ""]
        return "\\r\\n".join(lines)

    def workload(self, name):
        """The requests, what they are answered with, and the status."""
        numbers = range(CLIENTS)
        if name in ("W1", "W2"):
            prefix = "client" if name == "W1" else "jwt"
            requests = [self.written("POST", "/token", f"client-{n}", {"grant_type": "client_credentials", "client_id": f"{prefix}-{n}"}) for n in numbers]
            return requests, self.token(f"{prefix}-0", "client-0")[1], 200
        if name in ("W3", "W3j"):
            prefix = "client" if name == "W3" else "jwt"
            tokens = [self.token(f"{prefix}-{n}", f"client-{n}")[0] for n in numbers]
            forms = [{"client_id": f"{prefix}-{n}", "token": tokens[n]} for n in numbers]
            requests = [self.written("POST", "/introspect", f"client-{n}", forms[n]) for n in numbers]
            return requests, self.ask("POST", "/introspect", forms[0], "client-0")[2], 200
        if name in ("W4", "W5"):
            tokens = [self.token(f"jwt-{n}", f"client-{n}")[0] for n in numbers]
            shown = [f"client-{n if name == 'W4' else (n + 1) % CLIENTS}" for n in numbers]
            requests = [self.written("GET", "/verify", shown[n], headers=[f"Authorization: Bearer {tokens[n]}"]) for n in numbers]
            return requests, "", 200 if name == "W4" else 401
        given = list(self.refresh_tokens(4 * CONNECTIONS))
        with open(f"{self.place}/pool", "w") as file:
            file.write("".join(f"{token}\n" for token, _ in given))
        head = self.written("POST", "/token", "client-0", headers=["Content-Type: application/x-www-form-urlencoded"])
        # The length and the body come with each token.
        return [head.removesuffix("\\r\\n\\r\\n") + "\\r\\n"], given[0][1], 200

    def load(self, server, port, requests, seconds, pool=None, wanted=200):
        with open(f"{self.place}/requests", "w") as file:
            file.write("".join(f"{line}\n" for line in requests))
        command = ["taskset", "-c", "1", "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s",
                   os.path.join(os.path.dirname(__file__), "load.lua"), f"http://127.0.0.1:{port}", "--", f"{self.place}/requests"]
        if pool:
            command.append(pool)
        before = server.cpu()
        ran = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "WANTED": str(wanted)})
        spent = server.cpu() - before
        result = re.search(r"RESULT (\d+) (\d+) ([\d.]+) ([\d.]+) (\d+)", ran.stdout)
        if not result or "answered" in ran.stderr:
            raise SystemExit(f"the load failed: {ran.stdout}{ran.stderr}")
        number, microseconds, p50, p99, errors = (float(part) for part in result.groups())
        if errors and wanted == 200:
            raise SystemExit(f"{errors:.0f} of {number:.0f} requests failed: {ran.stdout}")
        return {"cpu": spent / number, "rate": number / microseconds * 1e6, "p50": p50, "p99": p99}

    def measure(self, name, store):
        requests, body, wanted = self.workload(name)
        with open(f"{self.place}/body", "w") as file:
            file.write(body)
        bare_port = free_port()
        bare = Server(self.options.bare, "serve", f"127.0.0.1:{bare_port}", f"{self.place}/body", cwd=self.place).ready(bare_port)
        pool = f"{self.place}/pool" if name == "W6" else None
        rounds = []
        self.load(self.server, self.port, requests, 1, pool, wanted)
        for _ in range(self.options.rounds):
            if pool:
                # Those of the last round are used up.
                requests, _, _ = self.workload(name)
            own = self.load(self.server, self.port, requests, self.options.seconds, pool, wanted)
            plain = requests
            if pool:
                form = {"grant_type": "refresh_token", "client_id": "rotates", "refresh_token": "x" * 71}
                plain = [self.written("POST", "/token", "client-0", form)]
            limit = self.load(bare, bare_port, plain, self.options.seconds)
            rounds.append((own, limit, own["cpu"] / limit["cpu"]))
        bare.stop()
        rounds.sort(key=lambda one: one[2])
        own, limit, ratio = rounds[len(rounds) // 2]
        most, reach = LIMITS[name]
        verdict = "reached" if ratio <= reach else "within" if ratio <= most else "OVER"
        print(f"| {name} | {store} | {own['cpu']:.1f} | {limit['cpu']:.1f} | **{ratio:.2f}** | {most} / {reach} | {verdict} "
              f"| {own['rate']:,.0f} | {own['p50']:.0f} | {own['p99']:.0f} | {self.server.resident():.1f} |", flush=True)

    def limits(self):
        sign = statistics.median(float(run("taskset", "-c", "0", self.options.bare, "sign", "1")) for _ in range(3))
        asked = run("taskset", "-c", "1", "redis-benchmark", "-p", str(self.redis_port), "-q", "-t", "get,set", "-n", "100000", "-c", "32", "--csv")
        rates = dict(re.findall(r'"(GET|SET)","([\d.]+)"', asked))
        print(f"\nOne ES256 signature: {sign:.1f} µs. redis-benchmark on the other core, 32 connections: "
              f"GET {float(rates['GET']):,.0f}/s, SET {float(rates['SET']):,.0f}/s.")


def main():
    parser = argparse.ArgumentParser(prog="bench/run")
    parser.add_argument("certbound")
    parser.add_argument("bare")
    parser.add_argument("workloads", nargs="*", default=list(LIMITS))
    parser.add_argument("--seconds", type=int, default=3, help="how long each measurement takes")
    parser.add_argument("--rounds", type=int, default=3, help="of how many the median is taken")
    parser.add_argument("--stores", default="redis,memory,file")
    options = parser.parse_args()
    unknown = [name for name in options.workloads if name not in LIMITS]
    if unknown:
        parser.error(f"there is no workload {unknown[0]}: write one of {', '.join(LIMITS)}")
    if os.cpu_count() < 2:
        parser.error("two cores are needed: one for what is measured, one for the load")
    with tempfile.TemporaryDirectory() as place:
        bench = Bench(options, place)
        print("CPU microseconds of all threads a request, medians by ratio; what is measured has one core, the load the other.\n")
        print("| | store | certbound | bare hyper | ratio | at most / reach for | | requests/s | p50 µs | p99 µs | MiB |")
        print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
        try:
            for store in options.stores.split(","):
                bench.serve(store)
                for name in options.workloads:
                    bench.measure(name, store)
                bench.server.stop()
            bench.limits()
        finally:
            bench.redis.terminate()
            bench.redis.wait()


if __name__ == "__main__":
    sys.exit(main())
