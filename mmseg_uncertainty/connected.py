"""Importing this module connects MMSegmentation; every part of the package that plugs into it imports this first."""
from .host import connect_host

connect_host()
