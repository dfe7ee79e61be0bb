"""Images of several requests share a pass when the model is free; nobody waits for a batch to fill."""
from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future

import numpy as np

from mmseg_uncertainty.runtime.freed_memory import FreedMemory
from mmseg_uncertainty.runtime.prediction import Prediction


class MicroBatches:
    """One thread that predicts what was submitted, images of one size together.

    The image that has waited longest decides the size, so none waits for ever. An image whose batch fails is predicted
    alone, and only those that fail alone get the error.

    Args:
        predict: Predicts images of one size.
        most: Most images of a batch.
        watch: Called with the number of images before each batch, in the thread.
    """

    def __init__(self, predict: Callable[[Sequence[np.ndarray]], list[Prediction]], most: int,
                 watch: Callable[[int], None] = lambda images: None) -> None:
        self._predict, self._most, self._watch = predict, most, watch
        self._waiting: deque[tuple[np.ndarray, Future]] = deque()
        self._changed, self._closing = threading.Condition(), False
        self._freed = FreedMemory()
        self._thread = threading.Thread(target=self._work, name='predict', daemon=True)

    def start(self) -> None:
        """Begin to predict."""
        self._thread.start()

    @property
    def works(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def submit(self, image: np.ndarray) -> Future:
        """Predict an image of shape (H, W, 3) when its turn comes; whoever cancels the future before is passed over.

        Raises:
            RuntimeError: The batches are closed.
        """
        future: Future = Future()
        with self._changed:
            if self._closing:
                raise RuntimeError('The service is closing.')
            self._waiting.append((image, future))
            self._changed.notify()
        return future

    def close(self) -> None:
        """Predict what waits, and end the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    def _work(self) -> None:
        while batch := self._next():
            self._watch(len(batch))
            self._answer(batch)
            self._freed.after(sum(image.shape[0] * image.shape[1] for image, _ in batch))

    def _next(self) -> list[tuple[np.ndarray, Future]]:
        """Images of the size of the first; none once closed."""
        with self._changed:
            while True:
                self._changed.wait_for(lambda: self._waiting or self._closing)
                if not self._waiting:
                    return []
                shape, chosen, others = self._waiting[0][0].shape, [], deque()
                for image, future in self._waiting:
                    if image.shape == shape and len(chosen) < self._most:
                        chosen.append((image, future))
                    else:
                        others.append((image, future))
                self._waiting = others
                batch = [(image, future) for image, future in chosen if future.set_running_or_notify_cancel()]
                if batch:
                    return batch

    def _answer(self, batch: Sequence[tuple[np.ndarray, Future]]) -> None:
        try:
            predictions = self._predict([image for image, _ in batch])
        except Exception as error:
            if len(batch) == 1:
                batch[0][1].set_exception(error)
                return
            for entry in batch:
                self._answer([entry])
            return
        for (_, future), prediction in zip(batch, predictions, strict=True):
            future.set_result(prediction)
