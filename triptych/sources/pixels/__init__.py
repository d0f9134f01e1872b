"""What is between a file's bytes and its upright RGB picture: one file for each format or step."""
