"""A test stand-in for the Strimzi operator, for clusters that cannot pull its image.

It runs in place of the operator's image and makes from the applied Kafka, KafkaNodePool and KafkaTopic objects what the
real operators 0.44.0 and 1.2.0 were observed to make, with real brokers in it. README.md beside this file says where it
differs. It is no part of the product, and the product relies on nothing that only this program does.
"""
