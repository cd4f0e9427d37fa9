#!/bin/bash
# Starts the broker or controller that the mounted configuration describes; a KRaft node's storage is formatted once.
set -euo pipefail
given=/opt/kafka/custom-config
config=$given/server.config
logs=$(sed -n 's/^log.dirs=//p' "$config")
mkdir -p "$logs"
if grep -q '^process.roles=' "$config" && [ ! -e "$logs/meta.properties" ]; then
  release=(); [ ! -e "$given/metadata.version" ] || release=(--release-version "$(< "$given/metadata.version")")
  kafka-storage.sh format --ignore-formatted "${release[@]}" --cluster-id="$(< "$given/cluster.id")" --config "$config"
fi
# far below the declared limit: the test cluster's three nodes share one machine
export KAFKA_HEAP_OPTS=${KAFKA_HEAP_OPTS:--Xmx384m} KAFKA_LOG_LEVEL=info
exec kafka-run-class.sh kafka.Kafka "$config"
