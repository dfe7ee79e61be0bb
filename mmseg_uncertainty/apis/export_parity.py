"""Compare an exported file with the model it was written from: the graph, and predictions of whole images."""
from __future__ import annotations

from collections.abc import Callable, Iterable

import cv2
import numpy as np
import torch
from mmseg.structures import SegDataSample

from mmseg_uncertainty.models import PosthocSegmentor
from mmseg_uncertainty.models.decode_heads import ScoreHead
from mmseg_uncertainty.runtime.exported_predictor import MAP_PREFIX
from mmseg_uncertainty.runtime.prediction import Prediction

from .exported_segmentor import ExportedSegmentor
from .uncertainty_inferencer import UncertaintyInferencer

TOLERANCE = 1e-4
# Resizing rounds positions: maps of sizes in the thousands differ by that times their slope.
IMAGE_TOLERANCE = 1e-3
SIZES = ((64, 96), (97, 131), (160, 128))


def graph_parity(segmentor: ExportedSegmentor,
                 run: Callable[..., list[np.ndarray]],
                 sizes: Iterable[tuple[int, int]] = SIZES,
                 batches: Iterable[int] = (1, 4)) -> list[dict]:
    """Compare torch and a file on random inputs.

    Args:
        segmentor: What was exported.
        run: The file as a function of the inputs of ``segmentor``.
        sizes: Heights and widths in pixels, before the test pipeline.
        batches: Numbers of images.

    Returns:
        A row for each batch and size: ``batch``, ``size``, ``agreement`` (share of pixels with the same label) and
        ``difference`` by output (largest difference, divided by the value where that is above 1, and by the
        :func:`magnification` of the head; of sets, the share of entries that differ).
    """
    batches = tuple(batches)
    return [_compare(segmentor, run, batch, tuple(size)) for size in sizes for batch in batches]


def is_equal(rows: Iterable[dict], tolerance: float = TOLERANCE) -> bool:
    """Whether all labels agree and no output differs by ``tolerance`` or more."""
    return all(row['agreement'] == 1 and max(row['difference'].values()) < tolerance for row in rows)


def image_parity(inferencer: UncertaintyInferencer,
                 predict: Callable[[np.ndarray], Prediction],
                 sizes: Iterable[tuple[int, int]] = SIZES,
                 heads: Iterable[str] | None = None) -> list[dict]:
    """Compare predictions of images through the whole test pipeline.

    Args:
        inferencer: The model, from config and checkpoint.
        predict: The file: an image (H, W, 3), uint8, BGR, to its prediction.
        sizes: Heights and widths of the images.
        heads: Heads to compare, by default all.

    Returns:
        A row for each size: ``size``, ``agreement`` (share of pixels with the same label), ``gap`` (how far the model is
        from the file's label where they differ, 0 where they do not, in logits or in probability for one sigmoid) and
        ``difference`` by head (as above), of flags by decision and of ``set_membership``.
    """
    heads = list(inferencer.scales if heads is None else heads)
    return [dict(size=tuple(size), **_compare_images(inferencer, predict, street(*size), heads)) for size in sizes]


def changes(exact: Callable[[np.ndarray], Prediction], other: Callable[[np.ndarray], Prediction],
            images: Iterable[np.ndarray]) -> list[dict]:
    """What another precision changes.

    Args:
        exact: An image (H, W, 3), uint8, BGR, to its prediction.
        other: The same, less exactly.
        images: The images.

    Returns:
        A row for each image: ``size``, ``agreement`` and ``difference`` as :func:`image_parity` has them.
    """
    return [_changes(exact(image), other(image)) for image in images]


def _changes(expected: Prediction, found: Prediction) -> dict:
    difference = {name: _difference(values, found.uncertainty[name]) for name, values in expected.uncertainty.items()}
    difference |= {f'flags_{name}': _difference(values, found.flags[name]) for name, values in expected.flags.items()}
    if expected.set_membership is not None:
        difference['set_membership'] = _difference(expected.set_membership, found.set_membership)
    return dict(size=expected.labels.shape, agreement=float((expected.labels == found.labels).mean()), difference=difference)


