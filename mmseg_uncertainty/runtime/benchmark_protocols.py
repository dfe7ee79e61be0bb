"""How benchmarks and papers measure, by name: what ``test --protocol NAME`` sets, and what docs/protocols.md shows."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

ANY = '*'


@dataclass(frozen=True)
class BenchmarkProtocol:
    """One way to measure.

    Args:
        source: Benchmark or paper, and the version of the tool whose numbers these are.
        evaluators: Names of ``--eval`` and their options, by the kind of labels, ``'anomaly'`` or ``'classes'``.
        image_size: Of the data, in words.
        resizing: What the network sees, in words.
        void: What does not count, in words.
        pooling: Of which pixels together, in words.
        threshold: Where a pixel is flagged, in words.
        keys: Keys of the results, in words.
        tta: Test-time views, ``None`` for none.
        scales: Width and height to which images are resized, by the name of the dataset's config or :data:`ANY`.
        keep_ratio: Whether images are resized into the scale, and not to it.
    """

    source: str
    evaluators: Mapping[str, Mapping[str, Mapping]]
    image_size: str
    resizing: str
    void: str
    pooling: str
    threshold: str
    keys: str
    tta: Mapping | None = None
    scales: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    keep_ratio: bool = False

    def scale_of(self, dataset: str | None) -> tuple[int, int] | None:
        """Width and height for a dataset, ``None`` where the config of the model decides."""
        return self.scales.get(dataset or ANY, self.scales.get(ANY))

    @property
    def views(self) -> str:
        """Test-time views in words."""
        if self.tta is None:
            return 'none'
        return f'scales {", ".join(f"{scale:g}" for scale in self.tta["scales"])}{"" if self.tta["flip"] else ", no flip"}'


_OWN_SCALE = 'that of the config (`test_scale`); scores at the size of the labels'
_TRACK_VOID = '255; true components below {} pixels'
_BEST_F1 = 'best pixel F1 on the measured images'

PROTOCOLS: dict[str, BenchmarkProtocol] = {
    'smiyc-anomaly': BenchmarkProtocol(
        'SegmentMeIfYouCan, anomaly track; road-anomaly-benchmark 2023-08',
        dict(anomaly=dict(mFishy={}, components=dict(protocol='anomaly'))), '1280×720 to 2048×1024', _OWN_SCALE,
        _TRACK_VOID.format(100), 'all pixels together; components below 500 pixels vanish', _BEST_F1,
        '`HEAD/AP[pooled]`, `HEAD/FPR95[pooled]`, `HEAD/sIoU[anomaly]`, `HEAD/PPV[anomaly]`, `HEAD/F1*[anomaly]`'),
    'smiyc-obstacle': BenchmarkProtocol(
        'SegmentMeIfYouCan, obstacle track and Lost and Found; road-anomaly-benchmark 2023-08',
        dict(anomaly=dict(mFishy={}, components=dict(protocol='obstacle'))), '1920×1080; Lost and Found 2048×1024', _OWN_SCALE,
        'all but the road; ' + _TRACK_VOID.format(10), 'all pixels together; components below 50 pixels vanish', _BEST_F1,
        '`HEAD/AP[pooled]`, `HEAD/FPR95[pooled]`, `HEAD/sIoU[obstacle]`, `HEAD/PPV[obstacle]`, `HEAD/F1*[obstacle]`'),
    'fishyscapes': BenchmarkProtocol(
        'Fishyscapes Lost and Found, Static (version 3); its server, 2023-06',
        dict(anomaly=dict(mFishy=dict(protocol='fishyscapes'))), '2048×1024', _OWN_SCALE, '255',
        'all pixels together, step-wise AP', 'first one with a true-positive rate of 95 %, for FPR95',
        '`HEAD/AP[fishyscapes]`, `HEAD/FPR95[fishyscapes]`, `HEAD/AUROC[fishyscapes]`'),
    'bravo': BenchmarkProtocol(
        'BRAVO 2024; bravo_toolkit 2024-10', dict(classes=dict(bravo={}), anomaly=dict(bravo={})),
        '1280×720 to 2048×1024', _OWN_SCALE, '255; altered pixels in the semantic half', 'all pixels together; the toolkit draws '
        '100,000 of an image', 'first one with a true-positive rate of 95 %, for FPR95',
        '`HEAD/BRAVO_hmean[bravo]` and its parts, by subset; of all subsets `HEAD/BRAVO_index[bravo]`'),
    'flowenedet-paper': BenchmarkProtocol(
        'Gudovskiy et al., UAI 2023; released code', dict(
            anomaly=dict(mFishy=dict(protocol='published')),
            classes=dict(IDM=dict(protocol='published'), oIoU=dict(protocol='published'))),
        '2048×1024', 'to 2048×1024; SegmentMeIfYouCan to 1280×720 and 1920×1080', '255; a positive in oIoU',
        'unknown objects: all pixels together; mistakes: image by image; trapezoids under the name AP', 'best F1 on the test images',
        '`HEAD/AP[published, tta 1 0.5 0.25]`, `HEAD/IDM_AP[published, …]`, `HEAD/oIoU[published, …]`',
        tta=dict(scales=(1.0, 0.5, 0.25), flip=False),
        scales={ANY: (2048, 1024), 'smiyc_anomaly': (1280, 720), 'smiyc_obstacle': (1920, 1080)}),
    'cose-paper': BenchmarkProtocol(
        'Mossina et al., CVPR workshops 2024 (COSE); released code', dict(classes=dict(coverage=dict(required_coverage=0.9))),
        'Cityscapes 2048×1024, ADE20K any, LoveDA 1024×1024', 'into 2048×1024, 2048×512 and 1024×1024, ratio kept; whole images',
        '255', 'image by image, then their mean',
        '1 - λ of conformal risk control, fitted on a random half; τ = 0.9 for the binary loss',
        '`set/risk[pooled]`, `set/binary_risk[pooled]`, `set/mean_size[pooled]`',
        scales={'cityscapes': (2048, 1024), 'cityscapes_frankfurt': (2048, 1024), 'ade20k_calibration': (2048, 512),
                'loveda_calibration': (1024, 1024)}, keep_ratio=True),
    'kandinsky-paper': BenchmarkProtocol(
        'Brunekreef et al., CVPR 2024 (Kandinsky); released code', dict(classes=dict(coverage={})), 'COCO 320×240, by the converter',
        'none', '255: padding of the converter', 'image by image, and all pixels', '1 - α quantile of each group of positions',
        '`set/coverage.person[pooled]`, `set/risk[pooled]`; the coverage error by `tools/plot_sets.py`'),
    'relis-paper': BenchmarkProtocol(
        'de Jorge et al., CVPR 2023 (reliability study); released code', dict(
            classes={'mIoU': {}, 'ECE': dict(protocol='published', bins=15), 'IDM': dict(protocol='published')}),
        'Cityscapes 2048×1024, ACDC 1920×1080, IDD 1280×720', 'into 2048×1024, ratio kept', '255 (its PRR counts it as errors)',
        'all pixels together; the study draws 20,000 of an image; PRR image by image, with the published slip', 'none',
        '`mIoU[pooled]`, `ECE[published]`, `HEAD/IDM_PRR[published]`', scales={ANY: (2048, 1024)}, keep_ratio=True),
}


def protocol_row(name: str) -> str:
    """A row of the table of docs/protocols.md.

    Examples:
        >>> protocol_row('fishyscapes').split(' | ')[:2]
        ['| `fishyscapes`', 'Fishyscapes Lost and Found, Static (version 3); its server, 2023-06']
    """
    found = PROTOCOLS[name]
    cells = (found.source, found.image_size, found.resizing, found.views, found.void, found.pooling, found.threshold, found.keys)
    return f'| `{name}` | {" | ".join(cells)} |'
