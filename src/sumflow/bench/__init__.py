"""Speed, measured beside a yardstick in the same run: what this machine does at that moment with nothing of ours."""
