"""The demo's images: drawn scenes with known content."""
