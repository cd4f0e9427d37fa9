# shellcheck shell=bash disable=SC2034
# Settings and small helpers that every script of this folder sources, so that names, addresses and places are said once.
# State, binaries, images, certificates and logs all live in HOME_DIR; this folder is only read.
HERE=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
ROOT=$(dirname "$(dirname "$HERE")")
PYTHON=$ROOT/.venv/bin/python   # the project's environment: images and provisioner come from its packages
HOME_DIR=${SUMFLOW_CLUSTER_HOME:-${XDG_CACHE_HOME:-$HOME/.cache}/sumflow-cluster}
export SUMFLOW_CLUSTER_HOME=$HOME_DIR
export PATH=$HOME_DIR/bin:/usr/local/sbin:/usr/sbin:/sbin:$PATH:/usr/local/go/bin
BIN=$HOME_DIR/bin; PKI=$HOME_DIR/pki; STATE=$HOME_DIR/state; RUN=$HOME_DIR/run; LOGS=$HOME_DIR/logs; IMAGES=$HOME_DIR/images
ADMIN_KUBECONFIG=$HOME_DIR/admin.kubeconfig

NODES="1 2 3"
BRIDGE=sfc-br0             # host bridge that the nodes' network namespaces hang on (their ends are sfc-n1, sfc-n2, sfc-n3)
NET=10.200.0               # .1 = this machine (control plane), .11 .12 .13 = nodes
SERVICE_CIDR=10.96.0.0/16; DNS_IP=10.96.0.10; API_SERVICE_IP=10.96.0.1
POD_CIDR=10.244.0.0/16     # node N has 10.244.N.0/24
CGROUP=sfc                 # cgroup v1 subtree: /sys/fs/cgroup/<controller>/sfc/nodeN

GO_VERSION=1.26.4   # the oldest that builds these:
KUBE_VERSION=v1.34.4; ETCD_VERSION=v3.6.4; COREDNS_VERSION=v1.12.4
NETPOL_VERSION=v1.1.0; METRICS_VERSION=v0.9.0

# What is started here outlives its caller, and would hold its locks and pipes for as long as the cluster is up.
for fd in "/proc/$$/fd"/*; do
  fd=${fd##*/}; case $fd in 0 | 1 | 2 | 255) ;; *) eval "exec $fd>&-" ;; esac   # 255: bash reads the script from it
done

STARTED_US=${EPOCHREALTIME/[.,]/}
step() { # prints the seconds since this script began, and what is done
  local us=$(( ${EPOCHREALTIME/[.,]/} - STARTED_US ))
  printf '%5d.%d s  %s\n' $(( us / 1000000 )) $(( us / 100000 % 10 )) "$*"
}
fail() { echo "${0##*/}: $*" >&2; exit 1; }
need_python() { [ -x "$PYTHON" ] || fail "no Python environment in $ROOT/.venv: \`make cluster\` makes it"; }
run_module() { PYTHONPATH=$ROOT "$PYTHON" -m "$@"; }
need_root() { [ "$(id -u)" = 0 ] || fail "must run as root"; }
start_time() { cut -d')' -f2- "/proc/$1/stat" 2>/dev/null | cut -d' ' -f21; }   # of a pid, so that a reused pid is never taken for ours
record() { echo "$1 $(start_time "$1") $2" >> "$RUN/pids"; }                     # pid, start time, name: what down.sh ends
node_pid() { # prints the pid of node $1's init, fails when the node is not running
  local p; p=$(cat "$RUN/node$1.init" 2>/dev/null) || return 1
  grep -q "^$p $(start_time "$p") node$1-init" "$RUN/pids" 2>/dev/null && echo "$p"
}
start() { # name command...: runs it detached, with a log, and records it for down.sh
  local name=$1; shift
  setsid "$@" </dev/null >>"$LOGS/$name.log" 2>&1 &
  record $! "$name"
}
