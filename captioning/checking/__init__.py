"""Statements of captions, checked by asking a model about each of them, alone with its image."""
