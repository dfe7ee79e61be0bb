"""Splits hold the frames that their benchmarks say, and nothing else."""
from dataclasses import replace

import pytest

from mmseg_uncertainty.submissions import SubmissionError
from mmseg_uncertainty.submissions.splits import BRAVO, SMIYC, split_frames, split_of
from tests.test_datasets.small_files import write_image


def write(folder, names, suffix='.webp'):
    for name in names:
        write_image(folder / f'{name}{suffix}')


OBSTACLES = ('curvy-street_1', 'darkasphalt2_dog_3', 'driveway_14', 'snowstorm1_00_02', 'snowstorm2_1', 'validation_1',
             'validation_19', 'validation_2', 'validation_25')


@pytest.mark.parametrize('name, frames', [
    ('ObstacleTrack-test', ['curvy-street_1', 'darkasphalt2_dog_3']), ('ObstacleTrack-night', ['driveway_14']),
    ('ObstacleTrack-snowstorm', ['snowstorm1_00_02', 'snowstorm2_1']),
    ('ObstacleTrack-validation', ['validation_1', 'validation_2']),
    ('ObstacleTrack-all', [name for name in OBSTACLES if name not in ('validation_19', 'validation_25')])])
def test_scenes_of_the_obstacle_track(tmp_path, name, frames):
    write(tmp_path, OBSTACLES)
    split = replace(SMIYC[name], frames=None)
    assert [frame.name for frame in split_frames(name, split, tmp_path)] == frames
    assert split.stored_as == 'ObstacleTrack-all'


def test_frames_of_the_anomaly_track(tmp_path):
    write(tmp_path, ('airplane0000', 'boat_trailer0004', 'validation0001'), '.jpg')
    names = {name: [frame.name for frame in split_frames(name, replace(SMIYC[name], frames=None), tmp_path)]
             for name in ('AnomalyTrack-all', 'AnomalyTrack-test', 'AnomalyTrack-validation')}
    assert names == {'AnomalyTrack-all': ['airplane0000', 'boat_trailer0004', 'validation0001'],
                     'AnomalyTrack-test': ['airplane0000', 'boat_trailer0004'], 'AnomalyTrack-validation': ['validation0001']}


def test_lost_and_found_is_named_without_folders_and_leaves_known_objects_out(tmp_path):
    known = '15_Rechbergstr_Deckenpfronn'
    write(tmp_path, ('02_X/02_X_000000_000010_leftImg8bit', f'{known}/{known}_1_2_leftImg8bit'), '.png')
    split = replace(SMIYC['LostAndFound-testNoKnown'], frames=None)
    assert [frame.name for frame in split_frames('x', split, tmp_path)] == ['02_X_000000_000010']
    assert split.stored_as == 'LostAndFound-test'
    without_first = replace(split, excluded=(), left_out=(0, ))
    assert [frame.name[:2] for frame in split_frames('x', without_first, tmp_path)] == ['15']


def test_numbers_of_lost_and_found_add_up():
    whole, known = SMIYC['LostAndFound-test'], SMIYC['LostAndFound-testNoKnown']
    assert whole.frames - len(known.left_out) == 1186 and known.frames < 1186


def test_a_frame_too_few_is_refused(tmp_path):
    write(tmp_path, ('airplane0000', ), '.jpg')
    with pytest.raises(SubmissionError, match='AnomalyTrack-all has 110 frames, and .* holds 1 of them'):
        split_frames('AnomalyTrack-all', SMIYC['AnomalyTrack-all'], tmp_path)


def test_images_of_another_split_are_named(tmp_path):
    write(tmp_path, ('validation_1', ))
    with pytest.raises(SubmissionError, match='holds no image of ObstacleTrack-night, but validation_1'):
        split_frames('ObstacleTrack-night', SMIYC['ObstacleTrack-night'], tmp_path)


def test_unknown_splits_have_a_nearest_name():
    with pytest.raises(SubmissionError, match='Did you mean ObstacleTrack-test'):
        split_of('smiyc', 'ObstacleTrack-tset')


def test_bravo_frames_keep_their_paths(tmp_path):
    write(tmp_path / 'bravo_synobjs', ('armchair/1', 'baby/1'), '.png')
    split = replace(BRAVO['synobjs'], frames=None)
    frames = split_frames('synobjs', split, tmp_path / 'bravo_synobjs', nested=True)
    assert [frame.name for frame in frames] == ['bravo_synobjs/armchair/1', 'bravo_synobjs/baby/1']
