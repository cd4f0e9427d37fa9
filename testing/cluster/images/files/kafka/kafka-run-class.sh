#!/bin/bash
# Runs one of Kafka's Java classes, as the script of this name in Kafka's distribution does. KAFKA_HEAP_OPTS and KAFKA_OPTS count.
# shellcheck disable=SC2086  # both are lists of options
exec java ${KAFKA_HEAP_OPTS:--Xmx128m} -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:-UsePerfData -Xss512k \
  -Dorg.slf4j.simpleLogger.showDateTime=true -Dorg.slf4j.simpleLogger.defaultLogLevel="${KAFKA_LOG_LEVEL:-warn}" \
  -Dorg.slf4j.simpleLogger.log.org.apache.kafka.common.config=warn -Dorg.slf4j.simpleLogger.log.kafka.server.KafkaConfig=warn \
  -Dzookeeper.jmx.log4j.disable=true ${KAFKA_OPTS:-} -cp "/opt/kafka/libs/*" "$@"
