"""Files that benchmarks ask for: what belongs in them, how they are written, and whether they are whole; needs no torch."""
from .bravo_submission import BravoSubmission
from .fishyscapes_submission import FishyscapesSubmission
from .frames import Frame
from .score_levels import ScoreLevels
from .smiyc_submission import SmiycSubmission
from .submission import Submission, SubmissionError
from .submission_check import SubmissionReport, check_submission
from .writing import write_submission

__all__ = [
    'BravoSubmission', 'FishyscapesSubmission', 'Frame', 'ScoreLevels', 'SmiycSubmission', 'Submission', 'SubmissionError',
    'SubmissionReport', 'check_submission', 'write_submission'
]
