"""What a run writes: equal whether it was stopped or not, on one scale, in the space that was asked for."""
import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from mmseg_uncertainty.runtime import prediction_writer
from mmseg_uncertainty.runtime.annotated_video import FOURCC, write_video
from mmseg_uncertainty.runtime.image_sources import each_image, find_images, read_image
from mmseg_uncertainty.runtime.model_facts import ModelFacts
from mmseg_uncertainty.runtime.prediction import Prediction
from mmseg_uncertainty.runtime.prediction_files import summarize_prediction
from mmseg_uncertainty.runtime.prediction_writer import PredictionWriter, SaveOptions, in_order, spread
from mmseg_uncertainty.runtime.map_files import load_maps, save_maps
from mmseg_uncertainty.runtime.score_scale import ScoreScale

SCALES = dict(msp=ScoreScale('probability', 0., .75, .5), energy=ScoreScale('logits', meaning='more unusual'))
FACTS = ModelFacts(list('abcd'), [[60 * index] * 3 for index in range(4)], SCALES, {}, dict(checkpoint='tiny.pth'))


def predict(image):
    grey = image.mean(axis=-1, dtype=np.float32)
    return Prediction((grey // 64).astype(np.uint8), dict(msp=grey / 340, energy=grey / 10 - 30))


def run(folder, inputs, kinds=('labels', 'json', 'csv'), stop_after=None, facts=FACTS, **options):
    """Write predictions of images as the inferencers do; returns how many were made."""
    writer, made = PredictionWriter(folder, SaveOptions(kinds, **options), facts), 0
    for source in each_image(spread(find_images(inputs))):
        if writer.kept(source) is not None:
            continue
        if made == stop_after:
            raise KeyboardInterrupt
        image = np.ascontiguousarray(read_image(source)[..., ::-1])
        prediction = predict(image)
        summary = summarize_prediction(prediction, facts.classes, facts.scales)
        writer.add(source, image, prediction, dict(image=source.label, **summary))
        made += 1
    writer.finish()
    return made


@pytest.fixture(scope='module')
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp('photos')
    random = np.random.default_rng(0)
    for index in range(12):
        soft = cv2.resize(random.integers(0, 256, (4, 6, 3), np.uint8), (53, 37), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(folder / f'{index:02d}.png'), soft)
    return folder


@pytest.fixture(scope='module')
def video(tmp_path_factory):
    path = tmp_path_factory.mktemp('video') / 'drive.avi'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'MJPG'), 10, (97, 65))
    for brightness in range(0, 240, 12):
        writer.write(np.full((65, 97, 3), brightness, np.uint8))
    writer.release()
    return path


def contents(folder):
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob('*')
            if file.is_file() and file.name != 'progress.jsonl'}


def test_a_run_that_was_stopped_goes_on(photos, tmp_path):
    kinds = ('labels', 'figures', 'json', 'csv', 'regions')
    assert run(tmp_path / 'whole', photos, kinds) == 12
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / 'stopped', photos, kinds, stop_after=10)
    with (tmp_path / 'stopped/progress.jsonl').open('a') as journal:
        journal.write('{"image": "cut o')
    assert run(tmp_path / 'stopped', photos, kinds, resume=True) == 2
    assert contents(tmp_path / 'stopped') == contents(tmp_path / 'whole')
    assert run(tmp_path / 'stopped', photos, kinds, resume=True) == 0
    for file in ('labels/03.png', 'maps/05.jpg', 'summaries/07.json'):
        (tmp_path / 'stopped' / file).unlink()
    assert run(tmp_path / 'stopped', photos, kinds, resume=True) == 3
    assert contents(tmp_path / 'stopped') == contents(tmp_path / 'whole')
    assert run(tmp_path / 'stopped', photos, kinds) == 12


