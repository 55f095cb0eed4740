"""Which numbers of parts a training batch can be divided into."""

import pytest

from finetuning.flags import batch_parts
from finetuning.utils.errors import InputError


@pytest.mark.parametrize(
    "batch_size, num_workers, accepted",
    [
        (12, 1, [1, 2, 3, 4, 6, 12]),
        (12, 3, [1, 2, 4]),
        (36, 2, [1, 2, 3, 6, 9, 18]),
        (1, 1, [1]),
        (7, 2, []),
    ],
)
def test_accepted_values(batch_size, num_workers, accepted):
    """The others are refused with a list of these; of them, the next is found."""
    for count in range(1, 40):
        following = [larger for larger in accepted if larger > count]
        found = batch_parts.next_larger(batch_size, count, num_workers)
        assert found == (following[0] if following else None)
        if count in accepted:
            batch_parts.check(batch_size, count, num_workers)
            continue
        with pytest.raises(InputError) as refused:
            batch_parts.check(batch_size, count, num_workers)
        if accepted:
            listed = "use one of %s, or" % ", ".join(map(str, accepted))
        else:
            listed = "use a multiple of %d" % num_workers
        assert listed in str(refused.value)


def test_a_huge_batch_is_checked_at_once():
    with pytest.raises(InputError, match="use one of 1, 2147483647, or"):
        batch_parts.check(2**31 - 1, 2)
