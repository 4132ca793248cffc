"""Every error of the tree is made, told and sent in the same way."""

import pickle

import pytest

from limpid.core import errors
from limpid.core.errors import LimpidError, MissingExtraError

CLASSES = [getattr(errors, name) for name in errors.__all__]


@pytest.mark.parametrize("error", CLASSES)
def test_an_error_is_a_message_and_a_source_and_survives_the_way_to_another_process(error):
    made = error("what is wrong", source="a.png")
    sent = pickle.loads(pickle.dumps(made))
    for one in (made, sent):
        assert type(one) is error
        assert isinstance(one, LimpidError)
        assert (str(one), one.source) == ("what is wrong", "a.png")
    assert error("what is wrong").source is None


def test_a_missing_extra_names_the_command_that_installs_it():
    made = MissingExtraError.of("torch", extra="train", purpose="this")
    assert str(made) == 'this needs torch, which is not installed; run: pip install "limpid[train]"'
    assert str(pickle.loads(pickle.dumps(made))) == str(made)
