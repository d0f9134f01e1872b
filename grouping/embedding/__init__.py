"""Turns images into vectors."""
