"""What the site renders from the code: the pages of the reference."""
from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator

from mkdocs.structure.files import File, Files

PACKAGES = ('functional', 'models', 'datasets', 'evaluation', 'engine', 'plain', 'apis', 'submissions', 'runtime',
            'visualization')
# Names of a module that its heading holds.
NAMES = 5
ROLE = re.compile(r':(?:py:)?(?:class|func|meth|attr|data|mod|exc|math):<code>~?([^<]+)</code>')


def on_files(files: Files, config) -> Files:
    """Add a page of the reference for every package."""
    for package in PACKAGES:
        content = f'# mmseg_uncertainty.{package}\n\n' + '\n'.join(
            f'## {title(name)}\n\n::: {name}\n    options:\n      show_root_heading: false\n'
            for name in modules(package))
        files.append(File.generated(config, f'reference/{package}.md', content=content))
    return files


def on_page_content(html: str, page, config, files: Files) -> str:
    """Show what Sphinx roles name as code."""
    return ROLE.sub(lambda found: f'<code>{short_name(found[1])}</code>', html)


def short_name(target: str) -> str:
    """Last part of a dotted name; anything else as it is."""
    return target.rpartition('.')[2] if re.fullmatch(r'[\w.]+', target) else target


def title(name: str) -> str:
    """What a module defines, by the names that people search for, and then where it is."""
    module = importlib.import_module(name)
    public = [key for key, value in vars(module).items()
              if not key.startswith('_') and getattr(value, '__module__', None) == name and callable(value)]
    shown = ', '.join(public[:NAMES]) + (', …' if len(public) > NAMES else '')
    path = name.removeprefix('mmseg_uncertainty.')
    return f'{shown} ({path})' if shown else path


def modules(package: str) -> Iterator[str]:
    """Names of the modules of a package that define something public."""
    root = importlib.import_module(f'mmseg_uncertainty.{package}')
    for found in pkgutil.walk_packages(root.__path__, root.__name__ + '.'):
        if not found.ispkg and not found.name.rpartition('.')[2].startswith('_'):
            yield found.name
