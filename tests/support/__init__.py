"""What several tests and benchmarks need: servers, runs, images, models."""
