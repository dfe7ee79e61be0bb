"""What the site renders from the code: the table of methods and the pages of the reference."""
from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator

from mkdocs.structure.files import File, Files

PACKAGES = ('functional', 'models', 'datasets', 'evaluation', 'engine', 'plain', 'apis', 'runtime', 'visualization')
METHODS = {
    'Uncertainty heads': 'decode_heads', 'Calibrators': 'calibrators', 'Prediction sets': 'set_heads',
    'Filters': 'filters'}
METHODS_MARK = '<!-- methods -->'
ROLE = re.compile(r':(?:py:)?(?:class|func|meth|attr|data|mod|exc|math):<code>~?([^<]+)</code>')


def on_files(files: Files, config) -> Files:
    """Add a page of the reference for every package."""
    for package in PACKAGES:
        content = f'# mmseg_uncertainty.{package}\n\n' + '\n'.join(
            f'## {name.removeprefix("mmseg_uncertainty.")}\n\n::: {name}\n    options:\n      show_root_heading: false\n'
            for name in modules(package))
        files.append(File.generated(config, f'reference/{package}.md', content=content))
    return files


def on_page_markdown(markdown: str, page, config, files: Files) -> str:
    """Put the table of methods where a page asks for it."""
    return markdown.replace(METHODS_MARK, methods_table()) if METHODS_MARK in markdown else markdown


def on_page_content(html: str, page, config, files: Files) -> str:
    """Show what Sphinx roles name as code."""
    return ROLE.sub(lambda found: f'<code>{short_name(found[1])}</code>', html)


def short_name(target: str) -> str:
    """Last part of a dotted name; anything else as it is."""
    return target.rpartition('.')[2] if re.fullmatch(r'[\w.]+', target) else target


def modules(package: str) -> Iterator[str]:
    """Names of the modules of a package that define something public."""
    root = importlib.import_module(f'mmseg_uncertainty.{package}')
    for found in pkgutil.walk_packages(root.__path__, root.__name__ + '.'):
        if not found.ispkg and not found.name.rpartition('.')[2].startswith('_'):
            yield found.name


def methods_table() -> str:
    """Markdown tables of all methods, from their ``info`` records."""
    parts = []
    for title, package in METHODS.items():
        rows = sorted(set(_rows(package)))
        if rows:
            head = '| class | source | needs | fitted |\n|---|---|---|---|\n'
            parts.append(f'## {title}\n\n{head}' + '\n'.join(rows))
    return '\n\n'.join(parts)


def _rows(package: str) -> Iterator[str]:
    module = importlib.import_module(f'mmseg_uncertainty.models.{package}')
    for name, found in inspect.getmembers(module, inspect.isclass):
        info = vars(found).get('info')
        if info is not None and not inspect.isabstract(found):
            source = f'{info.authors}, "{info.title}", {info.year}' if info.authors else info.title
            yield f'| `{name}` | {source} | {", ".join(sorted(info.needs))} | {"yes" if info.fitted else "no"} |'
