"""Change detectors: streams of values in, detections out; state is JSON, exact over restarts."""
