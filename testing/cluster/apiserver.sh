#!/bin/bash
# apiserver.sh start | kill: starts the API server as a process of this machine; ends it at once, as a crash would. etcd stays.
set -euo pipefail
. "$(dirname "$(readlink -f "$0")")/env.sh"
need_root

start_server() {
  start kube-apiserver kube-apiserver --etcd-servers=http://127.0.0.1:2379 \
    --bind-address=0.0.0.0 --secure-port=6443 --advertise-address=$NET.1 --allow-privileged=true \
    --tls-cert-file="$PKI/apiserver.crt" --tls-private-key-file="$PKI/apiserver.key" --client-ca-file="$PKI/ca.crt" \
    --kubelet-client-certificate="$PKI/apiserver-kubelet-client.crt" --kubelet-client-key="$PKI/apiserver-kubelet-client.key" \
    --kubelet-certificate-authority="$PKI/ca.crt" --kubelet-preferred-address-types=InternalIP \
    --service-cluster-ip-range=$SERVICE_CIDR --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction \
    --service-account-issuer=https://kubernetes.default.svc.cluster.local \
    --service-account-key-file="$PKI/sa.pub" --service-account-signing-key-file="$PKI/sa.key" \
    --requestheader-client-ca-file="$PKI/front-proxy-ca.crt" --requestheader-allowed-names=front-proxy-client \
    --requestheader-extra-headers-prefix=X-Remote-Extra- --requestheader-group-headers=X-Remote-Group \
    --requestheader-username-headers=X-Remote-User --enable-aggregator-routing=true \
    --proxy-client-cert-file="$PKI/front-proxy-client.crt" --proxy-client-key-file="$PKI/front-proxy-client.key"
}

kill_server() {
  local pid since name killed=0
  while read -r pid since name; do
    [ "$name" = kube-apiserver ] && [ "$(start_time "$pid")" = "$since" ] || continue   # a reused pid is not ours
    kill -KILL "$pid"; killed=1
  done < "$RUN/pids"
  [ $killed = 1 ] || fail "the API server does not run"
  # a large process takes a moment to end, and whoever starts it again meanwhile finds its port taken
  for _ in $(seq 200); do (: </dev/tcp/127.0.0.1/6443) 2>/dev/null || return 0; sleep 0.05; done
  fail "the API server still listens"
}

case ${1:-} in
  start) start_server ;;
  kill) kill_server ;;
  *) sed -n 2p "$0" >&2; exit 2 ;;
esac
