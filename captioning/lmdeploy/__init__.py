"""lmdeploy servers that Triptych starts."""
