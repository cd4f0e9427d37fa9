"""The manifests, and the reader that turns them into values."""
