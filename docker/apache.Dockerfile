# Apache as Debian has it. The configuration is mounted.
FROM debian:bookworm-slim

RUN apt-get update \
 && apt-get install -y --no-install-recommends apache2 \
 && rm -rf /var/lib/apt/lists/*

# Being in this group, and nothing else, makes a process the trusted proxy.
RUN groupadd --gid 9401 certbound-web

USER www-data:certbound-web
# Apache ends what is in flight on SIGWINCH, and cuts it off on SIGTERM.
STOPSIGNAL SIGWINCH
CMD ["apache2", "-f", "/etc/apache2/certbound.conf", "-D", "FOREGROUND"]
