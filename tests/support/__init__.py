"""Shared by tests and benchmarks: servers, runs, images, models."""
