"""THE TABLE: every operation, declared once. Nothing here knows which backend runs."""
