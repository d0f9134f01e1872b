"""The checks of `triptych verify`."""
