"""Device code: raw arrays in, raw arrays out. Never imports gpugrad. Imported as ``gpugrad.kernels``."""
