"""What the services show of themselves: logs, metrics, health. Nothing here knows what a service does."""
