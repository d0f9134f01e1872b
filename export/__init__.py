"""Kept captions to the four files, the dataset card and the manifest."""
