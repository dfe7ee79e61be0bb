"""Positions survive padding, flips, windows and resizing; statistics are those of single cells."""
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from mmseg_uncertainty.models import PosthocSegmentor
from mmseg_uncertainty.models.bases import TorchBase
from mmseg_uncertainty.models.decode_heads import ScoreHead, flow_enedet_head
from mmseg_uncertainty.structures import Grid, MethodInfo
from mmseg_uncertainty.structures.grid import FLIPS

K = 3


class Pooled(nn.Module):
    """Mean input of every cell, then a classifier whose input is exactly that."""

    def __init__(self, stride):
        super().__init__()
        self.stride, self.classifier = stride, nn.Conv2d(3, K, 1)

    def forward(self, inputs):
        return self.classifier(F.avg_pool2d(inputs, self.stride))


@MODELS.register_module()
class CoordinateHead(ScoreHead):
    """Score by one channel of the features."""

    info = MethodInfo('Coordinates', '', 2026, needs={'features'})

    def __init__(self, channel, **options):
        super().__init__(**options)
        self.channel = channel

    def score(self, logits, features):
        return features[:, self.channel]


def segmentor(stride, align_corners=False, test_cfg=None, **heads):
    # Logits of a few cells may lie between 0 and 1 by chance.
    base = TorchBase(Pooled(stride), num_classes=K, features_from='classifier', align_corners=align_corners, check=False)
    return PosthocSegmentor(base=base, test_cfg=test_cfg, uncertainty_heads=heads, data_preprocessor=nn.Identity()).eval()


COORDINATES = dict(row=dict(type='CoordinateHead', channel=0), column=dict(type='CoordinateHead', channel=1))


def position_input(size, meta, align_corners):
    """An input whose first two channels are the image position of each pixel, also where it lies in the padding."""
    rows, columns = Grid.of_input(size, meta, align_corners).image_positions()
    positions = torch.stack(torch.meshgrid(rows, columns, indexing='ij'))
    return torch.cat([positions, torch.zeros(1, *size)]).float()


@st.composite
def batches(draw, margin):
    """Metainfo of images that were resized, flipped and padded to one input size, and that size."""
    height, width = (margin * draw(st.integers(3, 8)) for _ in range(2))
    metas, size = [], (height + 4 * margin, width + 4 * margin)
    for index in range(draw(st.integers(1, 3))):
        left, top = (margin * draw(st.integers(1, 3)) for _ in range(2))
        flip = draw(st.sampled_from([None, *FLIPS]))
        metas.append(dict(img_path=f'{index}.png', padding_size=(left, 4 * margin - left, top, 4 * margin - top),
                          flip=flip is not None, flip_direction=flip, ori_shape=(height, width)))
    return size, metas


@pytest.mark.parametrize('mode', ['whole', 'slide'])
@pytest.mark.parametrize('stride', [1, 2, 4])
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_every_pixel_knows_its_position(mode, stride, data):
    """Cells of images whose padding is at least a cell wide interpolate to every position exactly."""
    size, metas = data.draw(batches(4))
    test_cfg = None if mode == 'whole' else dict(mode='slide', crop_size=(16, 20), stride=(8, 12))
    model = segmentor(stride, test_cfg=test_cfg, **COORDINATES)
    inputs = torch.stack([position_input(size, meta, False) for meta in metas])
    results = model.predict(inputs, [SegDataSample(metainfo=meta) for meta in metas])
    # Within a window the outermost half cells repeat their neighbours, as resized logits do.
    tolerance = 1e-3 if mode == 'whole' else (stride - 1) / 2 + 1e-3
    for result, meta in zip(results, metas):
        height, width = meta['ori_shape']
        rows, columns = torch.meshgrid(torch.arange(height).float(), torch.arange(width).float(), indexing='ij')
        assert (result.uncertainty.row[0] - rows).abs().max() <= tolerance
        assert (result.uncertainty.column[0] - columns).abs().max() <= tolerance


