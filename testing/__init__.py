"""What SumFlow tests itself with and does not ship: a cluster on one machine, images without a registry, stand-ins."""
