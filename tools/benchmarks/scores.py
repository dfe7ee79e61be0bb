"""The fused pass over the classes beside scores computed one by one, and beside reading the logits once."""
from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator

import torch
from side_by_side import row, run_benchmark, seconds_in_turns
from torch import Tensor

from mmseg_uncertainty.functional import energy, entropy, margin, max_logit, msp, summarize
from mmseg_uncertainty.functional.class_summary import summarize_plainly

SCORES = (msp, max_logit, energy, entropy, margin)


def written_by_hand() -> dict[str, Callable[[Tensor], Tensor]]:
    """Each score as one would write it with torch, and the prediction."""
    return dict(
        msp=lambda logits: 1 - logits.softmax(dim=1).amax(dim=1),
        max_logit=lambda logits: -logits.amax(dim=1),
        energy=lambda logits: -torch.logsumexp(logits, dim=1),
        entropy=lambda logits: -(logits.softmax(dim=1) * logits.log_softmax(dim=1)).sum(dim=1),
        margin=lambda logits: 1 - torch.diff(logits.softmax(dim=1).topk(2, dim=1).values, dim=1).abs()[:, 0],
        prediction=lambda logits: logits.argmax(dim=1))


def fused(logits: Tensor) -> list[Tensor]:
    """All scores and the prediction from one summary."""
    summary = summarize(logits)
    return [score(summary) for score in SCORES] + [summary.predicted]


def rows(args: argparse.Namespace) -> Iterator[dict]:
    """Rows of the table."""
    height, width = (256, 512) if args.quick else (1024, 2048)
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    for classes in (19, 150)[:1 if args.quick else 2]:
        if classes == 150:
            height, width = 512, 1024
        logits = torch.randn(1, classes, height, width, device=device) * 5
        by_hand = written_by_hand()
        functions = dict(
            fused=lambda: fused(logits), summary=lambda: summarize(logits), read=lambda: logits.sum(),
            plain=lambda: summarize_plainly(logits), scores=lambda: [score(logits) for score in SCORES], **{
                name: lambda function=function: function(logits) for name, function in by_hand.items()})
        seconds = seconds_in_turns(functions, 3 if args.quick else 5)
        size = f'{height}x{width}x{classes}, {device}'
        apart = sum(seconds[name] for name in by_hand)
        yield row('five scores and the prediction, each written with torch', seconds['fused'], apart, 's', size)
        yield row('the same, each by this project but one by one', seconds['fused'],
                  seconds['scores'] + seconds['prediction'], 's', size)
        yield row('the prediction alone, torch.argmax', seconds['fused'], seconds['prediction'], 's', size)
        yield row('the pass over the classes, plain torch', seconds['summary'], seconds['plain'], 's', size)
        yield row('the pass over the classes, reading the logits once', seconds['summary'], seconds['read'], 's',
                  f'{size}; peer is logits.sum(), {logits.nbytes / seconds["read"] / 1e9:.0f} GB/s')
        yield row('everything, reading the logits once', seconds['fused'], seconds['read'], 's', size)


if __name__ == '__main__':
    run_benchmark(__doc__, rows)
