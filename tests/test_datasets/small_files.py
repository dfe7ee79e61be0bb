"""Write small images and labels."""
import cv2
import numpy as np


def write_image(path, size=(12, 20), seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    assert cv2.imwrite(str(path), image)


def write_labels(path, values=(0, 1, 255), size=(12, 20)):
    path.parent.mkdir(parents=True, exist_ok=True)
    labels = np.resize(np.array(values, np.uint8), size)
    assert cv2.imwrite(str(path), labels, [cv2.IMWRITE_WEBP_QUALITY, 101] if path.suffix == '.webp' else [])
    return labels
