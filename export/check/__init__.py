"""Checks of an export."""
