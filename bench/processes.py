"""The processes of the benchmark: those that are measured, on the first core, and Redis, on the second."""

import http.client
import os
import re
import socket
import subprocess
import time

MEASURED, BESIDE, BOTH = "0", "1", "0,1"
# The same wherever it listens, so that a token outlives the process that issued it.
ISSUER = "http://localhost:9400"
METADATA = "/.well-known/openid-configuration"


def free_address(given=set()):
    """One that nobody listens on, and that was not given to anybody before, who may be about to."""
    while True:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port = listener.getsockname()[1]
        if port not in given:
            given.add(port)
            return f"127.0.0.1:{port}"


def connect(address):
    if address.startswith("unix:"):
        stream = socket.socket(socket.AF_UNIX)
        stream.connect(address.removeprefix("unix:"))
        return stream
    host, port = address.split(":")
    return socket.create_connection((host, int(port)), 20)


def run(*command, cores=BESIDE, **more):
    ran = subprocess.run(["taskset", "-c", cores, *map(str, command)], capture_output=True, text=True, stdin=subprocess.DEVNULL, **more)
    if ran.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}: {ran.stdout}{ran.stderr}")
    return ran.stdout


class Awake:
    """Keeps an idle core of a virtual machine from being given back to its host, where the kernel lets us say so: waking
    it takes longer than most requests, and whoever answers the load would pay for the load's having slept."""

    WHERE = "/sys/module/haltpoll/parameters"
    WANTED = {"guest_halt_poll_grow_start": "2000000", "guest_halt_poll_ns": "2000000", "guest_halt_poll_allow_shrink": "N"}

    def __init__(self):
        self.before = {}
        for name, value in self.WANTED.items():
            try:
                with open(f"{self.WHERE}/{name}", "r+") as file:
                    before = file.read().strip()
                    file.seek(0)
                    file.write(value)
                    file.flush()
                self.before[name] = before
            except OSError:
                pass

    def __str__(self):
        return "kept awake" if len(self.before) == len(self.WANTED) else "may fall asleep, for which the measured ones pay"

    def restore(self):
        for name, value in self.before.items():
            with open(f"{self.WHERE}/{name}", "w") as file:
                file.write(value)


class Process:
    """A process that is started here, and ended here whatever happens."""

    running = []
    started = 0

    def __init__(self, *command, place, cores=MEASURED, workers=None):
        Process.started += 1
        threads = {"TOKIO_WORKER_THREADS": str(workers)} if workers else {}
        self.name = os.path.basename(command[0])
        self.log = f"{place}/log-{Process.started}"
        with open(self.log, "a") as log:
            self.began = time.monotonic()
            self.process = subprocess.Popen(["taskset", "-c", cores, *command], cwd=place, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, env={**os.environ, **threads})
        Process.running.append(self)

    def ready(self, address, path=None):
        """Waits until it listens, or, with a path, until a GET of it is answered 200. Gives the seconds since its start."""
        while time.monotonic() < self.began + 120:
            self.alive()
            try:
                with connect(address) as stream:
                    if path:
                        stream.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
                    if not path or stream.recv(4096).startswith(b"HTTP/1.1 200"):
                        return time.monotonic() - self.began
            except OSError:
                pass
            time.sleep(0.001)
        raise SystemExit(f"{self.name} does not answer at {address}: {self.said()}")

    def alive(self):
        if self.process.poll() is not None:
            raise SystemExit(f"{self.name} has ended: {self.said()}")

    def said(self):
        with open(self.log, errors="replace") as log:
            log.seek(max(0, os.path.getsize(self.log) - 1000))
            return log.read()

    def trim(self):
        """The log of a long load would fill the disk."""
        os.truncate(self.log, 0)

    def family(self):
        """Itself and its children: nginx has one that does the work."""
        self.alive()
        pids = [self.process.pid]
        for pid in pids:
            with open(f"/proc/{pid}/task/{pid}/children") as file:
                pids += map(int, file.read().split())
        return pids

    def cpu(self):
        """Microseconds of CPU time of all threads, also of those that have ended: the kernel's clock of a process."""
        return sum(time.clock_gettime_ns(~pid << 3 | 2) for pid in self.family()) / 1000

    def resident(self):
        total = 0
        for pid in self.family():
            with open(f"/proc/{pid}/status") as file:
                total += int(re.search(r"VmRSS:\s+(\d+)", file.read()).group(1)) / 1024
        return total

    def stop(self):
        if self in Process.running:
            Process.running.remove(self)
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if os.path.exists(self.log):
            os.remove(self.log)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Redis(Process):
    def __init__(self, place):
        self.address = free_address()
        self.port = self.address.split(":")[1]
        super().__init__("redis-server", "--port", self.port, "--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction",
                         place=place, cores=BESIDE)
        self.ready(self.address)

    def ask(self, *command):
        return run("redis-cli", "-p", self.port, *command).strip()


