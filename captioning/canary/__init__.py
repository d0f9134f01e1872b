"""The canary: drawn pictures with known contents that engines are asked about, at start and every so
often."""
