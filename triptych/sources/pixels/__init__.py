"""Steps from a file's bytes to an upright RGB picture: one module for each format or step."""
