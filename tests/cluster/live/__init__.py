"""The Kubernetes runtime on the three-node cluster of testing/cluster: real servers, kubelets, volumes."""
