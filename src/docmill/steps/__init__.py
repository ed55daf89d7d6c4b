"""One file a step type: what a run does between two durable states."""
