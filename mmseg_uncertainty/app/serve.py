"""Serves the page on this machine only, and nothing but the page."""
from __future__ import annotations

import os
import tempfile

MAX_UPLOAD = '25mb'


def serve(app, port: int | None = None, share: bool = False):
    """Serve an app on the loopback address.

    Uploads are limited to 25 MB, kept in a folder of their own and deleted after an hour; no other file can be read.

    Args:
        app: An :class:`~mmseg_uncertainty.app.uncertainty_app.UncertaintyApp`.
        port: Port, by default the first free one from 7860.
        share: Whether to open a public tunnel, which anyone who has the address can use.

    Returns:
        The page, being served, with its address as ``local_url``; ``block_thread()`` waits until interrupted.
    """
    from .uncertainty_app import SCRIPT, STYLE
    page = app.build()
    page.queue(default_concurrency_limit=4, max_size=32)
    page.launch(
        server_name='127.0.0.1', server_port=port, share=share, max_file_size=MAX_UPLOAD, allowed_paths=[], footer_links=[],
        enable_monitoring=False, run_history=False, ssr_mode=False, mcp_server=False, pwa=False, quiet=True,
        prevent_thread_lock=True, theme=app.theme, css=STYLE, js=SCRIPT)
    return page


def forbid_telemetry() -> None:
    """Switch off all reports of use and give uploads a private folder; call before gradio is imported."""
    os.environ.update(GRADIO_ANALYTICS_ENABLED='False', HF_HUB_DISABLE_TELEMETRY='1', HF_HUB_OFFLINE='1', DO_NOT_TRACK='1')
    os.environ['GRADIO_TEMP_DIR'] = tempfile.mkdtemp(prefix='mmseg_uncertainty_app_')
