"""The image in the body of a request, or the status that says why there is none."""
from __future__ import annotations

import asyncio

import numpy as np
from fastapi import HTTPException, Request

from mmseg_uncertainty.runtime.dataset_error import DatasetError
from mmseg_uncertainty.runtime.image_headers import header_size
from mmseg_uncertainty.runtime.image_sources import decode_image

from .limits import Limits

LABEL, ADVICE = 'The body of the request', 'Send the bytes of a whole image file, such as PNG or JPEG.'
FORM = 'multipart/form-data'


async def receive(request: Request, limits: Limits) -> bytes:
    """The body of a request.

    Raises:
        HTTPException: It is a form (415), too large (413) or too slow (408).
    """
    if request.headers.get('content-type', '').startswith(FORM):
        raise HTTPException(415, f'{LABEL} is a form ({FORM}). {ADVICE} With curl: --data-binary @street.jpg')
    try:
        return await asyncio.wait_for(_read(request, int(limits.megabytes * 1e6)), limits.seconds)
    except asyncio.TimeoutError:
        raise HTTPException(408, f'{LABEL} took more than {limits.seconds:g} seconds to arrive. Send it at once, or start the '
                                 'service with a larger --timeout.') from None


async def _read(request: Request, most: int) -> bytes:
    announced = request.headers.get('content-length', '')
    size, content = int(announced) if announced.isdecimal() else 0, bytearray()
    # A little too much is read to its end and thrown away, since most clients look for an answer only once they have sent all.
    if size <= 2 * most:
        size = 0
        async for part in request.stream():
            size += len(part)
            if size > 2 * most:
                break
            if size <= most:
                content += part
            else:
                content.clear()
    if size > most:
        raise HTTPException(413, f'{LABEL} has {size:,} bytes or more, expected {most:,} at most. Shrink the image, or start the '
                                 'service with a larger --max-megabytes.')
    return bytes(content)


def decode(content: bytes, limits: Limits) -> np.ndarray:
    """Decode an image, whose header is looked at first.

    Returns:
        Shape (H, W, 3), uint8, BGR.

    Raises:
        HTTPException: The content is empty (400), no image (415), too large (413) or broken (422).
    """
    if not content:
        raise HTTPException(400, f'{LABEL} is empty. {ADVICE}')
    size = header_size(content)
    if size is None:
        raise HTTPException(415, f'{LABEL} is no image that is known here ({len(content)} bytes, starting with {content[:8]!r}). '
                                 f'{ADVICE}')
    if size[0] * size[1] > limits.megapixels * 1e6:
        raise HTTPException(413, f'{LABEL} is an image of {size[1]}×{size[0]} pixels, expected {limits.megapixels:g} megapixels at '
                                 'most. Shrink it, or start the service with a larger --max-megapixels.')
    try:
        return decode_image(content, LABEL, advice=ADVICE)
    except DatasetError as error:
        raise HTTPException(422, str(error)) from error
