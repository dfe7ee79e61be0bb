"""Changes a config so that it measures as a benchmark or a paper does."""
from __future__ import annotations

from collections.abc import Mapping, Sequence

from mmengine.config import Config
from mmseg.registry import DATASETS, METRICS

from mmseg_uncertainty.evaluation import EVALUATORS, evaluator_config
from mmseg_uncertainty.runtime.benchmark_protocols import PROTOCOLS
from mmseg_uncertainty.runtime.near_names import did_you_mean

from .config_files import model_of, type_name
from .run_config import data_of, resize_inputs


def check_protocol(name: str | None) -> None:
    """Check the name of a protocol, out of those of benchmarks and papers and those of all evaluators.

    Raises:
        ValueError: It is unknown.
    """
    metrics = [METRICS.get(config['type']) for config in EVALUATORS.values()]
    of_evaluators = {protocol for metric in metrics for protocol in getattr(metric, 'protocols', ())}
    known = [*PROTOCOLS, *sorted(of_evaluators)]
    if name is not None and name not in known:
        raise ValueError(f'--protocol {name}: unknown.{did_you_mean(name, known)} Choose from {", ".join(PROTOCOLS)}; of '
                         f'evaluators: {", ".join(sorted(of_evaluators))}.')


def use_protocol(config: Config, name: str, evaluators: Sequence[str] = (), dataset: str | None = None, tta: Mapping | None = None,
                 plot_dir: str | None = None) -> list[str]:
    """Set evaluators, their options, the size of inputs and test-time views.

    Args:
        config: Config to change; its test dataset is there already.
        name: A key of :data:`~mmseg_uncertainty.runtime.benchmark_protocols.PROTOCOLS`.
        evaluators: Those of the protocol to keep, by their names of ``--eval``; all when empty.
        dataset: Name of the dataset's config, where the protocol has a scale of its own for it.
        tta: Views that were asked for besides.
        plot_dir: Where evaluators draw their curves.

    Returns:
        What was set, a line for each.

    Raises:
        ValueError: The protocol does not measure labels of this kind, lacks an evaluator, or has other views.
    """
    protocol, source = PROTOCOLS[name], data_of(config, 'test')
    kind = label_kind(source)
    if kind not in protocol.evaluators:
        raise ValueError(f'--protocol {name} measures labels of the kind {" or ".join(protocol.evaluators)}, and '
                         f'{source.get("type")} has {kind}. Choose another --test-dataset or protocol.')
    chosen = chosen_evaluators(name, kind, evaluators)
    extra = dict(plot_dir=plot_dir) if plot_dir else {}
    config.test_evaluator = [evaluator_config(evaluator, **options, **extra) for evaluator, options in chosen.items()]
    config.setdefault('test_cfg', dict(type='TestLoop'))
    told = [f'Protocol {name}: {protocol.source}', f'  evaluators: {"; ".join(map(_told, chosen.items()))}']
    # Rendered streets come with their labels, which have the size of the image.
    rendered = any(type_name(step['type']) == 'RenderToyRoads' for step in source.get('pipeline') or ())
    scale = None if rendered else protocol.scale_of(dataset)
    if scale is not None:
        resize_inputs(source, scale, protocol.keep_ratio)
    told.append(f'  input: {"that of the config" if scale is None else f"{scale[0]}×{scale[1]}"}'
                f'{", ratio kept" if scale is not None and protocol.keep_ratio else ""}')
    if protocol.tta is not None:
        views = {key: list(value) if isinstance(value, tuple) else value for key, value in protocol.tta.items()}
        if tta is not None and dict(tta) != views:
            raise ValueError(f'--protocol {name} sets test-time views ({protocol.views}), and --tta asks for others. Leave '
                             'out --tta.')
        model_of(config).tta = views
    told.append(f'  test-time views: {"those of --tta" if tta is not None and protocol.tta is None else protocol.views}')
    return [*told, f'  void: {protocol.void}', f'  pooling: {protocol.pooling}', f'  threshold: {protocol.threshold}']


def chosen_evaluators(name: str, kind: str, evaluators: Sequence[str]) -> dict[str, Mapping]:
    """Evaluators of a protocol with their options, those that were asked for, by their names of ``--eval``.

    Raises:
        ValueError: The protocol has no such evaluator.
    """
    # What one evaluator measures at once needs no others beside it.
    own = {evaluator: options for evaluator, options in PROTOCOLS[name].evaluators[kind].items() if evaluator in EVALUATORS}
    own = {name: own[name]} if name in own else own
    by_lower = {evaluator.lower(): evaluator for evaluator in own}
    for evaluator in evaluators:
        if evaluator.lower() not in by_lower:
            raise ValueError(f'--protocol {name} says nothing of --eval {evaluator}; it measures {", ".join(own)}. Measure the '
                             'other without --protocol.')
    return {by_lower[evaluator.lower()]: own[by_lower[evaluator.lower()]] for evaluator in evaluators} or own


def label_kind(dataset: Mapping) -> str:
    """Whether the labels of a dataset are ``'classes'`` or ``'anomaly'``, read off its config or its class."""
    given = (dataset.get('metainfo') or {}).get('label_kind')
    if given is not None:
        return given
    kind = DATASETS.get(dataset.get('type')) if isinstance(dataset.get('type'), str) else dataset.get('type')
    meta = getattr(kind, 'METAINFO', {})
    if dataset.get('labels') in ('classes', 'joint') or dataset.get('type') == 'BravoDataset' and 'labels' not in dataset:
        return 'classes'
    return 'anomaly' if dataset.get('anomalies') else meta.get('label_kind', 'classes')


def _told(evaluator: tuple[str, Mapping]) -> str:
    name, options = evaluator
    return name + (f' ({", ".join(f"{key} {value}" for key, value in options.items())})' if options else '')
