"""A three-node Kubernetes cluster on one machine, without a container engine and without a registry. See README.md."""
