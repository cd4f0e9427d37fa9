#!/bin/bash
# able.sh: says whether this machine can run the cluster; if not, prints why and fails. able.sh --up: whether one is up already.
set -euo pipefail
. "$(dirname "$(readlink -f "$0")")/env.sh"
[ "${1:-}" != --up ] || { [ -s "$RUN/pids" ] && exit 0 || exit 1; }
need_root
[ -d /sys/fs/cgroup/memory ] || fail "this machine has no cgroup v1 hierarchies in /sys/fs/cgroup"
unshare --mount --net --pid --fork true 2>/dev/null || fail "this machine's root may not make namespaces"
for command in iptables containerd runc; do
  command -v $command >/dev/null || command -v apt-get >/dev/null || fail "$command is missing, and no apt-get to install it"
done
if [ ! -x "$BIN/kubelet" ]; then
  command -v go >/dev/null || fail "needs Go ($GO_VERSION or newer) on PATH or in /usr/local/go/bin"
  have=$(go env GOVERSION); have=${have#go}
  [ "$(printf '%s\n' "$GO_VERSION" "${have%% *}" | sort -V | head -1)" = "$GO_VERSION" ] || fail "needs Go $GO_VERSION or newer, this is $have"
fi
