"""What every evaluator does with the images it is given."""
import pytest

from mmseg_uncertainty.evaluation import AnomalyRankingMetric, ClassIoUMetric

META = dict(classes=tuple('abcd'))


@pytest.mark.parametrize(('images', 'scenes', 'warned'), [(4, 4, False), (12, 11, False), (12, 10, False), (12, 9, True),
                                                          (4, 3, True), (4, 1, True), (4, 0, False)])
def test_images_of_fewer_scenes_than_ten_are_warned_of(evaluate, class_samples, warnings, images, scenes, warned):
    samples = class_samples(images=images) if images < 5 else [part for seed in range(3) for part in class_samples(4, seed)]
    for index, part in enumerate(samples):
        part.update(img_path=f'{index}.png', **(dict(scene=f'place {index % scenes}') if scenes else {}))
    metric = ClassIoUMetric(resamples=20)
    evaluate(metric, samples, META)
    assert (f'all {images} images lie in {scenes} scenes' in warnings.text) == warned
    assert metric.provenance['resampled'] == dict(unit='scenes' if scenes else 'images', count=scenes or images)
    assert 'scenes' not in warnings.text or warned


def test_resampling_is_by_scene_or_image():
    for unit in ('scene', 'image'):
        assert ClassIoUMetric(resample_by=unit).resample_by == unit
    with pytest.raises(ValueError, match="resample_by='pixel' is unknown"):
        ClassIoUMetric(resample_by='pixel')


def test_broken_scores_are_counted_where_they_count(evaluate, anomaly_samples):
    samples = anomaly_samples()
    labels, scores = samples[1]['gt_sem_seg']['data'], samples[1]['uncertainty']['energy']
    scores[labels == 255] = float('nan')
    scores[0, 3, 4:7], labels[0, 3, 4:7] = float('inf'), 1
    counted = int((labels != 255).sum())
    with pytest.raises(ValueError, match=rf"images/1.png: head 'energy' gave 3 NaN or infinite scores of {counted}\."):
        evaluate(AnomalyRankingMetric(), samples, dict(classes=('in', 'out'), label_kind='anomaly'))
