"""Where images come from: folders, archives, lists (see opening), and what is read of them (see shard)."""
