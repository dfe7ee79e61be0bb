"""A config that cannot be used is named, with the line or the part that is wrong."""
import pytest
from mmengine.config import Config
from mmengine.runner import Runner
from mmseg.registry import MODELS

from mmseg_uncertainty.apis.config_errors import ConfigError, explained
from mmseg_uncertainty.apis.config_files import change_config, load_config, model_of
from tests.tiny import TINY_TOY_ROADS, tiny_base, tiny_posthoc


@pytest.mark.parametrize('content, message', [
    ('x = 1\nmodel = dict(\n', r"own.py, line 2, cannot be read as a config \(SyntaxError: '\(' was never closed\)"),
    ('x = 1\ny = nonesuch\n', r"own.py, line 2, .*NameError: name 'nonesuch' is not defined"),
    ('x = 1 / 0\n', r'own.py, line 1, .*ZeroDivisionError: division by zero'),
    (b'# gr\xf6\xdfe\n', r'own.py cannot be read as a config \(UnicodeDecodeError'),
    ('\0', 'own.py cannot be read as a config .*null bytes'),
    ('_base_ = 3\n', r'own.py cannot be read as a config \(TypeError in its _base_'),
    ("default_scope = 'mmsg'\n", "own.py: default_scope is 'mmsg', and there is no such package. Did you mean mmseg"),
    ("_base_ = './own.py'\n", r'own.py cannot be read: its _base_ leads back to itself'),
    ("_base_ = './gone.py'\n", r'gone.py cannot be read as a config \(FileNotFoundError'),
    ("_base_ = './base.py'\n", r'base.py, line 1, cannot be read as a config \(NameError'),
    ("custom_imports = dict(imports=['nonesuch'])\n", r"own.py cannot be read .*nonesuch")])
def test_the_file_that_cannot_be_read_is_named_with_its_line(tmp_path, content, message):
    (tmp_path / 'own.py').write_bytes(content if isinstance(content, bytes) else content.encode())
    (tmp_path / 'base.py').write_text('x = nonesuch\n')
    with pytest.raises(ConfigError, match=message) as told:
        load_config(tmp_path / 'own.py')
    assert '\n' not in str(told.value)


@pytest.mark.parametrize('content, message', [
    ({}, 'has no model, expected'), (dict(model=3), 'a model that is a int'), (dict(model=[1]), 'a model that is a list'),
    (dict(model=dict(backbone=1)), 'a model without type'),
    (dict(model=dict(type='X', uncertainty_heads=[1])), 'a list for uncertainty_heads')])
def test_a_config_without_model_says_what_it_lacks(content, message):
    with pytest.raises(ConfigError, match=message):
        model_of(Config(content))


@pytest.mark.parametrize('key, value', [('model.type.nothing', 1), ('steps.9.type', 'x'), ('model', 3)])
def test_a_key_that_leads_to_nothing_is_named(key, value):
    config = Config(dict(model=dict(type='X'), steps=[dict(type='Y')]))
    if key == 'model':
        change_config(config, {key: value})
        assert config.model == 3
        return
    with pytest.raises(ConfigError, match=f'--cfg-options {key}={value}'):
        change_config(config, {key: value})


def changed(**changes):
    config = Config(dict(model=tiny_posthoc(dict(msp=dict(type='MSPHead')))))
    change_config(config, {key.replace('__', '.'): value for key, value in changes.items()})
    return config.model


@pytest.mark.parametrize('changes, message', [
    (dict(model__backbone__type='MixVisionTransformers'),
     'MixVisionTransformers, a part of EncoderDecoder, is no model .*Did you mean MixVisionTransformer'),
    (dict(model__backbone=dict(_delete_=True, embed_dims=3)),
     'A model, a part of EncoderDecoder, has no type: its config has the keys embed_dims'),
    (dict(model__decode_head__num_classes=-4),
     r'SegformerHead, a part of \w+, cannot be built .RuntimeError: .* Its options: .*num_classes'),
    (dict(model__backbone__nonesuch=1), "MixVisionTransformer.*'nonesuch'"),
    (dict(model__decode_head=dict(_delete_=True, type='SegformerHead')), 'SegformerHead.*cannot be built .*missing')])
def test_a_part_that_cannot_be_built_is_named(changes, message):
    with pytest.raises(Exception) as raised:
        MODELS.build(changed(**changes))
    told = explained(raised.value)
    assert isinstance(told, ConfigError)
    with pytest.raises(ConfigError, match=message):
        raise told


def test_errors_that_explain_themselves_stay():
    with pytest.raises(ValueError) as raised:
        MODELS.build(dict(type='MSPHead', temperature=0))
    assert explained(raised.value) is raised.value
    plain = RuntimeError('a fault of the program')
    assert explained(plain) is plain and MODELS.build(tiny_base())


def test_a_part_that_a_run_cannot_build_is_found_in_its_config(tmp_path):
    model = dict(tiny_posthoc(dict(fedc=dict(type='FlowEneDetHead'))), data_preprocessor=None)
    run = Config(dict(TINY_TOY_ROADS, model=model, work_dir=str(tmp_path), experiment_name='rate'))
    run.optim_wrapper.optimizer.lr = -1
    with pytest.raises(ValueError) as error:
        Runner.from_cfg(run).train()
    assert str(explained(error.value)).startswith('AdamW, optim_wrapper.optimizer of the config, cannot be built (ValueError: ')
