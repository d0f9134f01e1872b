"""The live report: the state of a run at work, and the server of the page."""
