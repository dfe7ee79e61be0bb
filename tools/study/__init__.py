"""The study of detectors: every score on every base, choices on one half of the images, numbers from the other."""
