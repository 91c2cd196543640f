"""Makes keys, and opens what was encrypted to them, with jwcrypto."""

import json
import sys

from jwcrypto import jwe, jwk, jws

ALGORITHMS = [
    "RSA1_5", "RSA-OAEP", "RSA-OAEP-256", "ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A256KW",
    "A128CBC-HS256", "A256CBC-HS512", "A128GCM", "A256GCM",
]


def make():
    kinds = [
        {"kty": "RSA", "size": 2048},
        {"kty": "RSA", "size": 3072},
        {"kty": "EC", "crv": "P-256"},
        {"kty": "EC", "crv": "P-384"},
        {"kty": "EC", "crv": "P-521"},
        {"kty": "OKP", "crv": "X25519"},
    ]
    keys = [jwk.JWK.generate(**kind, kid=f"key {at}", use="enc") for at, kind in enumerate(kinds)]
    return [
        {"private": key.export_private(as_dict=True), "public": key.export_public(as_dict=True)}
        for key in keys
    ]


def opened(asked, signer):
    outer = jwe.JWE(algs=ALGORITHMS)
    outer.deserialize(asked["jwe"], key=jwk.JWK(**asked["key"]))
    inner = jws.JWS()
    inner.deserialize(outer.payload.decode(), key=signer, alg="ES256")
    header = json.loads(outer.objects["protected"])
    return {"header": header, "claims": json.loads(inner.payload)}


question = json.load(sys.stdin)
if question is None:
    answer = make()
else:
    signer = jwk.JWK(**question["signer"])
    answer = [opened(asked, signer) for asked in question["tokens"]]
json.dump(answer, sys.stdout)
