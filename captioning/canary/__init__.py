"""The canary: drawn pictures with known truths, which engines are asked at start and every so often."""
