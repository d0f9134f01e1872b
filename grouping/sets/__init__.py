"""Duplicates and sets."""
