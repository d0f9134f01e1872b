"""What `triptych verify` looks at."""
