"""Captions to verdicts: which to keep, and why the others go."""
