# certbound: Debian, its CA certificates and the program, which `cargo build --release` made outside:
# Debian's rustc is older than this crate needs. BINARY is a path inside the repository that
# .dockerignore lets through, for example target/x86_64-unknown-linux-musl/release/certbound.
FROM debian:bookworm-slim
ARG BINARY=target/release/certbound

RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates \
 && rm -rf /var/lib/apt/lists/*

# Who is in certbound-web may open certbound's socket, and who is in certbound-store may open Redis's.
# The numbers are the same in every image, as files in shared volumes know nothing else.
RUN groupadd --gid 9400 certbound \
 && groupadd --gid 9401 certbound-web \
 && groupadd --gid 9402 certbound-store \
 && useradd --uid 9400 --gid certbound --groups certbound-web,certbound-store \
      --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin certbound \
 && install -d -o certbound -g certbound-web -m 0750 /run/certbound

COPY ${BINARY} /usr/local/bin/certbound
# A program that was built against a newer libc fails here, with the loader's own words, and not at start.
RUN certbound --version

USER certbound
# certbound.toml is found here by every command: docker compose exec certbound certbound check
WORKDIR /etc/certbound
ENTRYPOINT ["certbound"]
CMD ["serve"]
