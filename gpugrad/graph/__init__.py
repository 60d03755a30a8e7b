"""Programs as graphs: recorded on symbols, simplified, fused, planned, run."""
