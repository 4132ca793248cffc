"""What runs the shards of a job; none of them is known to what a shard is."""
