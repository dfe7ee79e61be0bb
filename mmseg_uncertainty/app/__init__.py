"""The app of ``tools/app.py``: look at thresholds, promises and uncertainty in a browser."""