class Certbound(Process):
    """certbound as everything here starts it, but for what is given."""

    def __init__(self, bench, store="redis", address=None, keys="keys", clients="clients.json", believes=("--client-ca", "ca.pem"),
                 flags=(), cores=MEASURED, workers=None):
        self.address = address or free_address()
        urls = {"memory": "memory:", "file": f"file:{bench.place}/state", "redis": f"redis://{bench.redis.address}"}
        flags = ["--issuer", ISSUER, "--listen", self.address, "--admin-listen", free_address(), "--clients", clients,
                 "--trusted-proxy", "unix" if self.address.startswith("unix:") else "127.0.0.1", "--user-header", "X-User",
                 "--store", urls[store], *(["--keys", keys] if keys else ["--store-secret-file", "secret"]), *believes, *flags]
        super().__init__(bench.options.certbound, "serve", *flags, place=bench.place, cores=cores, workers=workers)
        self.start = self.ready(self.address, METADATA)


class Bare(Process):
    """The bare hyper server, which answers with those octets, and does what it is to before: `sign` or `verify`."""

    def __init__(self, bench, body, address=None, cores=MEASURED, workers=None, deed=None):
        self.address = address or free_address()
        with open(f"{bench.place}/body", "w") as file:
            file.write(body)
        super().__init__(bench.options.bare, "serve", self.address, "body", *([deed] if deed else []), place=bench.place, cores=cores, workers=workers)
        self.ready(self.address)


class Nginx(Process):
    """nginx in front of a Unix socket. It speaks plain HTTP, so that no TLS is measured, and passes on what the load sends."""

    def __init__(self, bench, socket_path):
        self.address = free_address()
        folder = f"{bench.place}/nginx-{Process.started}"
        os.makedirs(f"{folder}/gated")
        with open(f"{folder}/gated/file", "w") as file:
            file.write("a file behind the gate\n")
        # The one who owns the socket and the folder; anybody but root cannot be somebody else anyway.
        user = "user root;" if os.getuid() == 0 else ""
        with open(f"{folder}/nginx.conf", "w") as file:
            file.write(CONFIGURATION.format(user=user, folder=folder, address=self.address, socket=socket_path))
        super().__init__("nginx", "-p", folder, "-e", f"{folder}/error.log", "-c", f"{folder}/nginx.conf", place=bench.place)
        self.ready(self.address)


CONFIGURATION = """
daemon off;
{user}
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{
  worker_connections 4096;
}}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  keepalive_requests 100000000;
  upstream behind {{
    server unix:{socket};
    keepalive 64;
    keepalive_requests 100000000;
  }}
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  server {{
    listen {address};
    location / {{
      proxy_pass http://behind;
    }}
    location = /_gate {{
      internal;
      proxy_pass http://behind/verify;
      proxy_pass_request_body off;
      proxy_set_header Connection "";
      proxy_set_header Content-Length "";
    }}
    location /gated/ {{
      auth_request /_gate;
      root {folder};
    }}
  }}
}}
"""


def ask(address, method, path, form=None, headers=None):
    """One request, and its status, headers and body."""
    connection = http.client.HTTPConnection(address, timeout=20)
    connection.request(method, path, form, headers or {})
    answer = connection.getresponse()
    result = answer.status, answer.headers, answer.read().decode()
    connection.close()
    return result
