"""A trained network that says when to trust it."""
from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmseg.structures import SegDataSample
from torch import Tensor, nn

import mmseg_uncertainty
from mmseg_uncertainty.functional.label_space import LabelSpace
from mmseg_uncertainty.models import PosthocSegmentor
from mmseg_uncertainty.models.fittable import evidence_of_flows, target_readers

from .batches import image_list, network_input
from .calibration_images import WHOLE, CalibrationImages, PartOfLoader
from .gradient_fit import GradientFit, GradientRecipe
from .interrupted_fit import InterruptedFit, save_whole
from .posthoc_state import fingerprint, load_posthoc_state, posthoc_state
from .predicted_images import PredictedImages, stack_samples
from .statistics_fit import decided, fit_statistics, fitted_by_statistics, parts_of_images, show_target

EVIDENCE, CALIBRATOR, STATISTICS = 'evidence', 'calibrator', 'statistics'
NATIVE_FLOWS, FLOWS = 'heads that learn by gradient', 'heads that learn by gradient from calibrated logits'


class UncertaintyModel:
    """A frozen network with scores, calibrator and prediction sets; :func:`~mmseg_uncertainty.plain.wrap` makes one.

    The network itself is never changed: classes that :meth:`predict` returns are its own.

    Args:
        posthoc: Holds the network and everything that is added to it.
        options: Arguments of :func:`~mmseg_uncertainty.plain.wrap` in plain values, which :meth:`save` writes down.
    """

    def __init__(self, posthoc: PosthocSegmentor, options: Mapping[str, Any]) -> None:
        self.posthoc, self.options = posthoc.eval(), dict(options)
        self.fitted_on: dict = {}
        self._is_fitted = not self._parts()

    @property
    def num_classes(self) -> int:
        """Number of classes K, 2 for one sigmoid channel."""
        return self.posthoc.num_classes

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes; numbers where the network does not know them."""
        return tuple(self.posthoc.base.classes or map(str, range(self.num_classes)))

    @property
    def ignore_index(self) -> int:
        """Label of pixels that have none."""
        return self.posthoc.base.ignore_index

    @property
    def heads(self) -> tuple[str, ...]:
        """Names of the uncertainty maps."""
        return tuple(self.posthoc.uncertainty_heads)

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return next(self.posthoc.base.parameters()).device

    def to(self, device: str | torch.device) -> UncertaintyModel:
        """Move everything to a device."""
        self.posthoc.to(device)
        return self

    def fit(self,
            loader: Iterable,
            calibrator_share: float = 0.3,
            groups: Sequence[Hashable] | None = None,
            iterations: int = 400,
            learning_rate: float = 4e-3,
            seed: int = 0,
            resume: str | Path | None = None,
            progress: bool = True,
            target_images: Iterable | None = None) -> UncertaintyModel:
        """Fit everything that needs it, on labelled images that the network was not trained on.

        Heads whose scores flows take as evidence come first, then heads that learn by gradient (flows) from features, then the
        calibrator, then flows that read its logits, then what is fitted by statistics: the other heads, prediction sets and
        decisions. Memory does not grow with the number of pixels. Statistics need the same images in every pass, in any order;
        learning by gradient takes whatever the loader gives, unless a decision is about what learns.

        Args:
            loader: Batches ``(images, labels)`` or dicts as processors of transformers make them (``pixel_values``,
                ``labels``); images (N, 3, H, W) normalized as the network expects them, labels (N, h, w) of any size.
            calibrator_share: Share of the images that fits what a promise reads: the calibrator, where there are sets or
                decisions, and heads, flows included, that decisions are about. The others fit what promises something,
                which would not hold on the same images.
            groups: Scene or sequence of every image by its index, so that near copies stay on one side of that division.
            iterations: Batches that flows learn from.
            learning_rate: Largest rate of flows.
            seed: Seed of the division and of what flows draw.
            resume: Folder in which an interrupted fit is kept; the same call goes on there. Parts that are done are not done
                again, and flows go on where they were.
            progress: Whether to show progress bars.
            target_images: Batches of images from where the model will be used, which need no labels, for
                ``sets=dict(method='weighted', …)``.

        Returns:
            The model itself.

        Raises:
            CheckpointError: The folder holds a fit under other circumstances.
            ValueError: Nothing has to be fitted, or images and labels do not fit the network.
        """
        parts = self._parts()
        if not parts:
            raise ValueError(f'None of the heads {", ".join(self.heads)} has to be fitted; call predict.')
        self._check_target(target_images)
        recipe = GradientRecipe(iterations, learning_rate, seed)
        images, shares = None, ()
        if {EVIDENCE, CALIBRATOR, STATISTICS} & parts.keys():
            images = CalibrationImages(loader, self._labels, groups, seed, progress)
            shares = parts_of_images(self.posthoc, images, calibrator_share)
        # What a decision is about learns from images that the decision does not see.
        source = PartOfLoader(images, shares[0]) if images is not None and decided(self.posthoc) else loader
        fit = InterruptedFit(resume, self._circumstances(images, recipe, calibrator_share))
        self._forget()
        fit.resume(self.posthoc)
        for part in parts:
            if part in fit.done:
                continue
            if part == EVIDENCE:
                fit_statistics(self.posthoc, parts[part], images, shares[0] if decided(self.posthoc) else WHOLE)
            elif part in (CALIBRATOR, STATISTICS):
                fit_statistics(self.posthoc, parts[part], images, shares[(CALIBRATOR, STATISTICS).index(part)])
            else:
                self._learn(parts[part], recipe, source, fit, progress)
            fit.finish(part, self.posthoc)
        # Not a part that may be done: a fit that goes on follows the images of this call.
        if target_images is not None:
            show_target(self.posthoc, target_images)
        fit.remove()
        self._is_fitted = True
        self.fitted_on = dict(base_sha256=fingerprint(self.posthoc), images=None if images is None else len(images))
        return self

    def adapt(self, target_images: Iterable) -> UncertaintyModel:
        """Let sets that follow a shift follow other images, without a pass over any calibration image.

        Args:
            target_images: Batches of images (N, 3, H, W) from where the model will be used, without labels.

        Returns:
            The model itself.

        Raises:
            RuntimeError: The model has to be fitted first.
            ValueError: Nothing in the model follows images.
        """
        self._check_fitted()
        show_target(self.posthoc, target_images)
        return self

    def predict(self, images: Tensor | np.ndarray, size: tuple[int, int] | None = None) -> PredictedImages:
        """Classes, uncertainty and prediction sets of images, in one pass through the network.

        Args:
            images: Normalized images, shape (N, 3, H, W) or (3, H, W).
            size: Height and width of the result, by default that of the images.

        Raises:
            RuntimeError: The model has to be fitted first.
        """
        images = torch.as_tensor(images)
        images = image_list(images[None] if images.dim() == 3 else images, 'predict')
        sizes = [tuple(size or image.shape[-2:]) for image in images]
        return stack_samples(self.samples(images, sizes), self.heads, self.posthoc.distribution, self.classes)

    def samples(self, images: Sequence[Tensor], sizes: Sequence[tuple[int, int]]) -> list[SegDataSample]:
        """Predict images (3, H, W) of one size, each at a size of its own; samples as evaluators read them."""
        self._check_fitted()
        inputs, samples = network_input(images, self.posthoc.base.size_divisor, self.device, sizes)
        return self.posthoc.predict(inputs, samples)

    def save(self, path: str | Path, with_base: bool = False) -> None:
        """Write what was fitted to a file of tensors and plain values, which :func:`mmseg_uncertainty.load` reads.

        Args:
            path: The file.
            with_base: Whether the weights of the network are written too, so that the tools read the file with a config.

        Raises:
            RuntimeError: The model has to be fitted first.
        """
        self._check_fitted()
        state = self.posthoc.state_dict() if with_base else posthoc_state(self.posthoc)
        meta = dict(mmseg_uncertainty_version=mmseg_uncertainty.__version__, wrap=self.options,
                    fitted_on=dict(self.fitted_on, base_sha256=fingerprint(self.posthoc), classes=list(self.classes)),
                    dataset_meta=dict(classes=list(self.classes)))
        save_whole(path, dict(meta=meta, state_dict={key: value.cpu() for key, value in state.items()}))

    def export(self, path: str | Path, heads: Sequence[str] | None = None, probabilities: bool = False, half: bool = False) -> Path:
        """Write a file that runs without this package, and compare it with the model; see docs/prediction.md.

        Args:
            path: The file, ending in ``.onnx`` or in ``.pt`` for TorchScript; it takes normalized images (N, 3, H, W) of any size.
            heads: Scores to keep, by default all.
            probabilities: Whether the file returns class probabilities too.
            half: Whether the network computes in float16, which is then not compared.

        Returns:
            The path.

        Raises:
            RuntimeError: The model has to be fitted first.
            ValueError: The suffix tells no format, a part cannot be exported, or the file does not compute the same.
        """
        # Imported late: exporters take a second, which fits and predictions do not need.
        from mmseg_uncertainty.apis.plain_export import export_plain
        self._check_fitted()
        return export_plain(self.posthoc, self.classes, path, heads=heads, probabilities=probabilities, half=half)

    def fill(self, state: Mapping[str, Tensor], fitted_on: Mapping, path: str) -> None:
        """Take what was fitted from the tensors of a file.

        Args:
            state: Tensors by name.
            fitted_on: What they were fitted on.
            path: Where they come from, for messages.

        Raises:
            CheckpointError: Tensors are missing or have another shape.
        """
        load_posthoc_state(self.posthoc, state, path)
        self.fitted_on, self._is_fitted = dict(fitted_on), True

    def _check_target(self, target_images: Iterable | None) -> None:
        if target_readers(self.posthoc) and target_images is None:
            raise ValueError("sets=dict(method='weighted', …) follow images from where the model will be used; give "
                             'fit(loader, target_images=…), which need no labels.')
        if target_images is not None and not target_readers(self.posthoc):
            raise ValueError("target_images: nothing in the model follows them; wrap it with sets=dict(alpha=…, method='weighted').")

    @property
    def _labels(self) -> LabelSpace:
        return LabelSpace(self.num_classes, self.ignore_index)

    def _parts(self) -> dict[str, dict[str, nn.Module]]:
        """What has to be fitted, in this order: native heads read uncalibrated logits, so they precede the calibrator."""
        evidence = evidence_of_flows(self.posthoc)
        learning = {name: head for name, head in self.posthoc.uncertainty_heads.items() if hasattr(head, 'loss')}
        calibrators, others = fitted_by_statistics(self.posthoc)
        others = {name: module for name, module in others.items() if name not in evidence}
        parts = {EVIDENCE: evidence, NATIVE_FLOWS: {name: head for name, head in learning.items() if head.resolution == 'native'},
                 CALIBRATOR: calibrators, FLOWS: {name: head for name, head in learning.items() if head.resolution != 'native'},
                 STATISTICS: others}
        return {name: modules for name, modules in parts.items() if modules}

    def _learn(self, heads: Mapping[str, nn.Module], recipe: GradientRecipe, loader: Iterable, fit: InterruptedFit,
               progress: bool) -> None:
        learning = GradientFit(self.posthoc, heads, recipe)
        if fit.progress:
            learning.load_state(fit.progress)
        learning.run(loader, self._labels, lambda: fit.save(self.posthoc, learning.state()), progress)

    def _circumstances(self, images: CalibrationImages | None, recipe: GradientRecipe, share: float) -> dict:
        methods = {name: self.options[name] for name in ('heads', 'calibrator', 'sets', 'decisions') if self.options.get(name)}
        return dict(base=fingerprint(self.posthoc), methods=methods,
                    images=None if images is None else images.digest, calibrator_share=share, iterations=recipe.iterations,
                    learning_rate=recipe.learning_rate, seed=recipe.seed)

    def _forget(self) -> None:
        """Forget an earlier fit: native heads must not learn from logits that it calibrated."""
        self._is_fitted = False
        if self.posthoc.calibrator is not None:
            self.posthoc.calibrator.fitted.fill_(False)

    def _check_fitted(self) -> None:
        if not self._is_fitted:
            names = ', '.join(name for modules in self._parts().values() for name in modules)
            raise RuntimeError(f'{names} must be fitted first: call fit(loader), or read what was saved with '
                               'mmseg_uncertainty.load(path, network).')
