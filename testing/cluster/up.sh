#!/bin/bash
# Brings the cluster up: builds what is missing, control plane as processes of this machine, three nodes in namespaces of their own.
# Needs root and cgroup v1; ends when all nodes and CoreDNS are Ready and prints where the kubeconfig is. May be run again.
# shellcheck disable=SC2016  # the PATH of the shell that reads the export line
set -euo pipefail
. "$(dirname "$(readlink -f "$0")")/env.sh"
"$HERE/able.sh"
kube() { kubectl --kubeconfig "$ADMIN_KUBECONFIG" "$@"; }
exports() { printf 'export KUBECONFIG=%q PATH=%q:$PATH\n' "$ADMIN_KUBECONFIG" "$BIN"; }
if [ -s "$RUN/pids" ]; then
  kube get --raw /readyz >/dev/null 2>&1 || fail "half up ($RUN/pids is there, the API server does not answer): run down.sh first"
  step "up already"; exports; exit 0
fi
! ip link show $BRIDGE >/dev/null 2>&1 || fail "$BRIDGE exists: another SUMFLOW_CLUSTER_HOME has its cluster up, or run down.sh to clean up"
mkdir -p "$RUN" "$LOGS" "$STATE"
"$HERE/build.sh"
"$HERE/gen-certs.sh"; step "certificates"

wait_for() { # seconds command...
  local end=$((SECONDS + $1)) seconds=$1; shift
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $end ] || fail "timed out after $seconds s: $* (logs in $LOGS; run down.sh before the next up.sh)"
    sleep 0.1
  done
}
# kubelet rewrites these for the whole machine; down.sh puts them back
for key in vm.overcommit_memory vm.panic_on_oom kernel.panic kernel.panic_on_oops kernel.keys.root_maxkeys kernel.keys.root_maxbytes; do
  echo "$key=$(sysctl -n $key)"
done > "$RUN/sysctl.saved"

ip link add $BRIDGE type bridge
ip link set $BRIDGE up; ip addr replace $NET.1/24 dev $BRIDGE

start etcd etcd --name sfc --data-dir "$STATE/etcd" --log-level warn --unsafe-no-fsync \
  --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
  --listen-peer-urls http://127.0.0.1:2380 --initial-advertise-peer-urls http://127.0.0.1:2380 --initial-cluster sfc=http://127.0.0.1:2380
"$HERE/apiserver.sh" start

rm -f "$STATE"/node*/*.ready
for n in $NODES; do "$HERE/node.sh" start "$n" & done
for n in $NODES; do wait_for 30 test -e "$STATE/node$n/net.ready"; done
ip route replace $SERVICE_CIDR via $NET.11 dev $BRIDGE   # ClusterIPs from this machine go through node1's kube-proxy
step "node namespaces and network"
for n in $NODES; do wait_for 60 test -e "$STATE/node$n/containerd.ready"; done; step "3 containerds answer"
wait_for 90 kube get --raw /readyz; step "API server ready"
# only now: started before the RBAC bootstrap roles exist, a controller-manager exits for good ("configmaps ... is forbidden")
start kube-controller-manager kube-controller-manager --bind-address=127.0.0.1 --leader-elect=false \
  --kubeconfig="$PKI/controller-manager.kubeconfig" --authentication-kubeconfig="$PKI/controller-manager.kubeconfig" \
  --authorization-kubeconfig="$PKI/controller-manager.kubeconfig" --use-service-account-credentials=true \
  --cluster-signing-cert-file="$PKI/ca.crt" --cluster-signing-key-file="$PKI/ca.key" --root-ca-file="$PKI/ca.crt" \
  --service-account-private-key-file="$PKI/sa.key" --service-cluster-ip-range=$SERVICE_CIDR --cluster-cidr=$POD_CIDR --allocate-node-cidrs=false
start kube-scheduler kube-scheduler --bind-address=127.0.0.1 --leader-elect=false --kubeconfig="$PKI/scheduler.kubeconfig" \
  --authentication-kubeconfig="$PKI/scheduler.kubeconfig" --authorization-kubeconfig="$PKI/scheduler.kubeconfig"
kube apply -f "$HERE/manifests/netpol.yaml" >/dev/null
for n in $NODES; do wait_for 300 test -e "$STATE/node$n/images.ready"; done; step "images in all nodes"
wait_for 60 kube get sa default -n default
kube apply -f "$HERE/manifests/coredns.yaml" -f "$HERE/manifests/storageclass.yaml" -f "$HERE/manifests/metrics-server.yaml" >/dev/null
start provisioner env PYTHONPATH="$ROOT" "$PYTHON" -m testing.cluster.provisioner "$HOME_DIR"
for n in $NODES; do
  wait_for 60 kube get node "node$n"
  kube patch node "node$n" -p "{\"spec\":{\"podCIDR\":\"10.244.$n.0/24\",\"podCIDRs\":[\"10.244.$n.0/24\"]}}" >/dev/null
done; step "3 nodes registered"
kube wait --for=condition=Ready node --all --timeout=120s >/dev/null; step "3 nodes Ready"
kube -n kube-system rollout status deploy/coredns --timeout=180s >/dev/null; step "CoreDNS Ready"
kube get nodes -o wide
exports
