"""``python -m mmseg_uncertainty COMMAND``."""
from .cli import main

if __name__ == '__main__':
    main(prog='python -m mmseg_uncertainty')
