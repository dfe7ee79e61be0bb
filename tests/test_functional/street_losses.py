"""Synthetic images of known distribution, whose difficulty depends on an observed place."""
import numpy as np
import torch
from scipy.special import expit

from mmseg_uncertainty.functional.conformal_losses import tabulate


def street_images(generator, count, shift=0.0):
    """Difficulty of each image, shape (n,), and the place that it depends on, shape (n, 1), normal about ``shift``."""
    places = generator.normal(size=(count, 1)) + shift
    return 0.4 + 3 * expit(places[:, 0]), places


def image_table(generator, difficulty, pixels=40, decimals=None, void_images=0):
    """Conformities of the labels, u = v ** difficulty for uniform v; the first images hold void only."""
    conformity = generator.random((len(difficulty), pixels))**difficulty[:, None]
    labels = np.zeros(conformity.shape, int)
    labels[:void_images] = 255
    conformity = conformity if decimals is None else conformity.round(decimals)
    return tabulate(torch.from_numpy(conformity), torch.from_numpy(labels), 1)
