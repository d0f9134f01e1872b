"""Whether captions fit their images, measured with the embedding model's own text tower. Off by default."""
