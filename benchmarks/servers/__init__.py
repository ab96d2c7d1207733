"""What one writes first: subscriptions that pass a model's stream on, and store nothing."""
