"""A page that shows samples of a run, and the precision that people's verdicts on it give."""
