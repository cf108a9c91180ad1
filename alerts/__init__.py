"""What pages, tickets or waits: the alert catalogue, its evaluator, and delivery."""
