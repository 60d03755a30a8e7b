"""What ``gpugrad train`` and ``gpugrad predict`` do: a whole training program, to be used and to be read."""
