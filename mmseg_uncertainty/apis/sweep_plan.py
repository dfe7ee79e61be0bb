"""What a sweep measures: models by datasets by corruptions by severities."""
from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

from mmseg_uncertainty.datasets import CORRUPTIONS
from mmseg_uncertainty.evaluation import evaluator_config
from mmseg_uncertainty.functional.corruption_average import CITYSCAPES_C, PROTOCOLS

from .config_files import load_config

CLEAN = 'clean'
NO_CALIBRATOR = 'none'
NAMES_FOR_MANY = ('cityscapes-c', )


@dataclass(frozen=True)
class FittedCalibrator:
    """A calibrator to measure beside the plain model.

    Args:
        config: Config whose model holds the calibrator.
        checkpoint: File that it was fitted to.
    """

    config: str
    checkpoint: str


@dataclass(frozen=True)
class SweptModel:
    """A model and the calibrators that share its forward passes.

    Args:
        config: Config of a ``PosthocSegmentor`` with the heads to measure.
        checkpoint: File that fills it; ``None`` where the config names the weights of the base model.
        calibrators: Fitted calibrators by name.
    """

    config: str
    checkpoint: str | None = None
    calibrators: Mapping[str, FittedCalibrator] = field(default_factory=dict)


@dataclass(frozen=True)
class SweptDataset:
    """A test dataset.

    Args:
        dataset: Name in ``local_configs/_base_/datasets``, or path of a config with a ``test_dataloader``; the name of the
            entry by default.
        data_root: Folder of the data, if not that of the config.
        every: Measure each n-th image.
        corruptions: Corruptions of this dataset, if not those of the plan.
        models: Models to measure on it; ``None`` takes all.
        options: Options of the dataset class, such as ``conditions``.
    """

    dataset: str | None = None
    data_root: str | None = None
    every: int = 1
    corruptions: Sequence[str] | None = None
    models: Sequence[str] | None = None
    options: Mapping = field(default_factory=dict)


@dataclass(frozen=True)
class Cell:
    """One measurement: a model on a dataset under a corruption (``'clean'`` with severity 0 for none)."""

    model: str
    dataset: str
    corruption: str
    severity: int

    def path(self, work_dir: Path) -> Path:
        """Where its results are kept."""
        return work_dir / 'cells' / self.model / self.dataset / f'{self.corruption}-{self.severity}.json'

    def __str__(self) -> str:
        return f'{self.model}/{self.dataset}/{self.corruption}-{self.severity}'


@dataclass(frozen=True)
class SweepPlan:
    """A sweep, as its YAML or Python file describes it.

    Args:
        models: Models by name.
        datasets: Datasets by name.
        corruptions: Names, or ``'cityscapes-c'`` for its sixteen.
        severities: From 1 to 5; every dataset is measured without corruption too.
        heads: Heads to keep; ``None`` keeps all.
        evaluators: ``--eval`` names; ``'OOD-image'`` compares with the clean images of ``reference``.
        reference: Datasets whose clean images are in-domain; each model takes the first that it is measured on.
        averages: ``'published'`` or ``'all_severities'``.
        domains: Names of groups of datasets to average over, such as ``dict(weather=['acdc_fog', 'acdc_rain'])``.
        report: Metrics of the report, such as ``'mIoU'``, ``'ECE'`` and ``'IDM_PRR'``.
        allow_overlap: Whether calibrators may be measured on what they were fitted on.
    """

    models: Mapping[str, SweptModel]
    datasets: Mapping[str, SweptDataset]
    corruptions: Sequence[str] = ()
    severities: Sequence[int] = (1, 2, 3, 4, 5)
    heads: Sequence[str] | None = None
    evaluators: Sequence[str] = ('mIoU', 'ECE', 'IDM')
    reference: Sequence[str] = ()
    averages: str = 'published'
    domains: Mapping[str, Sequence[str]] = field(default_factory=dict)
    report: Sequence[str] = ('mIoU', 'ECE', 'IDM_PRR')
    allow_overlap: bool = False

    @classmethod
    def from_file(cls, path: str | Path) -> SweepPlan:
        """Read a YAML, JSON or Python file.

        Raises:
            ValueError: A key is unknown or missing, or a value is out of range.
        """
        content = {key: value for key, value in load_config(path).to_dict().items() if not inspect.ismodule(value)}
        if isinstance(content.get('reference'), str):
            content['reference'] = (content['reference'], )
        options = _checked(cls, content, str(path))
        for name in (*options['models'], *options['datasets']):
            if Path(str(name)).name != str(name):
                raise ValueError(f'{path}: {name!r} names a folder of results, so it may hold no slash.')
        options['models'] = {name: _model(entry, f'{path}: models.{name}') for name, entry in options['models'].items()}
        options['datasets'] = {name: SweptDataset(**_checked(SweptDataset, entry or {}, f'{path}: datasets.{name}'))
                               for name, entry in options['datasets'].items()}
        plan = cls(**options)
        plan.check(str(path))
        return plan

    def check(self, where: str) -> None:
        """Raise where names are unknown or values out of range; see :meth:`from_file`."""
        for name, entry in self.datasets.items():
            unknown = sorted(set(self.corruptions_of(name)) - set(CORRUPTIONS))
            if unknown:
                raise ValueError(f'{where}: the corruptions {unknown} are unknown; choose from {", ".join(CORRUPTIONS)}.')
            if entry.every < 1:
                raise ValueError(f'{where}: datasets.{name}.every is {entry.every}, expected 1 or more.')
            absent = sorted(set(entry.models or ()) - set(self.models))
            if absent:
                raise ValueError(f'{where}: datasets.{name}.models names {absent}, expected some of {list(self.models)}.')
        if not set(self.severities) <= set(range(1, 6)):
            raise ValueError(f'{where}: severities={list(self.severities)}, expected numbers from 1 to 5.')
        if self.averages not in PROTOCOLS:
            raise ValueError(f'{where}: averages={self.averages!r} is unknown; choose from {PROTOCOLS}.')
        for name, members in self.domains.items():
            _check_kind('Sequence[str]', members, f'{where}: domains.{name}')
        named = {*self.reference, *(name for members in self.domains.values() for name in members)}
        if named - set(self.datasets):
            raise ValueError(f'{where}: reference and domains name {sorted(named - set(self.datasets))}, expected some of '
                             f'{list(self.datasets)}.')
        for name in self.evaluators:
            if name != 'OOD-image':
                evaluator_config(name)
        if not self.evaluators:
            raise ValueError(f'{where}: evaluators is empty, so nothing would be measured; name some, such as mIoU.')
        if 'OOD-image' in self.evaluators and not self.reference:
            raise ValueError(f'{where}: OOD-image compares with in-domain images; name their dataset as reference.')

    def corruptions_of(self, dataset: str) -> Sequence[str]:
        """Corruptions of a dataset."""
        own = self.datasets[dataset].corruptions
        chosen = self.corruptions if own is None else own
        return CITYSCAPES_C if chosen == 'cityscapes-c' else tuple(chosen)

    def groups(self) -> Iterator[tuple[str, str]]:
        """Model and dataset of each process."""
        return ((model, dataset) for model in self.models for dataset, entry in self.datasets.items()
                if entry.models is None or model in entry.models)

    def reference_of(self, model: str) -> str | None:
        """Dataset whose clean images are in-domain for a model."""
        measured = {dataset for name, dataset in self.groups() if name == model}
        return next((name for name in self.reference if name in measured), None)

    def cells(self, model: str, dataset: str) -> Iterator[Cell]:
        """Cells of one process, the clean one first."""
        yield Cell(model, dataset, CLEAN, 0)
        for corruption in self.corruptions_of(dataset):
            for severity in sorted(self.severities):
                yield Cell(model, dataset, corruption, severity)


