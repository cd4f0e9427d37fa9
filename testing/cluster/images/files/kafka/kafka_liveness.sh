#!/bin/bash
# Alive while the JVM is there: a broker that waits for its quorum must not be killed for it.
[ "$(readlink /proc/1/exe)" = /opt/java/bin/java ]
