"""Whether the file system of a run folder does what runs rely on."""
