"""What can be found out about a model before it is loaded."""
