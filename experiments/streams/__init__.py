"""What data larger than memory cost: time of a step, and memory of a run."""