def predicts_the_same(rows: Iterable[dict], tolerance: float = IMAGE_TOLERANCE) -> bool:
    """Whether labels differ at ties only, maps by less than ``tolerance``, and sets and flags in at most that share of entries."""
    return all(max(row['gap'], *row['difference'].values(), 0) < tolerance for row in rows)


def magnification(head: ScoreHead) -> float:
    """How much a head may magnify the rounding of what it reads, at least 1: a sum divides scores by their deviations."""
    return max(1., float((1 / head.deviations).sum())) if head.members else 1.


def street(height: int, width: int, seed: int = 0) -> np.ndarray:
    """A random image, (H, W, 3), uint8, of smooth patches and noise, so that both flat parts and edges occur."""
    generator = np.random.default_rng([seed, height, width])
    patches = generator.integers(0, 256, (6, 8, 3), np.uint8)
    smooth = cv2.resize(patches, (width, height), interpolation=cv2.INTER_CUBIC).astype(np.int64)
    return (smooth + generator.integers(-40, 41, smooth.shape)).clip(0, 255).astype(np.uint8)


def _compare(segmentor: ExportedSegmentor, run: Callable[..., list[np.ndarray]], batch: int, size: tuple[int, int]) -> dict:
    inputs = segmentor.example_inputs(batch, *size)
    with torch.no_grad():
        expected = [output.numpy() for output in segmentor(*inputs)]
    found = run(*inputs)
    difference = {name: _difference(one, other)
                  for name, one, other in zip(segmentor.output_names[1:], expected[1:], found[1:], strict=True)}
    for name in segmentor.heads:
        difference[f'{MAP_PREFIX}{name}'] /= magnification(segmentor.model.uncertainty_heads[name])
    return dict(batch=batch, size=size, agreement=float((expected[0] == found[0]).mean()), difference=difference)


def _compare_images(inferencer: UncertaintyInferencer, predict: Callable[[np.ndarray], Prediction], image: np.ndarray,
                    heads: list[str]) -> dict:
    sample, = inferencer(image, return_datasamples=True)['predictions']
    found = predict(image)
    expected = sample.pred_sem_seg.data[0].cpu().numpy()
    difference = {name: _difference(sample.uncertainty.get(name)[0].cpu().numpy(), found.uncertainty[name])
                  / magnification(inferencer.model.uncertainty_heads[name]) for name in heads}
    if found.set_membership is not None and 'prediction_set' in sample:
        difference['set_membership'] = _difference(sample.prediction_set.membership.cpu().numpy(), found.set_membership)
    difference |= {f'flags_{name}': _difference(sample.flags.get(name)[0].cpu().numpy(), flags)
                   for name, flags in found.flags.items() if 'flags' in sample}
    return dict(agreement=float((expected == found.labels).mean()),
                gap=_gap(inferencer.model, sample, torch.from_numpy(np.array(found.labels))), difference=difference)


def _gap(model: PosthocSegmentor, sample: SegDataSample, found: torch.Tensor) -> float:
    """How far the model is from deciding as the file did."""
    differs, scores = sample.pred_sem_seg.data[0].cpu() != found, sample.seg_logits.data.cpu()
    if not differs.any():
        return 0.
    if model.distribution.name == 'sigmoid':
        return float((scores[0] - model.distribution.threshold).abs()[differs].max())
    return float((scores.amax(dim=0) - scores.gather(0, found[None])[0])[differs].max())


def _difference(expected: np.ndarray, found: np.ndarray) -> float:
    if expected.dtype == bool:
        return float((expected != found).mean())
    return float((np.abs(expected.astype(np.float64) - found) / np.abs(expected).clip(1)).max())
