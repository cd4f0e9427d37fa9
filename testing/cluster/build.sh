#!/bin/bash
# Builds everything the cluster needs and that is missing: Debian packages, Kubernetes, etcd, CoreDNS, metrics-server (Go modules),
# and the images. Nothing is pulled; run again after a failure, it goes on where it was.
set -euo pipefail
. "$(dirname "$(readlink -f "$0")")/env.sh"
need_root
need_python
mkdir -p "$BIN" "$LOGS" "$IMAGES" "$HOME_DIR/src"
export CGO_ENABLED=0 GOFLAGS="${GOFLAGS:+$GOFLAGS }-buildvcs=false" GOWORK=off
KUBE_COMMANDS="kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kubectl"

debian_packages() { # installs the packages whose commands are missing
  local need=() pair
  for pair in containerd:containerd runc:runc iptables:iptables conntrack:conntrack busybox:busybox socat:socat curl:curl \
      openssl:openssl ip:iproute2 nsenter:util-linux sysctl:procps; do
    command -v "${pair%%:*}" >/dev/null || need+=("${pair##*:}")
  done
  [ -x /usr/lib/cni/bridge ] || need+=(containernetworking-plugins)
  [ ${#need[@]} -gt 0 ] || return 0
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${need[@]}"
  step "Debian packages: ${need[*]}" >&3
}

kubernetes() { # the Kubernetes module cannot be installed by name: its go.mod has replace lines, repeated here with versions
  local missing=0 c dir=$HOME_DIR/src/kubernetes-$KUBE_VERSION packages=()
  for c in $KUBE_COMMANDS; do [ -x "$BIN/$c" ] || missing=1; packages+=("k8s.io/kubernetes/cmd/$c"); done
  [ $missing = 1 ] || [ ! -e "$dir/built" ] || return 0
  mkdir -p "$dir"; cd "$dir"
  if [ ! -e tidy.done ]; then
    go mod download -json "k8s.io/kubernetes@$KUBE_VERSION" > module.json
    go mod edit -json "$("$PYTHON" -c 'import json; print(json.load(open("module.json"))["GoMod"])')" > upstream.json
    "$PYTHON" - "$KUBE_VERSION" "${packages[@]}" > go.mod <<'P'
import json, sys
version, packages, upstream = sys.argv[1], sys.argv[2:], json.load(open("upstream.json"))
staging = "v0" + version[2:]
print(f"module kubernetes-binaries\n\ngo {upstream['Go']}\n\nrequire k8s.io/kubernetes {version}\n")
for p in packages:
    print("tool", p)
for r in upstream["Replace"] or []:
    local = r["New"]["Path"].startswith(".")
    print("replace", r["Old"]["Path"], "=>", f"{r['Old']['Path']} {staging}" if local else f"{r['New']['Path']} {r['New']['Version']}")
P
    rm -f go.sum; go mod tidy; touch tidy.done
    step "Kubernetes modules" >&3
  fi
  go build -trimpath -ldflags "-X k8s.io/component-base/version.gitVersion=$KUBE_VERSION -s -w" -o "$dir/out/" "${packages[@]}"
  mv "$dir"/out/* "$BIN/"; touch built
  step "Kubernetes binaries" >&3
}

go_binary() { # name module@version [package]: builds src/NAME here, or the module's own package, with that module pinned
  local name=$1 module=$2 package=${3:-.} dir=$HOME_DIR/src/$1 inputs
  inputs="$module $(sha256sum "$HERE/src/$name/main.go" 2>/dev/null | cut -c1-64 || true)"   # contents, not times: a new checkout builds nothing
  if [ -x "$BIN/$name" ] && [ "$(cat "$dir/built" 2>/dev/null)" = "$inputs" ]; then return 0; fi
  rm -rf "$dir"; mkdir -p "$dir"; cd "$dir"
  [ "$package" != . ] || cp "$HERE/src/$name/main.go" .
  go mod init "local/$name"
  if [ "$package" != . ]; then go get -tool "$package@${module##*@}"
  else [ -z "$module" ] || go get "$module"; go mod tidy; fi
  go build -trimpath -ldflags '-s -w' -o "$BIN/$name.new" "$package"
  mv "$BIN/$name.new" "$BIN/$name"; echo "$inputs" > built
  step "$name ${module##*@}" >&3
}

small_binaries() {
  go_binary pause ""
  go_binary etcd "go.etcd.io/etcd/server/v3@$ETCD_VERSION"
  go_binary coredns "github.com/coredns/coredns@$COREDNS_VERSION"
  go_binary netpol "sigs.k8s.io/kube-network-policies@$NETPOL_VERSION"
  go_binary metrics-server "sigs.k8s.io/metrics-server@$METRICS_VERSION" sigs.k8s.io/metrics-server/cmd/metrics-server
}

exec 3>&1   # step lines of the parallel jobs go here, everything else to logs
declare -A running=()
begin() { set -m; "$1" >"$LOGS/build-$1.log" 2>&1 & set +m; running[$1]=$!; }   # in a process group of its own, to end it whole
finish() {
  local result=0; wait "${running[$1]}" || result=$?; unset "running[$1]"
  [ $result = 0 ] || fail "$1 failed; the end of $LOGS/build-$1.log: $(tail -n 5 "$LOGS/build-$1.log")"
}
end_jobs() { local pid; for pid in "${running[@]}"; do kill -TERM -- "-$pid" 2>/dev/null; done; }
trap end_jobs EXIT
trap 'exit 130' INT TERM

begin debian_packages; finish debian_packages   # first: the other jobs may need them
command -v go >/dev/null || fail "needs Go ($GO_VERSION or newer) on PATH or in /usr/local/go/bin"
begin kubernetes
begin small_binaries   # downloads and links while the other compiles: two cores stay busy
finish small_binaries
run_module testing.cluster.images "$HOME_DIR" cluster >"$LOGS/build-images.log" 2>&1 || fail "images failed, see $LOGS/build-images.log"
step "images: $(cd "$IMAGES" && echo *.tar)"
finish kubernetes
step "built"
