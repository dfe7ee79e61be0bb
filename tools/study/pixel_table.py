"""Flows fitted on a table of pixels: what single-pixel flows see of training images, gathered in one pass for all of them."""
from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from mmseg.registry import DATASETS
from torch import Tensor, nn
from tqdm.auto import tqdm

from mmseg_uncertainty.functional.flow_inputs import INPUTS, pool_channels, standardize_over_image
from mmseg_uncertainty.functional.pixel_samples import at_pixels, labels_at
from mmseg_uncertainty.models import PosthocSegmentor
from mmseg_uncertainty.models.decode_heads import FlowEneDetHead
from mmseg_uncertainty.models.losses import FlowEneDetLoss
from mmseg_uncertainty.models.utils.native_maps import scores_at_labels
from mmseg_uncertainty.plain.gradient_fit import GradientRecipe
from mmseg_uncertainty.runtime.output_files import whole_file
from mmseg_uncertainty.structures import GridOutputs

from .models import EVIDENCE, RATES, images_of

PIXELS = dict(mistakes=2048, outliers=1024)
EVERY = dict(mistakes=3, outliers=6)
ITERATIONS, BATCH = 300, 4096
LOSSES = dict(mistakes={}, outliers=dict(mistake_weight=0.05, inlier_weight=0.2))


@torch.no_grad()
def pixel_table(model: PosthocSegmentor, dataset, learned: str, path: Path, title: str) -> dict[str, Tensor]:
    """Random pixels of the training images of a flow, with all that a flow may see there; read from the file if it is there."""
    if path.is_file():
        return {name: torch.from_numpy(values) for name, values in np.load(path).items()}
    torch.manual_seed(0)
    rows: dict[str, list[Tensor]] = {}
    indices = range(0, len(DATASETS.build(dataset)), EVERY[learned])
    for inputs, samples in images_of(model, dataset, indices, f'{title}: pixels for {learned}'):
        outputs = model.frozen_outputs(inputs, samples)
        labels = torch.stack([sample.gt_sem_seg.data[0] for sample in samples]).long()
        size, cells = tuple(labels.shape[-2:]), outputs.windows[0]
        flat = torch.randint(labels[0].numel(), (1, PIXELS[learned]))
        pixels = torch.stack([flat // size[1], flat % size[1]], dim=-1)
        pooled = pool_channels(cells.features, min(32, cells.features.shape[1]))
        logits = GridOutputs(at_pixels(outputs.logits, pixels, size), distribution=outputs.distribution)
        maps = {name: function(logits.summary()) for name, function in INPUTS.items()}
        maps |= {name: at_pixels(scores_at_labels(outputs, model.uncertainty_heads[name], size)[:, None], pixels, size)[:, 0]
                 for name in EVIDENCE}
        columns = {name: values[0, :, 0] for name, values in maps.items()}
        columns |= dict(labels=labels_at(labels, pixels)[0, :, 0], classes=logits.classes[0, :, 0])
        for name, values in dict(pooled=pooled, relative=standardize_over_image(pooled, cells.valid)).items():
            columns[name] = at_pixels(values, pixels, size, cells.align_corners)[0, :, :, 0].T
        for name, values in columns.items():
            rows.setdefault(name, []).append(values)
    table = {name: torch.cat(parts) for name, parts in rows.items()}
    with whole_file(path) as partial, open(partial, 'wb') as file:
        np.savez(file, **{name: values.numpy() for name, values in table.items()})
    return table


def fit_flow(head: FlowEneDetHead, table: dict[str, Tensor], name: str, learned: str, seed: int) -> None:
    """Fit a flow on the table: AdamW, rates that rise and fall, the loss of its kind."""
    torch.manual_seed(seed)
    loss = FlowEneDetLoss(**LOSSES[learned])
    wrong, weight = loss.targets(table['classes'], table['labels'])
    counted = torch.nonzero(weight > 0)[:, 0]
    recipe = GradientRecipe(ITERATIONS, RATES.get(name, RATES[learned]), seed)
    optimizer = recipe.optimizer({'flow': head.flow})
    schedulers = recipe.schedulers(optimizer)
    head.flow.train()
    for _ in tqdm(range(ITERATIONS), desc=f'{name}, seed {seed}', leave=False):
        rows = counted[torch.randint(len(counted), (BATCH, ))]
        z, condition = variables(head, {name: values[rows] for name, values in table.items()})
        if not head.flow.initialized:
            head.flow.initialize(z, condition, weight[rows][None, :, None])
        log_odds = head.flow.log_odds(z, condition)
        terms = loss(log_odds, wrong[rows][None, :, None], weight[rows][None, :, None])
        optimizer.update_params(terms['loss_posterior'])
        for scheduler in schedulers:
            scheduler.step()
    head.flow.eval()


def variables(head: FlowEneDetHead, rows: dict[str, Tensor]) -> tuple[Tensor, Tensor | None]:
    """Input (1, D, S, 1) and condition of the flow of a head at S pixels of the table."""
    columns = [rows[name] for name in (*head.inputs, *head.evidence)]
    condition = [rows['relative' if head.standardize_features else 'pooled']] if head.conditional else []
    if head.class_condition:
        condition.append(nn.functional.one_hot(rows['classes'], head.num_classes).float())
    return _as_map(torch.stack(columns, dim=1)), _as_map(torch.cat(condition, dim=1)) if condition else None


def _as_map(values: Tensor) -> Tensor:
    return values.float().T[None, :, :, None]
