#!/bin/bash
# Proves that the cluster does what the project's tests lean on: DNS, Services, NodePorts, volumes, exec, port-forward, RBAC,
# pods spread over nodes, NetworkPolicies, metrics. Exits with the number of failed checks; may run again on the same cluster.
# shellcheck disable=SC2016,SC2046,SC2317,SC2329  # expanded in the pods; lists of addresses; functions called by name
set -u
. "$(dirname "$(readlink -f "$0")")/env.sh"
export KUBECONFIG=$ADMIN_KUBECONFIG
failures=0
k() { kubectl -n sfc-smoke "$@"; }
check() { # what got wanted
  if [ "$2" = "$3" ]; then step "ok    $1"; else step "FAIL  $1: got [$2], want [$3]"; failures=$((failures + 1)); fi
}
eventually() { # what wanted seconds command...: the command's output becomes the wanted one
  local what=$1 wanted=$2 end=$((SECONDS + $3)) got; shift 3
  until got=$("$@" 2>&1); [ "$got" = "$wanted" ] || [ $SECONDS -ge $end ]; do sleep 0.5; done
  check "$what" "$got" "$wanted"
}
status() { curl -s -m 3 -o /dev/null -w '%{http_code}' "$1"; }
ready() { k rollout status "$1" --timeout=120s >/dev/null; }
if [ "$(kubectl get namespace sfc-smoke -o jsonpath='{.status.phase}' 2>/dev/null)" = Terminating ]; then   # of an earlier run
  kubectl wait --for=delete namespace/sfc-smoke --timeout=60s >/dev/null
fi
kubectl apply -f "$HERE/manifests/smoke.yaml" >/dev/null || exit 1
for workload in sts/postgres deploy/spread deploy/guarded; do ready $workload; done
k wait --for=condition=Ready pod/client --timeout=120s >/dev/null

psql_from_client() { k exec client -- sh -c 'PGPASSWORD=$1 psql -h "$0" -U "$POSTGRES_USER" -d "$POSTGRES_DB" -Atc "$2"' "$@" 2>&1; }
for host in postgres postgres.sfc-smoke postgres.sfc-smoke.svc.cluster.local postgres-0.postgres-headless.sfc-smoke.svc.cluster.local; do
  eventually "psql from another pod through $host" "smoke|smoke" 5 psql_from_client "$host" s3cret 'select current_user, current_database()'
done
check "wrong password refused" "$(psql_from_client postgres wrong 'select 1' | grep -c 'password authentication failed')" 1
check "unknown name is NXDOMAIN" "$(k exec client -- getent hosts nosuch.example.com >/dev/null 2>&1; echo $?)" 2
nodes_of_spread=$(k get pods -l app=spread -o jsonpath='{range .items[*]}{.spec.nodeName}{"\n"}{end}' | sort -u | wc -l)
check "3 replicas with required anti-affinity on 3 nodes" "$nodes_of_spread" 3
answering=$(k exec client -- sh -c 'for i in $(seq 40); do wget -qO- http://spread.sfc-smoke.svc.cluster.local/etc/hostname; done | sort -u | wc -l')
check "ClusterIP spreads over pods on all nodes" "$answering" 3
for n in $NODES; do check "NodePort on node$n from the host" "$(status "http://$NET.1$n:30080/")" 200; done
check "ClusterIP from the host" "$(status "http://$(k get svc spread -o jsonpath='{.spec.clusterIP}')/")" 200

# port 0: any free one, which the first line that it prints names
coproc FORWARD { exec kubectl -n sfc-smoke port-forward svc/postgres 0:5432 2>&1; }
read -r -t 10 line <&"${FORWARD[0]}"; port=${line#*127.0.0.1:}; port=${port%% *}
port_forwarded() { "$PYTHON" -c "import psycopg; print(psycopg.connect('postgresql://smoke:s3cret@127.0.0.1:$port/smoke').execute('select 1').fetchone()[0])"; }
eventually "port-forward" 1 5 port_forwarded
kill "$FORWARD_PID"

psql_in_pod() { k exec postgres-0 -- sh -c 'PGPASSWORD=$POSTGRES_PASSWORD psql -h 127.0.0.1 -U "$POSTGRES_USER" -d "$POSTGRES_DB" -qAtc "$0"' "$1"; }
psql_in_pod 'create table if not exists t(x int); truncate t; insert into t values (42)' 2>/dev/null
k delete pod postgres-0 >/dev/null; ready sts/postgres
eventually "row survives the pod (volume)" 42 10 psql_in_pod 'select x from t'

check "ServiceAccount token in a pod works, RBAC denies" "$(k exec deploy/spread -- python3 -c '
import ssl, urllib.request as u, urllib.error as e
d = "/var/run/secrets/kubernetes.io/serviceaccount/"
r = u.Request("https://kubernetes.default.svc/api/v1/secrets", headers={"Authorization": "Bearer " + open(d + "token").read()})
try: print(u.urlopen(r, context=ssl.create_default_context(cafile=d + "ca.crt")).status)
except e.HTTPError as x: print(x.code)' 2>&1)" 403

entered() { # into how many of the guarded pods (one on each node) the client pod gets; Debian's busybox crashes on wget -T
  k exec client -- sh -c 'n=0; for ip; do timeout 2 wget -q -O /dev/null "http://$ip:8000/hostname" && n=$((n + 1)); done 2>/dev/null; echo $n' \
    sh $(k get pods -l app=guarded -o jsonpath='{.items[*].status.podIP}')
}
k label pod client may=enter --overwrite >/dev/null
eventually "NetworkPolicy lets the labelled client in" 3 20 entered
k label pod client may- >/dev/null
eventually "NetworkPolicy keeps the client out without the label" 0 20 entered
measured_nodes() { kubectl top node --no-headers 2>/dev/null | grep -c '^node[123] .*%'; }
eventually "metrics of 3 nodes (kubectl top)" 3 90 measured_nodes
[ $failures != 0 ] || kubectl delete namespace sfc-smoke --wait=false >/dev/null   # after a failure it stays, to be looked at
echo "failures: $failures"; exit $failures
