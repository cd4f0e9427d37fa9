"""Random inputs by the million: what comes from outside is read rightly or refused, and never breaks anything."""
