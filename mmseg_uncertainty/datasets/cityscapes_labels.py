"""Label numbers that data sets use in place of the 19 Cityscapes train ids."""
from __future__ import annotations

from mmseg_uncertainty.label_values import VOID

# Cityscapes' own ids, also those of ACDC: 0 to 33; ids without a train id are void.
CITYSCAPES_IDS = {
    7: 0, 8: 1, 11: 2, 12: 3, 13: 4, 17: 5, 19: 6, 20: 7, 21: 8, 22: 9, 23: 10, 24: 11, 25: 12, 26: 13, 27: 14, 28: 15, 31: 16,
    32: 17, 33: 18}
NUM_CITYSCAPES_IDS = 34
# Level-3 ids of IDD with a counterpart among the 19 classes; no id stands for terrain (9) or train (16).
IDD_LEVEL3_IDS = {
    0: 0, 2: 1, 22: 2, 14: 3, 15: 4, 20: 5, 19: 6, 18: 7, 24: 8, 25: 10, 4: 11, 5: 12, 9: 13, 10: 14, 11: 15, 6: 17, 7: 18}
NUM_IDD_LEVEL3_IDS = 26
# Level-3 ids of IDD that mean objects unknown to Cityscapes: autorickshaw, guard rail, billboard, bridge and tunnel.
IDD_NOVEL_IDS = (8, 16, 17, 23)


def train_id_map(table: dict[int, int], count: int) -> dict[int, int]:
    """Train id of each of the labels 0 to ``count`` - 1 and of void; labels that the table lacks become void."""
    return {label: table.get(label, VOID) for label in (*range(count), VOID)}
