"""Images become vectors."""
