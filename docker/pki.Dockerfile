# Makes the throw-away certificates, once, and ends.
FROM debian:bookworm-slim

RUN apt-get update \
 && apt-get install -y --no-install-recommends openssl \
 && rm -rf /var/lib/apt/lists/*

COPY docker/make-pki /usr/local/bin/make-pki
ENTRYPOINT ["make-pki", "/pki"]
