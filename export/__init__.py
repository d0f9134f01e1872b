"""Writes kept captions to files of rows, with a dataset card and a manifest."""
