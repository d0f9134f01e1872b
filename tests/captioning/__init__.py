"""Tests of captioning."""
