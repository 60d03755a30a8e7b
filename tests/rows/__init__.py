"""The rows of the table, a module per module of operations."""
