"""From elementwise programs to the text of loops: scalar expressions, loop kernels, and their printers."""