def test_images_that_changed_are_predicted_again(photos, tmp_path):
    (tmp_path / 'images').mkdir()
    for name in ('00.png', '01.png'):
        (tmp_path / 'images' / name).write_bytes((photos / name).read_bytes())
    run(tmp_path / 'out', tmp_path / 'images')
    (tmp_path / 'images/00.png').write_bytes((photos / '05.png').read_bytes())
    assert run(tmp_path / 'out', tmp_path / 'images', resume=True) == 1


def test_results_of_another_model_are_refused(photos, tmp_path):
    run(tmp_path, photos)
    other = ModelFacts(FACTS.classes, FACTS.palette, SCALES, {}, dict(checkpoint='other.pth'))
    with pytest.raises(ValueError, match='another run; model changed'):
        run(tmp_path, photos, facts=other, resume=True)
    # The same threshold, but asked for: pictures then outline another score than the first decision.
    chosen, tiled = (ModelFacts(FACTS.classes, FACTS.palette, SCALES, {}, FACTS.provenance, **changed)
                     for changed in (dict(chosen=['msp']), dict(options=dict(max_pixels=9))))
    for other, named in ((chosen, 'threshold'), (tiled, 'max_pixels')):
        with pytest.raises(ValueError, match=f'another run; {named} changed'):
            run(tmp_path, photos, facts=other, resume=True)
    with pytest.raises(ValueError, match='figure.*Did you mean figures'):
        SaveOptions(['figure'])


def test_one_table_tells_all_images(photos, tmp_path):
    pytest.importorskip('pyarrow', reason='pyarrow is not installed; pip install -r requirements-extras.txt')
    from pyarrow import parquet
    run(tmp_path, photos, ('csv', 'parquet'))
    with (tmp_path / 'statistics.csv').open() as file:
        rows = list(csv.DictReader(file))
    columns = parquet.read_table(tmp_path / 'statistics.parquet').to_pydict()
    assert len(rows) == 12 and list(rows[0]) == list(columns)
    assert [float(row['energy_mean']) for row in rows] == columns['energy_mean']
    first = next(row for row in rows if row['image'].endswith('03.png'))
    grey = cv2.imread(str(photos / '03.png')).mean(axis=-1)
    assert float(first['energy_mean']) == pytest.approx((grey / 10 - 30).mean(), abs=1e-5)
    assert float(first['flagged_share']) == pytest.approx((grey / 340 >= .5).mean(), abs=1e-6)


def test_regions_are_the_flagged_pixels(photos, tmp_path):
    coco = pytest.importorskip('pycocotools.coco', reason='pycocotools is not installed; pip install -r requirements-extras.txt')
    run(tmp_path, photos, ('regions', 'json'))
    dataset = coco.COCO(str(tmp_path / 'regions.json'))
    assert len(dataset.imgs) == 12 and [entry['name'] for entry in dataset.cats.values()] == ['msp']
    assert {image['file_name'] for image in dataset.imgs.values()} == {f'{index:02d}.png' for index in range(12)}
    for number, image in dataset.imgs.items():
        path = Path(dataset.dataset['info']['folder'], image['file_name'])
        flags = cv2.imread(str(path)).mean(axis=-1, dtype=np.float32) / 340 >= .5
        regions = dataset.imgToAnns[number]
        drawn = sum((dataset.annToMask(region) for region in regions), np.zeros(flags.shape, np.uint8))
        np.testing.assert_array_equal(drawn, flags)
        assert all(region['area'] == dataset.annToMask(region).sum() for region in regions)


@pytest.mark.parametrize(('kind', 'error'), [('float32', 0), ('float16', 2**-11), ('uint16', 1 / 65535)])
def test_maps_are_kept_in_the_bits_asked_for(kind, error, tmp_path):
    values = np.random.default_rng(0).normal(-8, 3, (40, 60)).astype(np.float32)
    save_maps(tmp_path / 'maps.npz', Prediction(values.astype(int), dict(energy=values)), dict(energy=SCALES['energy']), kind)
    found = load_maps(tmp_path / 'maps.npz')['energy']
    assert found.dtype == np.float32 and np.abs(found - values).max() <= error * np.abs(values).max() * 1.5


