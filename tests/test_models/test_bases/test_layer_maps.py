"""Any layer of a network is read in the one pass: maps, tokens and keys."""
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from mmseg_uncertainty.models.bases import TorchBase
from mmseg_uncertainty.models.bases.layer_maps import LayerReader, first_tensor, keys_of, layer_channels, on_grid


class Network(nn.Module):
    """Patches, one attention, and a classifier; its layers are called with keywords and give tuples."""

    def __init__(self, batch_first=False):
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Conv2d(3, 8, 4, stride=4)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=batch_first)
        self.norm, self.unused = nn.LayerNorm(8), nn.Conv2d(3, 3, 1)
        self.classifier = nn.Conv2d(8, 5, 1)

    def forward(self, images):
        maps = self.stem(images)
        tokens = maps.flatten(2).transpose(1, 2)
        self.seen = tokens
        given = tokens if self.attention.batch_first else tokens.transpose(0, 1)
        mixed = self.attention(query=given, key=given, value=given)[0]
        mixed = self.norm(mixed if self.attention.batch_first else mixed.transpose(0, 1))
        return self.classifier(mixed.transpose(1, 2).unflatten(2, maps.shape[2:]))


def based(**options):
    return TorchBase(Network(**options), num_classes=5, features_from='classifier')


@pytest.mark.parametrize('batch_first', [False, True])
def test_input_output_and_keys_come_from_one_pass_which_they_do_not_change(batch_first):
    base, calls, images = based(batch_first=batch_first), [], torch.randn(2, 3, 32, 48)
    plain = base(images, [{}] * 2)
    base.network.stem.register_forward_hook(lambda *_: calls.append(1))
    passed = base(images, [{}] * 2, ('stem', 'stem:output', 'attention:keys', 'norm:output', 'classifier'))
    assert len(calls) == 1 and torch.equal(plain.scores, passed.scores) and not plain.layers
    assert torch.equal(passed.layers['stem'], images) and torch.equal(passed.layers['classifier'], passed.features)
    tokens, attention = base.network.seen, base.network.attention
    keys = F.linear(tokens, attention.in_proj_weight[8:16], attention.in_proj_bias[8:16])
    assert_close(passed.layers['attention:keys'], keys.transpose(1, 2).unflatten(2, (8, 12)))
    assert torch.equal(passed.layers['norm:output'], passed.features)
    assert torch.equal(passed.layers['stem:output'].flatten(2).transpose(1, 2), tokens)
    assert not base.network.stem._forward_hooks.keys() - {max(base.network.stem._forward_hooks)}


def test_widths_are_those_of_the_maps():
    base = based()
    for name, width in (('stem', 3), ('stem:output', 8), ('attention:keys', 8), ('classifier', 8), ('classifier:output', 5),
                        ('norm', None)):
        assert base.layer_channels(name, 'Head') == width, name
    assert layer_channels(nn.Sequential(nn.Conv2d(3, 4, 1)), 'output') is None


@pytest.mark.parametrize('name, message', [
    ('stam', "Head: features_from='stam' names no layer of Network. Did you mean"),
    ('stem:values', "asks for 'values' of a layer; choose from"), ('stem:keys', 'which is no torch.nn.MultiheadAttention')])
def test_names_that_lead_nowhere_are_told(name, message):
    with pytest.raises(ValueError, match=message):
        based().layer_channels(name, 'Head')


def test_layers_that_do_not_run_are_told():
    with pytest.raises(ValueError, match=r"nothing went through the layers \['unused'\]"):
        based()(torch.randn(1, 3, 32, 32), [{}], ('unused', 'stem'))


@pytest.mark.parametrize('size, extra, grid', [((32, 48), 0, (8, 12)), ((32, 48), 1, (8, 12)), ((64, 64), 5, (16, 16)),
                                               ((30, 50), 0, (8, 13))])
def test_tokens_are_laid_out_row_by_row_without_those_before_them(size, extra, grid):
    tokens = torch.arange(grid[0] * grid[1]).float().reshape(1, -1, 1)
    laid = on_grid(torch.cat([torch.full((1, extra, 1), -1.), tokens], dim=1), size)
    assert torch.equal(laid, tokens.reshape(1, 1, *grid))


def test_what_does_not_cover_the_image_is_told():
    with pytest.raises(ValueError, match='gives 60 tokens, which do not cover'):
        on_grid(torch.zeros(1, 60, 3), (32, 48), 'layer')
    with pytest.raises(ValueError, match=r'expected a map \(N, C, h, w\) or tokens'):
        on_grid(torch.zeros(1, 60), (32, 48), 'layer')


def test_the_first_tensor_is_found_wherever_it_is():
    found = torch.zeros(1)
    assert first_tensor(((), dict(mask=None, values=[None, found]))) is found and first_tensor((None, {})) is None


def test_keys_of_other_widths():
    attention = nn.MultiheadAttention(8, 2, kdim=6, vdim=6, batch_first=True)
    tokens = torch.randn(2, 9, 6)
    expected = F.linear(tokens, attention.k_proj_weight, attention.in_proj_bias[8:16])
    assert_close(keys_of(attention, (None, tokens), {}), expected)
    assert_close(keys_of(nn.MultiheadAttention(8, 2, bias=False), (None, ), dict(key=torch.zeros(9, 2, 8))), torch.zeros(2, 9, 8))


def test_half_precision_is_read_in_float32():
    network = Network().double()
    with LayerReader(network, ['stem:output'], 'Head') as reader:
        network(torch.randn(1, 3, 32, 32).double())
    assert reader.maps((32, 32))['stem:output'].dtype == torch.float64
