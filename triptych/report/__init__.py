"""One static page that shows what is in a run, and what a person's verdicts on it come to."""
