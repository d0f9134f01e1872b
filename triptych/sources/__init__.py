"""Image sources: folders, archives, lists and URLs, read as shards. Start at opening.py and shard.py."""
