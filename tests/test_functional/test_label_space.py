"""Labels are classes, void or what else is allowed, and whatever is none of them is named."""
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmseg_uncertainty.functional.label_space import LabelSpace, equals_any
from mmseg_uncertainty.label_values import INLIER, MOST_CLASSES, OUTLIER, PADDING, VOID

VALUES = st.integers(-3, 9) | st.sampled_from([-100, 200, INLIER, OUTLIER, PADDING, VOID, 256, 300])
SPACES = st.builds(LabelSpace, st.integers(1, 8) | st.just(300), VALUES, st.lists(VALUES, max_size=3).map(tuple))
LABELS = st.lists(st.lists(VALUES, min_size=4, max_size=4), min_size=0, max_size=5)


def rows(labels):
    return torch.tensor(labels, dtype=torch.int64).reshape(-1, 4)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(space=SPACES, labels=LABELS)
def test_exactly_classes_void_and_the_others_are_allowed(space, labels):
    allowed = {*range(space.num_classes), space.ignore_index, *space.others}
    wrong = space.wrong(rows(labels))
    assert wrong.tolist() == [[value not in allowed for value in row] for row in labels]
    if wrong.any():
        with pytest.raises(ValueError, match=f'at {int(wrong.sum())} of {wrong.numel()} pixels'):
            space.checked(rows(labels), 'x')
    else:
        space.check(rows(labels), 'x', '')


@given(space=SPACES, labels=LABELS)
def test_checking_changes_the_ignored_value_alone_and_only_in_a_copy(space, labels):
    allowed = {*range(space.num_classes), space.ignore_index, *space.others}
    labels = [[value if value in allowed else 0 for value in row] for row in labels]
    given_labels = rows(labels)
    checked = space.checked(given_labels, 'x')
    assert checked.tolist() == [[VOID if value == space.ignore_index else value for value in row] for row in labels]
    assert given_labels.tolist() == labels
    assert space.known(given_labels).tolist() == [[value != space.ignore_index for value in row] for row in labels]


@pytest.mark.parametrize('dtype', [torch.uint8, torch.int16, torch.int32, torch.bool])
@pytest.mark.parametrize('ignored', [-100, VOID, 300])
def test_integers_of_every_type_are_read_as_what_they_say(dtype, ignored):
    # A comparison in one byte would take 156 for -100 and 44 for 300.
    labels = torch.tensor([156, 44, 1, 0]).to(dtype)
    checked = LabelSpace(200, ignored).checked(labels, 'x')
    assert checked.dtype == torch.int64 and checked.tolist() == labels.tolist()


@pytest.mark.parametrize('labels', [torch.tensor([7.]), torch.tensor([1.]), torch.tensor([7 + 1j])])
def test_whether_labels_are_integers_is_asked_before_their_values(labels):
    with pytest.raises(TypeError, match=rf'a\.png: labels are {labels.dtype}, expected integers.*ToTensor'):
        LabelSpace(3).checked(labels, 'a.png')


def test_a_class_that_is_ignored_is_void():
    space = LabelSpace(3, ignore_index=1)
    assert space.checked(torch.tensor([0, 1, 2]), 'x').tolist() == [0, VOID, 2]
    assert space.wrong(torch.tensor([VOID])).all()


@pytest.mark.parametrize('space, expected', [
    (LabelSpace(3), '0 to 2, or 255 where there is none (void)'),
    (LabelSpace(19, -100, (INLIER, 30)), '0 to 18, 252, 30, or -100 where there is none (void)'),
])
def test_a_message_says_who_what_where_and_what_to_do(space, expected):
    labels = torch.tensor([[0, 77, 2], [-1, space.ignore_index, 77]])
    with pytest.raises(ValueError) as caught:
        space.check(labels, 'a.png', 'Map them.')
    assert str(caught.value) == f'a.png: labels -1, 77 at 3 of 6 pixels, expected {expected}. Map them.'


@pytest.mark.parametrize('highest, shown', [(5, '1, 2, 3, 4, 5'), (6, '1, 2, 3, 4, …, 6'), (90, '1, 2, 3, 4, …, 90')])
def test_of_many_values_the_lowest_and_the_highest_are_shown(highest, shown):
    with pytest.raises(ValueError, match=f'labels {shown} at {highest} of {highest + 1} pixels'):
        LabelSpace(1).checked(torch.arange(highest + 1), 'x')


def test_masks_need_no_value_on_the_host():
    labels = torch.empty(5, dtype=torch.int64, device='meta')
    space = LabelSpace(3, others=(7, 8))
    assert all(mask.is_meta for mask in (space.wrong(labels), space.known(labels), equals_any(labels, (1, 2))))


def test_numbers_are_told_apart_in_one_byte():
    numbers = (VOID, PADDING, OUTLIER, INLIER)
    assert len(set(numbers)) == 4 and all(0 <= number < 256 for number in numbers)
    assert MOST_CLASSES - 1 < min(VOID, PADDING)
