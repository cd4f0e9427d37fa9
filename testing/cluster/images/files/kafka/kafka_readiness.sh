#!/bin/bash
# Ready when the broker answers an ApiVersions request on the replication listener; a controller alone, when it listens.
# /dev/tcp instead of a Java tool: a probe every 2 s must cost next to nothing.
set -euo pipefail
if grep -q '^process.roles=controller$' /opt/kafka/custom-config/server.config; then exec 3<>/dev/tcp/127.0.0.1/9090; exit; fi
exec 3<>/dev/tcp/127.0.0.1/9091
printf '\0\0\0\12\0\22\0\0\0\0\0\1\377\377' >&3   # length 10, ApiVersions (18) version 0, correlation id 1, no client id
size=$(timeout 4 head -c 4 <&3 | wc -c)
[ "$size" = 4 ]
