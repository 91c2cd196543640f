# Redis as Debian has it. The configuration is mounted.
FROM debian:bookworm-slim

RUN apt-get update \
 && apt-get install -y --no-install-recommends redis-server \
 && rm -rf /var/lib/apt/lists/*

# The folder of the socket can be entered by the group alone, of which certbound is a member.
RUN groupadd --gid 9402 certbound-store \
 && useradd --uid 9402 --gid certbound-store \
      --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin certbound-store \
 && install -d -o certbound-store -g certbound-store -m 0750 /run/certbound-store /var/lib/certbound-store

USER certbound-store
CMD ["redis-server", "/etc/certbound-store/redis.conf"]
