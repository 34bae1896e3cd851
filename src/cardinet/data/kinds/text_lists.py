"""Lists of labels that are written as text: numbers of classes, or their names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from cardinet.base.documents import parse_json
from cardinet.data.kinds.text_labels import NumberedLabels, TextLabels, numbered
from cardinet.data.labelling.several import matrix, require_marks


def numbered_lists(written: Mapping[str, TextLabels], names: Sequence[str] | None) -> NumberedLabels:
    """The labels as marks of the classes, uint8 (N, classes). `written` are lists in JSON.

    Each label is read as by `numbered`. A sample is `wrong` if any of its labels is. Raises RequestError if the memory
    does not suffice.
    """
    lists = {split: [parse_json(text) for text in labels.texts] for split, labels in written.items()}
    found = numbered({split: _single(some) for split, some in lists.items()}, names)
    for split, some in lists.items():
        places, ends = written[split].places, np.cumsum([len(one) for one in some])[:-1]
        require_marks(len(places), len(found.classes))
        numbers, wrong = (np.split(of[split], ends) if some else [] for of in (found.labels, found.wrong))
        found.labels[split] = matrix([one.tolist() for one in numbers], len(found.classes))[places]
        found.wrong[split] = np.array([bool(one.any()) for one in wrong], dtype=np.bool_)[places]
    return found


def _single(lists: Sequence[Sequence[str]]) -> TextLabels:
    """The labels of all lists, one after the other."""
    names = [name.encode("utf-8", "surrogatepass") for one in lists for name in one]
    return TextLabels([np.array(names, dtype=np.bytes_)])
