"""The service: what it answers to which request."""
from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from enum import Enum
from typing import Annotated

import numpy as np
from fastapi import FastAPI, HTTPException, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect

from mmseg_uncertainty import __version__
from mmseg_uncertainty.runtime.dataset_error import DatasetError
from mmseg_uncertainty.runtime.prediction import Prediction

from .answers import ALL, UnknownMap, as_json, as_npz, as_png
from .limits import Limits
from .micro_batches import MicroBatches
from .received_image import decode, receive
from .served_model import ServedModel
from .service_metrics import ServiceMetrics

CODERS = 2
# What servers write down for a client that has gone; nobody reads it.
CLIENT_HAS_GONE = 499
SECONDS_TO_COME_BACK = 1


class Format(str, Enum):
    """What an answer is."""

    JSON = 'json'
    PNG = 'png'
    NPZ = 'npz'


class UncertaintyService:
    """Predicts the image of each request, in batches with those of others.

    Requests beyond the limit are refused before their body is read, so memory is bounded by the limits. Nothing is kept
    between requests and nothing is written, so a request may be sent again after any failure.

    Args:
        model: What predicts.
        limits: How much at once.
    """

    def __init__(self, model: ServedModel, limits: Limits) -> None:
        self.model, self.limits, self.busy = model, limits, 0
        self.metrics = ServiceMetrics(lambda: self.busy)
        self.batches = MicroBatches(model.predict, limits.batch, self.metrics.batch.observe)
        self.coders = ThreadPoolExecutor(CODERS, 'code')

    def close(self) -> None:
        """Answer what waits, and end the threads."""
        self.batches.close()
        self.coders.shutdown()

    async def predict(self, request: Request, kind: Format, name: str, include: Sequence[str]) -> Response:
        """Answer a request whose body is an image, and count the answer.

        Raises:
            HTTPException: There is no prediction, and the status says why.
        """
        start, status = time.perf_counter(), 500
        try:
            response = await self._admitted(request, kind, name, include)
            status = response.status_code
            return response
        except HTTPException as error:
            status = error.status_code
            raise
        finally:
            self.metrics.requests.labels(status).inc()
            self.metrics.seconds.observe(time.perf_counter() - start)

    async def _admitted(self, request: Request, kind: Format, name: str, include: Sequence[str]) -> Response:
        if self.busy >= self.limits.waiting:
            raise HTTPException(503, f'{self.busy} requests are under way, as many as this service takes. Send it again later.',
                                {'Retry-After': str(SECONDS_TO_COME_BACK)})
        self.busy += 1
        try:
            content = await receive(request, self.limits)
            image = await self._in_thread(decode, content, self.limits)
            prediction = await asyncio.wrap_future(self.batches.submit(image))
            return await self._in_thread(self._answer, image, prediction, kind, name, include)
        except ClientDisconnect:
            return Response(status_code=CLIENT_HAS_GONE)
        except (DatasetError, UnknownMap) as error:
            raise HTTPException(422, str(error)) from error
        finally:
            self.busy -= 1

    async def _in_thread(self, function, *arguments):
        return await asyncio.get_running_loop().run_in_executor(self.coders, function, *arguments)

    def _answer(self, image: np.ndarray, prediction: Prediction, kind: Format, name: str, include: Sequence[str]) -> Response:
        self.metrics.saw(self.model.summarize(prediction))
        if kind is Format.PNG:
            return Response(as_png(self.model, prediction, image, name), media_type='image/png')
        if kind is Format.NPZ:
            return Response(as_npz(self.model, prediction), media_type='application/octet-stream')
        return Response(as_json(self.model, prediction, include), media_type='application/json')


def create_app(model: ServedModel, limits: Limits, hosts: Sequence[str] = ('*', )) -> FastAPI:
    """The application, for any ASGI server.

    Args:
        model: What predicts.
        limits: How much at once.
        hosts: Names by which clients may call the machine; a page of the web that has a name of its own lead here is refused.
    """
    service = UncertaintyService(model, limits)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service.batches.start()
        yield
        service.close()

    # The pages of FastAPI that show an interface load their scripts from elsewhere.
    app = FastAPI(title='mmseg_uncertainty', version=__version__, docs_url=None, redoc_url=None, lifespan=lifespan)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(hosts))

    @app.post('/predict', openapi_extra=dict(requestBody=dict(required=True, content={
        'image/*': dict(schema=dict(type='string', format='binary'))})))
    async def predict(
            request: Request,
            kind: Annotated[Format, Query(alias='format', description='what the answer is')] = Format.JSON,
            name: Annotated[str, Query(alias='map', description='which picture, for png')] = 'labels',
            include: Annotated[list[str], Query(description=f'maps in the JSON, {ALL} for every one')] = []) -> Response:  # noqa: B006
        """Predict the image in the body."""
        return await service.predict(request, kind, name, include)

    @app.get('/model')
    async def describe() -> dict:
        """Classes, heads with their units, decisions with their promises, and where the model came from."""
        return model.describe()

    @app.get('/health')
    async def health() -> JSONResponse:
        """Status 200 while images are predicted, else 503."""
        works = service.batches.works
        return JSONResponse(dict(status='ready' if works else 'the thread that predicts has ended; restart the service'),
                            200 if works else 503)

    @app.get('/metrics')
    async def metrics() -> Response:
        """Counters for Prometheus."""
        return Response(service.metrics.text(), media_type='text/plain; version=0.0.4; charset=utf-8')

    @app.exception_handler(RequestValidationError)
    async def refuse(request: Request, error: RequestValidationError) -> JSONResponse:
        """Say in one sentence what does not fit."""
        told = '; '.join(f'{".".join(map(str, entry["loc"]))}: {entry["msg"]}' for entry in error.errors())
        return JSONResponse(dict(detail=told), 422)

    @app.exception_handler(Exception)
    async def fail(request: Request, error: Exception) -> JSONResponse:
        """Tell nothing of the inside; the log of the service has it."""
        return JSONResponse(dict(detail='The model failed on this image; the log of the service says why.'), 500)

    return app
