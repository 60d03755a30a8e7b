"""The CUDA side: what a device can do, the device itself, and a host that stands in for it where there is none."""
