"""Units stay together, parts are disjoint, and what would break a promise is refused by name."""
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.dataset import BaseDataset, ConcatDataset, RepeatDataset

from mmseg_uncertainty.datasets import CalibrationPlan
from mmseg_uncertainty.datasets.calibration_plan import Consumer, units_of

CALIBRATOR, SETS = Consumer('calibrator'), Consumer('set_head', promises=True)
KANDINSKY = Consumer('set_head', True, dict(groups=0.3, thresholds=0.4, risk=0.3))
names = st.sampled_from(['a', 'b', 'c', 'd', None])


class Images(BaseDataset):
    """Samples given as dicts."""

    def __init__(self, infos, **options):
        self.infos = infos
        super().__init__(serialize_data=False, **options)

    def load_data_list(self):
        return [dict(info) for info in self.infos]


def scenes(count=4, images=10, key='scene'):
    return Images([{'img_path': f'data/{scene}/{index}.png', key: f'scene{scene}'} for scene in range(count)
                   for index in range(images)])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(names, names), min_size=1, max_size=30))
def test_images_of_one_scene_or_sequence_are_one_unit(places):
    infos = [dict(scene=scene, sequence=sequence and f's{sequence}') for scene, sequence in places]
    units = units_of(infos)
    assert units.dtype == np.int64 and units.tolist() == [list(dict.fromkeys(units.tolist())).index(unit) for unit in units]
    for one, (scene, sequence) in enumerate(places):
        for other, (other_scene, other_sequence) in enumerate(places):
            alike = (scene is not None and scene == other_scene) or (sequence is not None and sequence == other_sequence)
            assert units[one] == units[other] or not (alike or one == other)
    alone = [index for index, place in enumerate(places) if place == (None, None)]
    assert len(set(units[alone])) == len(alone) and (np.bincount(units)[units[alone]] == 1).all()


def test_blocks_cut_sequences_and_never_scenes():
    film = [dict(sequence='film')] * 7
    assert units_of(film).tolist() == [0] * 7
    assert units_of(film, 3).tolist() == [0, 0, 0, 1, 1, 1, 2]
    assert units_of([dict(scene='rain')] * 5, 2).tolist() == [0] * 5
    parts = [dict(sequence='film', scene=f'film#{index // 4}') for index in range(8)]
    assert units_of(parts, 3).tolist() == [0, 0, 0, 1, 2, 2, 2, 3]


@pytest.mark.parametrize('key', ['scene', 'sequence'])
@pytest.mark.parametrize('sets', [SETS, KANDINSKY])
def test_no_scene_lies_in_two_parts(key, sets):
    dataset = scenes(8, key=key)
    plan = CalibrationPlan.of_dataset(dataset).divided([CALIBRATOR], [sets], 0.3)
    parts = plan.parts()
    assert len(parts) == 1 + max(len(sets.shares), 1) and plan.units == 8
    assert sorted(sum(parts.values(), [])) == sorted(info['img_path'] for info in dataset)
    shown = [{path.split('/')[1] for path in part} for part in parts.values()]
    assert all(not one & other for index, one in enumerate(shown) for other in shown[:index])
    for path in plan.positions:
        inside = [plan.place(name, path) for name in ('calibrator', 'set_head')]
        assert [one[1] for one in inside].count(True) == 1
        assert all(0 <= position < 1 for position, held in inside if held)


def test_a_promise_leaves_out_what_trained_its_score_and_what_lies_beside_that():
    plan = CalibrationPlan.of_dataset(scenes(4, images=3))
    flags = Consumer('decisions.flagged', promises=True, reads=frozenset(['fedc']))
    divided = plan.divided([], [flags, SETS])
    first = divided.parts()['set_head'][0]
    found = divided.without_training(dict(heads=['fedc'], images=[first, 'elsewhere.png']))
    beside = {path for path, unit in plan.groups.items() if unit == plan.groups[next(
        path for path, name in plan.names.items() if name == first)]}
    assert len(beside) == 3 and not set(found.parts()['decisions.flagged']) & {plan.names[path] for path in beside}
    assert len(found.parts()['decisions.flagged']) == 9 and len(found.parts()['set_head']) == 12, 'sets read no head'
    assert divided.without_training(dict(heads=['fedu'], images=[first])).parts() == divided.parts()
    everything = dict(heads=['fedc'], images=list(plan.names.values()))
    with pytest.raises(ValueError, match='decisions.flagged may promise on trained the scores that it reads'):
        divided.without_training(everything)
    given_up = divided.without_training(everything, 'shared')
    assert given_up.shared and given_up.parts() == divided.parts()


