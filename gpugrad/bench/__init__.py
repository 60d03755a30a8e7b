"""``gpugrad bench``: how fast gradients are on this machine, against its limits and against other libraries."""
