"""The clients: their certificates, their registrations, and what they ask."""

import base64
import hashlib
import json
import urllib.parse

from processes import ask, run

CLIENTS = 8
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
CALLBACK = "https://app.example.com/cb"


# What CAs put into certificates besides, so that a header is as long as those that web servers forward.
USUAL = ("subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
         "authorityInfoAccess=OCSP;URI:http://ocsp.bench.example.com,caIssuers;URI:http://pki.bench.example.com/issuing-ca.cer\n"
         "crlDistributionPoints=URI:http://pki.bench.example.com/issuing-ca.crl\n"
         f"certificatePolicies=1.3.6.1.4.1.99999.1\nnsComment={'Issued for machines under the policy of the Example Bank. ' * 4}\n")


class Pki:
    """A CA and eight clients, whose certificates make headers of about 1.9 kB; and another CA that has many."""

    def __init__(self, place, bare):
        self.place, self.bare, self.headers, self.made = place, bare, {}, []
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key",
                     "-out", "ca.crt", "-days", "30", "-subj", "/C=NO/O=Example Bank/CN=Bench CA",
                     "-addext", "keyUsage=critical,keyCertSign,cRLSign")
        for number in range(CLIENTS):
            self.issue(f"client-{number}")
        self.many(1)

    def openssl(self, *arguments):
        run("openssl", *arguments, cwd=self.place)

    def issue(self, name):
        with open(f"{self.place}/{name}.ext", "w") as file:
            file.write("extendedKeyUsage=clientAuth\nkeyUsage=critical,digitalSignature\n"
                       f"subjectAltName=DNS:{name}.example.com,URI:urn:example:{name}\n{USUAL}")
        self.openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr",
                     "-subj", f"/C=NO/O=Example Bank/CN={name}")
        self.openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-days", "20",
                     "-out", f"{name}.crt", "-extfile", f"{name}.ext")
        with open(f"{self.place}/{name}.crt") as file:
            self.headers[name] = urllib.parse.quote(file.read(), safe="")

    def many(self, number):
        """Headers of that many different certificates, all of them the client's that is called fresh."""
        if len(self.made) < number:
            run(self.bare, "certificates", number, "many.crt", "many", cwd=self.place)
            with open(f"{self.place}/many") as file:
                self.made = file.read().splitlines()
            with open(f"{self.place}/ca.pem", "w") as bundle:
                for name in ("ca.crt", "many.crt"):
                    with open(f"{self.place}/{name}") as file:
                        bundle.write(file.read())
        return self.made[:number]

    def header(self, name):
        return self.headers[name]


def registration(name, access_token_format, certificate=None):
    return {"client_id": name, "token_endpoint_auth_method": "tls_client_auth",
            "tls_client_auth_subject_dn": f"CN={certificate or name},O=Example Bank,C=NO",
            "grant_types": ["client_credentials"], "scope": "orders.read orders.write",
            "audience": ["https://orders.example.com"], "access_token_format": access_token_format}


def write_registrations(path, more=0):
    """Those of the workloads, and more that have the same certificates: by turns opaque and JWT."""
    written = [registration(f"client-{number}", "opaque") for number in range(CLIENTS)]
    written += [registration(f"jwt-{number}", "jwt", f"client-{number}") for number in range(CLIENTS)]
    written.append({**registration("rotates", "opaque", "client-0"), "grant_types": ["authorization_code", "refresh_token"],
                    "redirect_uris": [CALLBACK], "consent": False, "refresh_token_rotation": "always", "scope": "a"})
    for name, access_token_format in (("fresh", "jwt"), ("fresh-opaque", "opaque")):
        fresh = registration(name, access_token_format)
        del fresh["tls_client_auth_subject_dn"]
        written.append({**fresh, "tls_client_auth_san_dns": "fresh.example.com"})
    with open(path, "w") as file:
        file.write("[" + ",\n".join(map(json.dumps, written)))
        for number in range(more):
            file.write(",\n" + json.dumps(registration(f"many-{number}", ("opaque", "jwt")[number % 2], f"client-{number % CLIENTS}")))
        file.write("]\n")


class Asker:
    """Asks at an address as the clients do, and writes down what a load is to ask."""

    def __init__(self, bench, address):
        self.pki, self.place, self.address = bench.pki, bench.place, address

    def ask(self, method, path, form=None, certificate=None, headers=None):
        sent = {"X-ClientCert": certificate} if certificate else {}
        sent.update(headers or {})
        if form is not None:
            sent["Content-Type"] = "application/x-www-form-urlencoded"
            form = urllib.parse.urlencode(form)
        return ask(self.address, method, path, form, sent)

    def token(self, client, certificate, headers=None):
        """The access token, and the whole answer."""
        status, _, body = self.ask("POST", "/token", credentials(client), certificate, headers)
        expect(status == 200, body)
        return json.loads(body)["access_token"], body

    def refresh_tokens(self, number):
        for _ in range(number):
            query = urllib.parse.urlencode({
                "client_id": "rotates", "response_type": "code", "redirect_uri": CALLBACK, "scope": "a",
                "code_challenge": CHALLENGE, "code_challenge_method": "S256"})
            status, headers, body = self.ask("GET", f"/authorize?{query}", headers={"X-User": "somebody"})
            expect(status == 303, body)
            code = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(headers["Location"]).query))["code"]
            status, _, body = self.ask("POST", "/token", {
                "grant_type": "authorization_code", "client_id": "rotates", "code": code, "redirect_uri": CALLBACK,
                "code_verifier": VERIFIER}, self.pki.header("client-0"))
            expect(status == 200, body)
            yield json.loads(body)["refresh_token"], body


def expect(fine, said):
    if not fine:
        raise SystemExit(f"certbound answered: {said}")


def credentials(client):
    return {"grant_type": "client_credentials", "client_id": client}


def written(method, path, certificate=None, form=None, headers=()):
    """A whole request on one line, as the loads read it."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *headers]
    if certificate:
        lines.append(f"X-ClientCert: {certificate}")
    if form is not None:
        body = urllib.parse.urlencode(form)
        lines += ["Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(body)}", "", body]
    else:
        lines += ["", ""]
    return "\\r\\n".join(lines)
