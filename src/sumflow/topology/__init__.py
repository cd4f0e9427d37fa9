"""What SumFlow is: the manifests in `k8s/`, read into values. Both runtimes start from here."""
