"""Triptych turns a pile of images into a caption dataset."""
