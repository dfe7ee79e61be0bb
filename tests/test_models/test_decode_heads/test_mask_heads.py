"""RbA and Maskomaly read masks of a network of transformers and of a decode head of mmseg, in one pass."""
from types import SimpleNamespace

import pytest
import torch
from mmengine.registry import init_default_scope
from torch.nn import functional as F
from torch.testing import assert_close

from mmseg_uncertainty.functional.class_distributions import class_distribution
from mmseg_uncertainty.functional.mask_scores import mask_anomaly, rejected_by_all
from mmseg_uncertainty.models import PosthocSegmentor
from mmseg_uncertainty.models.bases import QUERIES, MMSegBase, base_of
from mmseg_uncertainty.models.decode_heads import MaskomalyHead, MSPHead, RbAHead
from tests.test_models.test_bases.test_transformers_base import transformers_network
from tests.tiny import model_around

HEADS = dict(rba=dict(type='RbAHead'), maskomaly=dict(type='MaskomalyHead', confidence=0.3, border=None), msp=dict(type='MSPHead'))
pytest.importorskip('transformers', reason='make extras')


@pytest.fixture(scope='module', params=['Mask2Former', 'MaskFormer'])
def model(request):
    init_default_scope('mmseg')
    return PosthocSegmentor(HEADS, base=base_of(transformers_network(request.param))).eval()


def test_scores_are_those_of_the_masks_in_one_pass(model):
    torch.manual_seed(0)
    inputs, calls = torch.randn(2, 3, 64, 64), []
    hook = model.base.network.register_forward_hook(lambda *_: calls.append(1))
    results = model.predict(inputs)
    hook.remove()
    assert len(calls) == 1 and model.layers == QUERIES
    with torch.no_grad():
        output = model.base.network(inputs)
    mass = model.base.scores(inputs, [{}] * 2)
    anomaly = mask_anomaly(output.class_queries_logits, output.masks_queries_logits, 0.3, None)
    anomaly = F.interpolate(anomaly[:, None], (64, 64), mode='bilinear')[:, 0]
    for index, result in enumerate(results):
        assert_close(result.uncertainty.rba.reshape(64, 64), rejected_by_all(mass)[index], rtol=1e-4, atol=1e-5)
        assert_close(result.uncertainty.maskomaly.reshape(64, 64), anomaly[index], rtol=1e-4, atol=1e-5)


def test_windows_have_queries_of_their_own(model):
    slid = PosthocSegmentor(HEADS, base=model.base, test_cfg=dict(mode='slide', crop_size=(64, 64), stride=(32, 32))).eval()
    assert slid.predict(torch.randn(1, 3, 64, 96))[0].uncertainty.maskomaly.isfinite().all()


def test_queries_of_mmseg_are_those_of_the_last_layer():
    layers = [torch.zeros(1, 2, 3), torch.ones(1, 2, 3)], [torch.zeros(1, 2, 4, 4), torch.ones(1, 2, 4, 4)]
    classes, masks = MMSegBase.queries_of(None, layers)
    assert classes is layers[0][1] and masks is layers[1][1]


def test_other_networks_are_refused():
    base = SimpleNamespace(base=SimpleNamespace(distribution=class_distribution('softmax')))
    with pytest.raises(TypeError, match="RbAHead reads the mass .* output of the base model is 'softmax'"):
        RbAHead().bind(base)
    with pytest.raises(TypeError, match='MaskomalyHead reads the masks of single queries, and Identity gives none'):
        MaskomalyHead().bind(model_around(torch.nn.Identity()))
    with pytest.raises(ValueError, match='MaskomalyHead reads queries, which these outputs do not hold'):
        MaskomalyHead()(torch.zeros(1, 3, 4, 4))
    for options in (dict(confidence=1.), dict(share=1.5)):
        with pytest.raises(ValueError, match='MaskomalyHead: confidence='):
            MaskomalyHead(**options)
    assert MSPHead().layers == ()