def _model(entry: Mapping, where: str) -> SweptModel:
    options = _checked(SweptModel, entry, where)
    calibrators = {name: FittedCalibrator(**_checked(FittedCalibrator, value, f'{where}.calibrators.{name}'))
                   for name, value in options.pop('calibrators', {}).items()}
    if NO_CALIBRATOR in calibrators:
        raise ValueError(f'{where}: no calibrator may be called {NO_CALIBRATOR!r}, which stands for the plain model.')
    return SweptModel(**options, calibrators=calibrators)


def _checked(kind: type, content: object, where: str) -> dict:
    if not isinstance(content, Mapping):
        raise ValueError(f'{where} is {_shown(content)}, expected keys and values: '
                         f'{", ".join(entry.name for entry in fields(kind))}.')
    known = {entry.name: entry for entry in fields(kind)}
    unknown = sorted(set(content) - set(known))
    # A field without default has the class-level sentinel of dataclasses in both places.
    required = [name for name, entry in known.items() if entry.default is entry.default_factory]
    missing = [name for name in required if not content.get(name)]
    if unknown or missing:
        raise ValueError(f'{where}: unknown keys {unknown}, missing keys {missing}; expected {", ".join(required)} and any of '
                         f'{", ".join(name for name in known if name not in required)}.')
    for name, value in content.items():
        _check_kind(str(known[name].type), value, f'{where}: {name}')
    return dict(content)


def _check_kind(kind: str, value: object, where: str) -> None:
    """Check a value by the annotation of its field; a text may stand for the one name it is.

    Raises:
        ValueError: It is of another kind.
    """
    if value is None and 'None' in kind:
        return
    what, fits = next(rule for start, rule in {
        'Mapping': ('names with their values', isinstance(value, Mapping)),
        'Sequence[int': ('a list of whole numbers', _is_list(value, int)),
        'Sequence': ('a list of names', _is_list(value, str) or value in NAMES_FOR_MANY),
        'bool': ('true or false', isinstance(value, bool)),
        'int': ('a whole number', isinstance(value, int) and not isinstance(value, bool)),
        'str': ('a text', isinstance(value, str))}.items() if kind.startswith(start))
    if not fits:
        raise ValueError(f'{where} is {_shown(value)}, expected {what}.')


def _is_list(value: object, kind: type) -> bool:
    return isinstance(value, (list, tuple)) and all(isinstance(entry, kind) for entry in value)


def _shown(value: object) -> str:
    return f'{value!r:.60} ({type(value).__name__})'
