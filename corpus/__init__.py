"""The ground floor: records, image sources, the run folder, journals. Knows none of the stages."""
