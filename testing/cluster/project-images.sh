#!/bin/bash
# Builds the project's own images from this checkout and its environment (the services, the operator's stand-in, Kafka) and loads
# what changed into all running nodes. Takes seconds: run it after every change of the code that a cluster test is to see.
set -euo pipefail
. "$(dirname "$(readlink -f "$0")")/env.sh"
need_root
need_python
mkdir -p "$IMAGES"
run_module testing.cluster.images "$HOME_DIR" product strimzi
step "images built"
"$HERE/load-images.sh" "$IMAGES"/sumflow.tar "$IMAGES"/strimzi-*.tar
step "images loaded"
