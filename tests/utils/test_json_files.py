"""JSON files that are damaged or edited by hand."""

import pytest

from finetuning.utils import json_files
from finetuning.utils.errors import InputError


@pytest.mark.parametrize(
    "content, reason",
    [
        ("", "is not JSON: Expecting value: line 1"),
        ("[" * 100000, "is not JSON: its brackets are nested too deeply"),
        ('{"a":' * 100000, "is not JSON: its brackets are nested too deeply"),
        ('{"a": -Infinity}', "is not JSON: -Infinity is not a number"),
        ('{"a": %s}' % ("9" * 5000), "is not JSON: a number has 5000 digits"),
        ('{"a": 1, "a": 2}', "is not JSON: the key 'a' appears twice"),
        ("[3]", "is not valid: it is not an object"),
        ("{}", "is not valid: 'a' is missing"),
        ('{"a": 3}', "is not valid: a value has the wrong type"),
        ('{"a": "x"}', "is not valid: could not convert string to float"),
    ],
)
def test_json_that_is_refused(tmp_path, content, reason):
    path = str(tmp_path / "a.json")
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(InputError) as caught:
        json_files.read(
            path, "a number", "write one", lambda content: float(content["a"][:])
        )
    message = str(caught.value)
    assert message.startswith("%s %s" % (path, reason))
    assert message.endswith("; expected a number; write one")


def test_json_that_is_read(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(b'\xef\xbb\xbf[1, NaN, "\xc3\xa9"]')
    found = json_files.read(str(path), "", "", kind=list, allow_nan=True)
    assert (found[0], found[2]) == (1, "é") and found[1] != found[1]
    path.write_bytes(b'{"caf\xe9": 1}')
    with pytest.raises(InputError, match="line 1, byte 6: 0xe9 is not UTF-8"):
        json_files.read(str(path), "", "")
