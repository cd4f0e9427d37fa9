"""The contract that adder and totalizer share: the gRPC messages and the event on the topic `sums`."""
