"""Kinds of files that a prediction writes; importing this takes no time."""
from __future__ import annotations

KINDS = dict(
    labels='class of every pixel (PNG)',
    uncertainty='maps of all scores, sets and flags (npz)',
    overlays='classes, scores, set sizes and flags over the image at its own size (JPEG)',
    figures='a picture that answers and a page with every map; of a video, an annotated video',
    json='a summary of every image',
    regions='regions of flagged pixels of all images in one COCO file',
    csv='numbers of all images in one table',
    parquet='the same table for pandas, DuckDB or Spark; needs pyarrow')
DEFAULT_KINDS = ('labels', 'figures', 'json', 'csv')
CODECS = dict(mpeg4='MP4 that common players play, quick', vp9='MP4 that browsers play too, 50 times as slow')
MAP_TYPES = ('float16', 'uint16', 'float32')
