#!/bin/bash
# Starts one ZooKeeper node. As in the real image, four-letter words are answered on 127.0.0.1:12181; port 2181, which is TLS
# there, is a plain door to the same port here.
set -euo pipefail
data=/var/lib/zookeeper/data; id=$((NODE_ID + 1))
mkdir -p "$data"; echo "$id" > "$data/myid"
# its own address as 0.0.0.0: it need not wait until its name resolves
sed "s/^\(server.$id=\)[^:]*/\10.0.0.0/" /opt/kafka/custom-config/zookeeper.config > /tmp/zookeeper.cfg
socat TCP-LISTEN:2181,fork,reuseaddr TCP:127.0.0.1:12181 &
export KAFKA_HEAP_OPTS=${KAFKA_HEAP_OPTS:--Xmx128m} KAFKA_LOG_LEVEL=info
exec kafka-run-class.sh org.apache.zookeeper.server.quorum.QuorumPeerMain /tmp/zookeeper.cfg