def test_a_calibrator_and_a_promise_share_no_image_unless_told():
    plan = CalibrationPlan.of_dataset(scenes())
    with pytest.raises(ValueError, match="calibrator and set_head would be fitted on the same "
                                         "images.*calibrator_share='shared'"):
        plan.divided([CALIBRATOR], [SETS])
    shared = plan.divided([CALIBRATOR], [SETS], 'shared')
    assert shared.shared and len(shared.parts()['calibrator']) == len(shared.parts()['set_head']) == 40
    scores = plan.divided([CALIBRATOR], [Consumer('uncertainty_heads.vim')])
    assert not scores.shared and len(scores.parts()['uncertainty_heads.vim']) == 40
    assert not plan.divided([], [SETS]).shared and not plan.divided([], [SETS], 'shared').shared
    assert len(plan.divided([CALIBRATOR], [], 0.25).parts()['calibrator']) == 40


def test_parts_without_an_image_are_named():
    plan = CalibrationPlan.of_dataset(scenes(2, key='sequence'))
    with pytest.raises(ValueError, match='20 images in 2 units .*leave none for set_head/thresholds.*block_length=10'):
        plan.divided([], [KANDINSKY])
    with pytest.raises(ValueError, match='leave none for calibrator'):
        plan.divided([CALIBRATOR], [SETS], 0.2)
    blocks = CalibrationPlan.of_dataset(scenes(2, key='sequence'), 3)
    assert all(blocks.divided([CALIBRATOR], [KANDINSKY], 0.2).parts().values())


@pytest.mark.parametrize('dataset, named', [
    (RepeatDataset(scenes(2, 3), times=5), r'RepeatDataset: .*data/0/0.png \(5 times\)'),
    (ConcatDataset([scenes(2, 3), scenes(2, 3)]), r'ConcatDataset: .*data/1/2.png \(2 times\)|and 3 more'),
    (Images([dict(img_path='a.png'), dict(img_path='b.png'), dict(img_path='./a.png')]), r'a.png \(2 times\)'),
])
def test_images_that_come_twice_are_refused_by_name(dataset, named):
    with pytest.raises(ValueError, match=f'(?s){named}') as error:
        CalibrationPlan.of_dataset(dataset)
    assert 'RepeatDataset and duplicates' in str(error.value)


def test_different_datasets_may_be_joined():
    joined = ConcatDataset([scenes(2, 3), Images([dict(img_path='other/1.png', scene='x')])])
    assert CalibrationPlan.of_dataset(joined).units == 3


def test_the_record_is_plain_and_names_no_folder_of_this_machine():
    dataset = Images([dict(img_path=f'/home/me/data/val/{index}.png') for index in range(8)], data_root='/home/me/data')
    record = CalibrationPlan.of_dataset(dataset, seed=3).divided([CALIBRATOR], [SETS], 0.5).record()
    assert record['parts']['calibrator'] + record['parts']['set_head'] != sorted(record['parts']['calibrator'])
    assert all(name.startswith('val/') for part in record['parts'].values() for name in part)
    assert (record['seed'], record['images'], record['units'], record['shared']) == (3, 8, 8, False)
    other = CalibrationPlan.of_dataset(dataset, seed=4).divided([CALIBRATOR], [SETS], 0.5).record()
    assert other['parts'] != record['parts']


def test_a_dataset_without_names_is_divided_by_nobody():
    plan = CalibrationPlan.of_dataset(range(5))
    assert plan.divided([], [KANDINSKY]).place('set_head', 'any.png') == (None, True)
    with pytest.raises(ValueError, match='range does not name its images'):
        plan.divided([CALIBRATOR], [SETS], 0.5)
    assert plan.divided([CALIBRATOR], [SETS], 'shared').shared


def test_the_unit_is_stated_and_every_image_has_one():
    dataset = scenes(3, 4)
    known, single = CalibrationPlan.of_dataset(dataset), CalibrationPlan.of_dataset(dataset, unit='image')
    assert known.units == CalibrationPlan.of_dataset(dataset, unit='scene').units == 3 and single.units == 12
    assert known.record()['unit'] == 'known' and single.record()['unit'] == 'image'
    assert len({known.unit_of(f'data/1/{index}.png') for index in range(4)}) == 1
    alone = CalibrationPlan.of_dataset(Images([dict(img_path='a.png'), dict(img_path='b.png')]))
    assert alone.unit_of('a.png') is None, 'no scene is known'
    blocks = CalibrationPlan.of_dataset(scenes(2, 4, 'sequence'), block_length=2, unit='block')
    assert blocks.units == 4 and blocks.unit_of('data/0/0.png') == blocks.unit_of('data/0/1.png') != blocks.unit_of('data/0/2.png')


@pytest.mark.parametrize('options, found', [(dict(unit='sequence'), '12 images of Images name no sequence'),
                                            (dict(unit='film'), "unit='film'"), (dict(unit='block'), 'needs block_length')])
def test_units_that_cannot_be_are_refused(options, found):
    with pytest.raises(ValueError, match=found):
        CalibrationPlan.of_dataset(scenes(3, 4), **options)
