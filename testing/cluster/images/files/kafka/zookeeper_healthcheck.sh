#!/bin/bash
# Ready and alive when this node serves: it answers "imok" to "ruok", and is part of a quorum.
set -euo pipefail
[ "$(echo ruok | timeout 2 nc 127.0.0.1 12181)" = imok ]
echo srvr | timeout 2 nc 127.0.0.1 12181 | grep -q '^Mode: '
