"""What is known of a model before it runs."""
