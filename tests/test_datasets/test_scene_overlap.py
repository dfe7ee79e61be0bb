"""Images that fitted a calibrator do not come back in its test."""
import pytest
from mmengine.dataset import ConcatDataset

from mmseg_uncertainty.datasets.scene_overlap import SceneOverlapError, dataset_contents, refuse_overlap, shared_scenes
from tests.test_datasets.test_street_scenes import build, write_pair


@pytest.mark.parametrize('fitted, tested, shared', [
    (['a', 'b'], ['c'], []),
    (['a', 'b'], ['b', 'c'], ['b']),
    (['a#1'], ['a#2'], []),
    (['a#1', 'a#2'], ['a#2'], ['a#2']),
    (['a#1'], ['a'], ['a']),
    (['a'], ['a#3', 'b#3'], ['a#3']),
    (['rain'], ['train'], []),
])
def test_scenes_are_compared_whole_and_by_part(fitted, tested, shared):
    assert shared_scenes(fitted, tested) == shared


def acdc(root, **places):
    for split, (condition, scene) in places.items():
        write_pair(root, f'{condition}/{split}/{scene}', 'GOPR_1', '_rgb_anon', '_gt_labelIds', ('rgb_anon', 'gt'))
    return [dataset_contents(build('ACDCDataset', root, split=split, conditions=(condition, )))
            for split, (condition, _) in places.items()]


def test_acdc_scenes_in_both_splits_are_refused(tmp_path):
    contents = acdc(tmp_path, train=('rain', 'GOPR0475'), val=('fog', 'GOPR0475'))
    assert contents[0]['images'] == ['rgb_anon/rain/train/GOPR0475/GOPR_1_rgb_anon.png']
    with pytest.raises(SceneOverlapError, match='ts.pth was calibrated on 1 images of acdc, and 1 of their scenes .* GOPR0475'):
        refuse_overlap(*contents, 'ts.pth')
    refuse_overlap(*acdc(tmp_path / 'other', train=('rain', 'GOPR0475'), val=('rain', 'GOPR0400')), 'ts.pth')


def test_images_of_another_family_are_others():
    one, other = (dict(family=name, images=['val/1.png'], scenes=['1']) for name in ('camvid', 'idd'))
    refuse_overlap(one, other, 'ts.pth')
    with pytest.raises(SceneOverlapError, match='val/1.png. Numbers would be too good.*--allow-overlap'):
        refuse_overlap(one, one, 'ts.pth')


def test_joined_datasets_name_their_images_too(tmp_path):
    fitted, _ = (acdc(tmp_path, train=('rain', 'GOPR0475'), val=('fog', 'GOPR0476')))
    parts = [build('ACDCDataset', tmp_path, split=split, conditions=(condition, )) for split, condition in (
        ('train', 'rain'), ('val', 'fog'))]
    joined = dataset_contents(ConcatDataset(parts))
    assert joined['family'] == 'acdc' and len(joined['images']) == 2 and set(fitted['images']) < set(joined['images'])
    with pytest.raises(SceneOverlapError, match='was calibrated on 2 images of acdc'):
        refuse_overlap(joined, fitted, 'ts.pth')


@pytest.mark.parametrize('test, refused', [
    (dict(data_prefix=dict(img_path='test', seg_map_path='testannot')), 'images'),
    (dict(data_prefix=dict(img_path='test', seg_map_path='testannot'),
          split=dict(part='test', by='block', block_length=20)), None),
    (dict(data_prefix=dict(img_path='val', seg_map_path='valannot')), None),
    (dict(data_prefix=dict(img_path='train', seg_map_path='trainannot')), 'scenes'),
])
def test_blocks_of_camvid(data_root, test, refused):
    """Blocks of frames may follow each other; the whole sequence they come from may not be tested on."""
    root = data_root / 'camvid'
    part = dict(part='calibration', by='block', block_length=20)
    fitted = dataset_contents(build('CamVidDataset', root, split=part, data_prefix=dict(
        img_path='test', seg_map_path='testannot')))
    tested = dataset_contents(build('CamVidDataset', root, **test))
    if refused is None:
        refuse_overlap(fitted, tested, 'ts.pth')
        return
    with pytest.raises(SceneOverlapError, match=f'of their {refused} are to be tested'):
        refuse_overlap(fitted, tested, 'ts.pth')
