"""The report's page while a run goes on: what it shows of the run, and the server that hands it out."""
