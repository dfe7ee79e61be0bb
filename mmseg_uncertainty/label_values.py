"""Numbers with which a label says something else than a class; importing them takes nothing but Python.

They are what options such as ``ignore_index`` are by default. See :class:`~mmseg_uncertainty.functional.label_space.LabelSpace`
for which of them a label may be.
"""
from __future__ import annotations

# No class is known here.
VOID = 255
# The data pipeline added this; the image shows nothing here.
PADDING = 254
# An object of no class was pasted here.
OUTLIER = 253
# The model should know what is here; more is not known.
INLIER = 252
# These two and VOID say whether a pixel is anomalous, where labels say nothing else.
IN_DISTRIBUTION, ANOMALY = 0, 1
# Void needs a number of its own in one byte, and so does padding.
MOST_CLASSES = 254
