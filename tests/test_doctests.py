"""The examples in docstrings say the truth, and public functions of the mathematics have one."""
import doctest
import inspect
import pkgutil
import tempfile
from importlib import import_module

import numpy as np
import pytest
import torch

import mmseg_uncertainty
from mmseg_uncertainty import functional, plain, runtime, submissions

GIVEN = dict(np=np, torch=torch, tempfile=tempfile, wrap=mmseg_uncertainty.wrap)
# What only counts faster what another function has an example for, and a fit of which no number says anything by itself.
INNER_MODULES = {'class_summary_kernel', 'compiled', 'device_calibration', 'rank_records', 'ranking_resamples', 'score_cells'}
WITHOUT_EXAMPLE = {'fit_fourier_curves', 'summarize_plainly'}
# Bounds of values that have an example, and the slips of released code, kept for comparison.
INNER_NAMES = ('_bound', 'published_')


def modules():
    for package in (functional, plain, runtime, submissions):
        for found in pkgutil.iter_modules(package.__path__, package.__name__ + '.'):
            yield found.name


def examples(name):
    return [found for found in doctest.DocTestFinder().find(import_module(name), extraglobs=GIVEN) if found.examples]


def public_functions(name):
    module = import_module(name)
    return [member for key, member in vars(module).items()
            if inspect.isfunction(member) and member.__module__ == name and not key.startswith('_')]


@pytest.mark.parametrize('name', [name for name in modules() if examples(name)])
def test_examples_are_true(name):
    told = []
    runner = doctest.DocTestRunner(verbose=False)
    for found in examples(name):
        runner.run(found, out=told.append)
    assert not runner.failures, ''.join(told)


@pytest.mark.parametrize('name', functional.__all__)
def test_what_the_mathematics_export_has_an_example(name):
    assert '>>>' in inspect.getdoc(getattr(functional, name))


@pytest.mark.parametrize('name', [name for name in modules() if name.startswith(functional.__name__)
                                  and name.rpartition('.')[2] not in INNER_MODULES])
def test_public_functions_of_the_mathematics_have_an_example(name):
    missing = {function.__name__ for function in public_functions(name)
               if '>>>' not in inspect.getdoc(function) and not any(part in function.__name__ for part in INNER_NAMES)}
    assert missing <= WITHOUT_EXAMPLE


@pytest.mark.parametrize('name', ['wrap', 'load', 'evaluate', 'evaluate_arrays'])
def test_plain_python_has_an_example(name):
    assert '>>>' in inspect.getdoc(getattr(mmseg_uncertainty, name))


def test_what_has_no_example_is_still_there():
    names = {function.__name__ for name in modules() for function in public_functions(name)}
    assert WITHOUT_EXAMPLE <= names
    assert {f'{functional.__name__}.{name}' for name in INNER_MODULES} <= set(modules())
