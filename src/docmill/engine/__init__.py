"""Plans runs, hands their steps to processes, and settles what comes back."""
