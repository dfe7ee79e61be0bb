"""Several checkpoints as one model."""
import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch.testing import assert_close

from mmseg_uncertainty.engine.checkpoints import CheckpointError
from mmseg_uncertainty.functional import mutual_information
from mmseg_uncertainty.models import PosthocSegmentor
from tests.tiny import tiny_base, tiny_posthoc

HEADS = dict(msp=dict(type='MSPHead'), disagreement=dict(type='EnsembleHead'))
IMAGES = torch.randn(2, 3, 32, 48, generator=torch.Generator().manual_seed(5))


def member(seed, **decode_head):
    torch.manual_seed(seed)
    model = MODELS.build(tiny_base(**decode_head)).eval()
    for name, parameter in model.decode_head.conv_seg.named_parameters():
        torch.nn.init.normal_(parameter)
    return model


@pytest.fixture
def members(tmp_path):
    models = [member(seed) for seed in range(3)]
    for index, model in enumerate(models):
        torch.save(dict(state_dict=model.state_dict()), tmp_path / f'{index}.pth')
    return models, [str(tmp_path / f'{index}.pth') for index in range(3)]


def ensemble_of(members, heads=HEADS, **options):
    models, paths = members
    config = dict(tiny_posthoc(heads, **options), type='EnsembleSegmentor', members=paths[1:])
    ensemble = MODELS.build(ConfigDict(config)).eval()
    ensemble.load_state_dict(models[0].state_dict(), strict=False)
    return ensemble


def samples(count=2):
    return [SegDataSample(metainfo=dict(ori_shape=(30, 40), img_shape=(32, 48), pad_shape=(32, 48))) for _ in range(count)]


def scores_of(ensemble):
    return torch.cat([run.scores.values for run in ensemble.run(IMAGES, [sample.metainfo for sample in samples()])])


def logits_of(models):
    with torch.no_grad():
        return [model.encode_decode(IMAGES, [dict(img_shape=(32, 48), pad_shape=(32, 48))] * 2) for model in models]


@pytest.mark.parametrize('keep', ['all', 'one'])
def test_the_mean_of_the_members_is_predicted(members, keep):
    ensemble = ensemble_of(members, keep=keep)
    with torch.no_grad():
        logits, again = (scores_of(ensemble) for _ in range(2))
    expected = torch.stack(logits_of(members[0])).softmax(2).mean(0)
    assert_close(logits[:, :5].softmax(1), expected, atol=1e-6, rtol=1e-5)
    assert torch.equal(logits, again)


def test_disagreement_is_their_mutual_information_and_the_first_member_keeps_its_weights(members):
    ensemble = ensemble_of(members)
    before = {key: value.clone() for key, value in ensemble.state_dict().items()}
    native = []
    for model in members[0]:
        model.decode_head.conv_seg.register_forward_hook(lambda _, __, output: native.append(output))
    logits_of(members[0])
    with torch.no_grad():
        runs = ensemble.run(IMAGES, [sample.metainfo for sample in samples()], ensemble.native_heads())
        maps = torch.cat([run.head_maps.values[:, 0] for run in runs])
    expected = mutual_information(torch.stack(native).softmax(2))
    expected = torch.nn.functional.interpolate(expected[:, None], (32, 48), mode='bilinear')[:, 0]
    assert_close(maps, expected, atol=1e-5, rtol=1e-4)
    assert all(torch.equal(value, before[key]) for key, value in ensemble.state_dict().items())
    assert not any(parameter.requires_grad for parameter in ensemble.base.parameters())


def test_results_are_those_of_any_posthoc_model(members):
    result = ensemble_of(members).predict(IMAGES, samples())[1]
    assert result.uncertainty.msp.shape == result.uncertainty.disagreement.shape == (1, 30, 40)
    assert result.seg_logits.shape == result.pred_sem_seg.shape == (30, 40)
    assert (result.uncertainty.disagreement >= 0).all()


def test_equal_members_agree(members):
    models, paths = members
    same = ensemble_of((models, [paths[0]] * 3)).predict(IMAGES, samples())[0]
    assert same.uncertainty.disagreement.abs().max() < 1e-6
    alone = MODELS.build(ConfigDict(tiny_posthoc(dict(msp=dict(type='MSPHead'))))).eval()
    alone.load_state_dict(models[0].state_dict(), strict=False)
    assert_close(same.uncertainty.msp, alone.predict(IMAGES, samples())[0].uncertainty.msp, atol=1e-5, rtol=1e-4)


def test_fitting_sees_the_ensemble(members):
    ensemble = ensemble_of(members)
    labelled = samples()
    for sample in labelled:
        sample.gt_sem_seg = PixelData(data=torch.zeros(1, 32, 48, dtype=torch.long))
    outputs = ensemble.frozen_outputs(IMAGES, labelled)
    expected = torch.stack(logits_of(members[0])).softmax(2).mean(0)
    assert_close(outputs.logits.softmax(1), expected, atol=1e-6, rtol=1e-5)


def test_members_of_one_channel_keep_their_form(tmp_path):
    models = [member(seed, num_classes=2, out_channels=1, threshold=0.5) for seed in range(2)]
    torch.save(dict(state_dict=models[1].state_dict()), tmp_path / '1.pth')
    config = dict(tiny_base(num_classes=2, out_channels=1, threshold=0.5), type='EnsembleSegmentor', uncertainty_heads={},
                  members=[str(tmp_path / '1.pth')])
    ensemble = MODELS.build(config).eval()
    ensemble.load_state_dict(models[0].state_dict(), strict=False)
    with torch.no_grad():
        logits = scores_of(ensemble)
    assert_close(logits.sigmoid(), torch.stack(logits_of(models)).sigmoid().mean(0), atol=1e-6, rtol=1e-5)


def test_what_cannot_work_is_named(members, tmp_path):
    models, paths = members
    with pytest.raises(ValueError, match='must list the checkpoints'):
        MODELS.build(dict(tiny_posthoc({}), type='EnsembleSegmentor', members=[]))
    with pytest.raises(ValueError, match="keep='some'"):
        ensemble_of(members, keep='some')
    torch.save(dict(state_dict=member(0, num_classes=4).state_dict()), tmp_path / 'other.pth')
    with pytest.raises(CheckpointError, match='other.pth does not fit'):
        ensemble_of((models, [paths[0], str(tmp_path / 'other.pth')])).predict(IMAGES, samples())
    lonely = MODELS.build(ConfigDict(tiny_posthoc(HEADS))).eval()
    assert isinstance(lonely, PosthocSegmentor)
    with pytest.raises(RuntimeError, match='EnsembleSegmentor'):
        lonely.predict(IMAGES, samples())


def test_members_need_no_weights_of_heads(members):
    ensemble = ensemble_of(members, heads=dict(sml=dict(type='StandardizedMaxLogitHead')))
    weights = ensemble._base_weights(members[1][1])
    assert all(torch.equal(value, members[0][1].state_dict()[key]) for key, value in weights.items()) and weights
