"""Checks the statements of captions by asking a model about each one, together with its image."""
