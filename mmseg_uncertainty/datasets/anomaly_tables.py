"""What the labels of benchmarks become: 0 known, 1 anomaly, 255 void."""
from __future__ import annotations

from mmseg_uncertainty.label_values import ANOMALY, IN_DISTRIBUTION, VOID

# Lost and Found: 0 is all that is not the road ahead, 1 the road, from 2 on one number for each kind of obstacle.
LOST_AND_FOUND = {0: VOID, 1: IN_DISTRIBUTION, **dict.fromkeys(range(2, 201), ANOMALY), VOID: VOID}
# StreetHazards: 1 (unlabelled, which the authors train and count as a class) to 13 are known, 14 is anomalous.
STREET_HAZARDS = {0: VOID, **dict.fromkeys(range(1, 14), IN_DISTRIBUTION), 14: ANOMALY, VOID: VOID}
STREET_HAZARDS_CLASSES = ('unlabeled', 'building', 'fence', 'other', 'pedestrian', 'pole', 'road line', 'road', 'sidewalk',
                          'vegetation', 'car', 'wall', 'traffic sign')
STREET_HAZARDS_TRAINING = {0: VOID, **{label: label - 1 for label in range(1, 14)}, 14: VOID, VOID: VOID}
# BDD100K, numbered as Cityscapes' train ids: trains, motorcycles and bicycles are unknown.
BDD_ANOMALY = {**dict.fromkeys(range(16), IN_DISTRIBUTION), 16: ANOMALY, 17: ANOMALY, 18: ANOMALY, VOID: VOID}
# MUAD, numbered as Cityscapes' train ids: 19 are animals, 20 bags, stands and bins; 21 and 255 have no label.
MUAD = {**dict.fromkeys(range(19), IN_DISTRIBUTION), 19: ANOMALY, 20: ANOMALY, 21: VOID, VOID: VOID}
MUAD_CLASSES = {**{label: label for label in range(19)}, 19: VOID, 20: VOID, 21: VOID, VOID: VOID}
