"""Backends: an array namespace on a device, and a table of fast calls that override the general ones."""
