"""What the Kubernetes runtime decides, on recorded objects: no server."""