@pytest.mark.parametrize('align_corners', [False, True])
@pytest.mark.parametrize('ori_shape', [(24, 36), (48, 72), (17, 29)])
def test_positions_survive_resizing_to_the_image(align_corners, ori_shape):
    meta = dict(ori_shape=ori_shape, padding_size=(4, 8, 4, 4), flip=True, flip_direction='horizontal')
    model = segmentor(1, align_corners, **COORDINATES)
    result, = model.predict(position_input((32, 48), meta, align_corners)[None], [SegDataSample(metainfo=meta)])
    rows, columns = torch.meshgrid(*(torch.arange(side).float() for side in ori_shape), indexing='ij')
    # Without align_corners the pixels beyond the outermost centres of the input repeat those.
    edge = 0 if align_corners else max(ori_shape[0] / 24, 1)
    for name, truth, length, content in (('row', rows, ori_shape[0], 24), ('column', columns, ori_shape[1], 36)):
        found, half = result.uncertainty.get(name)[0], 0 if align_corners else (length / content - 1) / 2
        assert_close(found, truth.clamp(half, length - 1 - half) if half > 0 else truth, atol=edge * 1e-3 + 1e-3, rtol=0)


@pytest.mark.parametrize('mode', ['whole', 'slide'])
@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_statistics_of_features_are_those_of_single_cells(mode, data):
    stride, margin = 4, 4
    size, metas = data.draw(batches(margin))
    test_cfg = None if mode == 'whole' else dict(mode='slide', crop_size=(16, 20), stride=(8, 12))
    model = segmentor(stride, test_cfg=test_cfg, maha=dict(type='MahalanobisHead'))
    generator = torch.Generator().manual_seed(data.draw(st.integers(0, 99)))
    inputs = torch.randn(len(metas), 3, *size, generator=generator)
    labels = torch.randint(0, K + 1, (len(metas), *metas[0]['ori_shape']), generator=generator)
    labels[labels == K] = 255
    samples = [SegDataSample(metainfo=meta, gt_sem_seg=PixelData(data=label[None])) for meta, label in zip(metas, labels)]
    head = model.uncertainty_heads['maha']
    head.start_stage(0)
    head.update(model.frozen_outputs(inputs, samples), labels, metas)
    count, sums = np.zeros(K, int), np.zeros((K, 3))
    for image, label, meta in zip(inputs, labels, metas):
        # The labels as the network sees them: flipped and padded with the image.
        left, right, top, bottom = meta['padding_size']
        axes = [axis for axis, does in zip((0, 1), FLIPS.get(meta['flip_direction'], ())) if does]
        seen = np.pad(np.flip(label.numpy(), axes), ((top, bottom), (left, right)), constant_values=255)
        for window in model.windows(size):
            part, truth = image[(slice(None), *window.slices)].double().numpy(), seen[window.slices]
            for row in range(0, truth.shape[0] - stride + 1, stride):
                for column in range(0, truth.shape[1] - stride + 1, stride):
                    chosen = truth[row + stride // 2, column + stride // 2]
                    if chosen < K:
                        count[chosen] += 1
                        sums[chosen] += part[:, row:row + stride, column:column + stride].mean(axis=(1, 2))
    moments = head.streamed.moments()
    np.testing.assert_array_equal(moments.count.numpy(), count)
    np.testing.assert_allclose((moments.means * moments.count[:, None]).numpy(), sums, atol=1e-5)


def test_windows_merge_logits_first_and_score_then():
    model = segmentor(1, test_cfg=dict(mode='slide', crop_size=(16, 20), stride=(8, 12)), msp=dict(type='MSPHead'))
    inputs = torch.randn(1, 3, 40, 44)
    merged, count = torch.zeros(1, K, 40, 44), torch.zeros(40, 44)
    for window in model.windows((40, 44)):
        merged[(..., *window.slices)] += model.base.network(inputs[(..., *window.slices)])
        count[window.slices] += 1
    result, = model.predict(inputs)
    assert_close(result.uncertainty.msp, 1 - (merged / count).softmax(1).amax(1))


def test_padding_does_not_shift_what_images_are_compared_with():
    """Standardized features and pooled features of a padded image are those of the image alone."""
    heads = dict(fedc=dict(type='FlowEneDetHead', conditional=True, condition_channels=3, standardize_features=True,
                           flow=dict(kernel_size=1)))
    model = segmentor(4, **heads)
    image = torch.randn(1, 3, 24, 32, generator=torch.Generator().manual_seed(0))
    padded, meta = F.pad(image, (8, 4, 4, 12), value=40.), dict(padding_size=(8, 4, 4, 12), ori_shape=(24, 32))
    alone, = model.run(image, [dict(ori_shape=(24, 32))], model.native_heads(), keep_windows=True, pool_features=True)
    beside, = model.run(padded, [meta], model.native_heads(), keep_windows=True, pool_features=True)
    assert_close(beside.feature_means, alone.feature_means)
    inner = model.uncertainty_heads['fedc'](beside.windows[0])[0, 1:7, 2:10]
    assert_close(inner, model.uncertainty_heads['fedc'](alone.windows[0])[0])


def test_losses_of_windows_pair_each_window_with_its_labels():
    model = segmentor(2, test_cfg=dict(mode='slide', crop_size=(16, 20), stride=(8, 12)),
                      fedu=dict(type='FlowEneDetHead', flow=dict(kernel_size=1)))
    model.train()
    inputs, labels = torch.randn(2, 3, 40, 44), torch.randint(0, K, (2, 40, 44))
    metas = [dict(padding_size=(0, 0, 0, 0), flip=True, flip_direction='horizontal')] * 2
    samples = [SegDataSample(metainfo=meta, gt_sem_seg=PixelData(data=label[None])) for meta, label in zip(metas, labels)]
    outputs = model.frozen_outputs(inputs, samples)
    cells, output, cut = outputs.with_labels(labels)
    windows = list(model.windows((40, 44)))
    assert len(cut) == 2 * len(windows) == len(cells.logits) == len(output.logits)
    for index, window in enumerate(windows):
        assert torch.equal(cut[2 * index:2 * index + 2], labels[(slice(None), *window.slices)])
        native = model.base(inputs[(..., *window.slices)], metas).native
        assert_close(cells.logits[2 * index:2 * index + 2], native)
    loss = sum(value for name, value in model.loss(inputs, samples).items() if 'loss' in name)
    loss.backward()
    gradients = [parameter.grad for parameter in model.uncertainty_heads['fedu'].flow.parameters()]
    assert any(gradient is not None and gradient.abs().max() > 0 for gradient in gradients)
    assert not any(parameter.grad is not None for parameter in model.base.parameters())


@pytest.mark.parametrize('align_corners', [False, True])
@pytest.mark.parametrize('scale_factor', [1., 2.])
def test_losses_bring_scores_to_the_labels_as_the_model_resizes_logits(align_corners, scale_factor):
    options = dict(type='FlowEneDetHead', flow=dict(kernel_size=1))
    model, plain = (segmentor(4, align_corners, fedu=dict(options, **more)) for more in (dict(scale_factor=scale_factor), {}))
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, K, (1, 24, 32), generator=generator)
    sample = SegDataSample(metainfo=dict(ori_shape=(24, 32)), gt_sem_seg=PixelData(data=labels))
    outputs, head = model.frozen_outputs(torch.randn(1, 3, 24, 32, generator=generator), [sample]), model.uncertainty_heads['fedu']
    head.train().loss(outputs, labels)
    plain.load_state_dict(model.state_dict())
    logits = outputs.windows[0].logits
    if scale_factor != 1:
        logits = F.interpolate(logits, scale_factor=scale_factor, mode='bilinear', align_corners=align_corners)
    odds = plain.eval().uncertainty_heads['fedu'](logits)
    odds = F.interpolate(odds[None], size=(24, 32), mode='bilinear', align_corners=align_corners)[0]
    wrong = (outputs.logits.argmax(1) != labels).float()
    assert_close(head.eval().loss(outputs, labels)['loss_posterior'], F.binary_cross_entropy_with_logits(odds, wrong))


