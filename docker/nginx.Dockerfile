# nginx as Debian has it. The configuration is mounted.
FROM debian:bookworm-slim

RUN apt-get update \
 && apt-get install -y --no-install-recommends nginx \
 && rm -rf /var/lib/apt/lists/*

# Being in this group, and nothing else, makes a process the trusted proxy.
RUN groupadd --gid 9401 certbound-web

USER www-data:certbound-web
# nginx ends what is in flight on SIGQUIT, and cuts it off on SIGTERM.
STOPSIGNAL SIGQUIT
CMD ["nginx", "-e", "stderr", "-c", "/etc/nginx/certbound.conf", "-g", "daemon off;"]
