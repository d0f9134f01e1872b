"""Images to CLIP embeddings, to neighbours, to sets of related images."""