def test_colour_scales_are_those_of_the_run(photos, tmp_path, monkeypatch):
    seen, draw = [], prediction_writer.draw_maps

    def drawn(*arguments):
        seen.append(arguments[-1])
        return draw(*arguments)

    monkeypatch.setattr(prediction_writer, 'draw_maps', drawn)
    run(tmp_path, photos, ('figures', ))
    assert len(seen) == 12 and all(limits == seen[0] for limits in seen) and seen[0]['msp'] == (0, .75)
    eight = [cv2.imread(str(photos / f'{index * 12 // 8:02d}.png')).mean(axis=-1, dtype=np.float32) / 10 - 30 for index in range(8)]
    assert seen[0]['energy'] == pytest.approx(np.percentile(eight, (1, 99)), abs=1e-4)


def test_a_video_comes_back_as_a_video(video, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, video, ('figures', 'csv'), stop_after=15)
    assert run(tmp_path, video, ('figures', 'csv'), resume=True) == 5
    capture, frames = cv2.VideoCapture(str(tmp_path / 'figures/drive.mp4')), []
    assert capture.get(cv2.CAP_PROP_FPS) == 10
    while capture.grab():
        frames.append(capture.retrieve()[1])
    assert len(frames) == 20 and frames[0].shape[1] == 640
    # Below the frame, which is 429 pixels high, the mark of the strip walks from left to right.
    columns = [np.nonzero((frame[440:].max(axis=-1) < 60).sum(axis=0) > 4)[0] for frame in (frames[1], frames[18])]
    assert 45 in columns[0] and 45 not in columns[1] and 595 in columns[1] and 595 not in columns[0]
    assert not (tmp_path / '.frames').exists() and run(tmp_path, video, ('figures', 'csv'), resume=True) == 0


@pytest.mark.parametrize(('codec', 'fourcc'), [('mpeg4', 'FMP4'), ('vp9', 'VP90')])
def test_a_video_has_the_format_that_is_asked_for(codec, fourcc, tmp_path):
    frame = np.full((48, 64, 3), 99, np.uint8)
    cv2.imwrite(str(tmp_path / '0.jpg'), frame)
    write_video(tmp_path / 'out.mp4', [tmp_path / '0.jpg'] * 3, {}, 10, codec)
    found = int(cv2.VideoCapture(str(tmp_path / 'out.mp4')).get(cv2.CAP_PROP_FOURCC))
    assert found in (cv2.VideoWriter.fourcc(*fourcc), cv2.VideoWriter.fourcc(*FOURCC[codec]))
    with pytest.raises(ValueError, match="codec='vp' is unknown. Did you mean vp9"):
        SaveOptions(codec='vp')


def test_a_photo_of_12_megapixels_takes_little_room(tmp_path):
    random = np.random.default_rng(0)
    soft = cv2.resize(random.integers(0, 256, (60, 80, 3), np.uint8), (4000, 3000), interpolation=cv2.INTER_CUBIC)
    grain = cv2.resize(random.integers(0, 24, (750, 1000, 1), np.uint8), (4000, 3000), interpolation=cv2.INTER_NEAREST)
    cv2.imwrite(str(tmp_path / 'photo.jpg'), cv2.add(soft, cv2.merge([grain] * 3)))
    run(tmp_path / 'out', tmp_path / 'photo.jpg', prediction_writer.DEFAULT_KINDS)
    assert sum(len(content) for content in contents(tmp_path / 'out').values()) < 15e6
    summary = json.loads((tmp_path / 'out/summaries/photo.json').read_text())
    assert set(summary['files']) == {'labels', 'figure', 'maps'}


def test_results_stand_in_the_order_of_the_images(photos):
    sources = find_images(photos)
    names = [source.name for source in sources]
    assert in_order({source.name: source.name for source in spread(sources)}, sources) == names
