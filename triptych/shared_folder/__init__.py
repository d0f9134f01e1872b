"""Checks that a file system does what runs rely on."""