@pytest.mark.parametrize('align_corners', [False, True])
def test_features_of_single_pixels_are_those_of_the_resized_map(align_corners, monkeypatch):
    model = segmentor(4, align_corners, fedc=dict(type='FlowEneDetHead', conditional=True, condition_channels=3, training_pixels=30,
                                                  flow=dict(kernel_size=1)))
    labels, inputs = torch.randint(0, K, (2, 24, 32)), torch.randn(2, 3, 24, 32)
    samples = [SegDataSample(metainfo=dict(ori_shape=(24, 32)), gt_sem_seg=PixelData(data=label[None])) for label in labels]
    outputs, head, seen = model.frozen_outputs(inputs, samples), model.uncertainty_heads['fedc'].train(), []
    pixels = flow_enedet_head.draw_pixels(labels, 30)
    monkeypatch.setattr(flow_enedet_head, 'draw_pixels', lambda *_: pixels)
    monkeypatch.setattr(head, '_flow_variables', lambda cells, evidence, features, given=head._flow_variables: (
        seen.extend(features), given(cells, evidence, features))[1])
    head.loss(outputs, labels)
    resized = F.interpolate(outputs.features, size=(24, 32), mode='bilinear', align_corners=align_corners)
    expected = resized.flatten(2).gather(2, (32 * pixels[..., 0] + pixels[..., 1])[:, None].expand(-1, 3, -1))
    assert_close(seen[0].flatten(2), expected, atol=1e-5, rtol=1e-5)
