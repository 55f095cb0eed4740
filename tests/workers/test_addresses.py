"""Which workers train together: --workers and TF_CONFIG."""

import json

import pytest

from finetuning.flags.settings import Settings
from finetuning.utils.errors import InputError
from finetuning.workers import addresses

TWO = {"worker": ["a:1", "b:2"]}


def of_flags(workers, index=None):
    return addresses.from_settings(Settings(workers=workers, worker_index=index))


def of_variable(monkeypatch, config):
    text = config if isinstance(config, str) else json.dumps(config)
    monkeypatch.setenv("TF_CONFIG", text)
    return addresses.from_settings(Settings())


@pytest.fixture(autouse=True)
def no_variable(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)


def test_flags():
    found = of_flags("a.b-c:1, 10.0.0.1:65535,[fe80::1]:3", 2)
    assert found.addresses == (("a.b-c", 1), ("10.0.0.1", 65535), ("fe80::1", 3))
    assert found.index == 2
    assert found.name(2) == "worker 2 ([fe80::1]:3)"


def test_one_worker_is_an_ordinary_run(monkeypatch):
    assert addresses.from_settings(Settings()) is None
    assert of_flags("a:1") is None
    assert of_flags("a:1", 0) is None
    for config in ({}, {"cluster": {}}, {"cluster": {"worker": ["a:1"]}}):
        assert of_variable(monkeypatch, config) is None
    assert of_variable(monkeypatch, "") is None


@pytest.mark.parametrize(
    "workers, index, says",
    [
        ("a:1,b:2", None, "names 2 workers; pass --worker_index, from 0 to 1"),
        ("a:1,b:2", 2, "--worker_index=2 is out of range: --workers names 2 workers"),
        ("a:1", 1, "--worker_index=1 is out of range: --workers names 1 worker,"),
        (None, 1, "--worker_index=1 has no effect without --workers"),
        ("a:1,a:1", 0, "a:1 twice"),
        ("a:1,,b:2", 0, "--workers contains ''; expected host:port"),
        ("a:1,b", 0, "--workers contains 'b'; expected host:port"),
        ("a:0,b:1", 0, "'a:0'"),
        ("a:65536,b:1", 0, "'a:65536'"),
        ("a:x,b:1", 0, "'a:x'"),
        ("fe80::1:1,b:1", 0, "brackets around an IPv6 address"),
        ("http://a:1,b:1", 0, "'http://a:1'"),
    ],
)
def test_bad_flags(workers, index, says):
    with pytest.raises(InputError) as caught:
        of_flags(workers, index)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    "task, index", [(("worker", 1), 1), (("worker", "0"), 0), (("worker", 0), 0)]
)
def test_variable(monkeypatch, task, index):
    task = dict(zip(("type", "index"), task))
    found = of_variable(monkeypatch, {"cluster": TWO, "task": task})
    assert found.addresses == (("a", 1), ("b", 2))
    assert found.index == index


@pytest.mark.parametrize("kind, index", [("chief", 0), ("worker", 2)])
def test_the_chief_is_worker_0(monkeypatch, kind, index):
    cluster = dict(TWO, chief=["c:3"])
    task = {"type": kind, "index": max(index - 1, 0)}
    found = of_variable(monkeypatch, {"cluster": cluster, "task": task})
    assert found.addresses == (("c", 3), ("a", 1), ("b", 2))
    assert found.index == index


@pytest.mark.parametrize(
    "config, says",
    [
        ("{", "TF_CONFIG is not JSON: Expecting"),
        ([1], "expected an object with cluster and task"),
        ({"cluster": ["a:1"]}, "cluster and task must be objects"),
        ({"cluster": {"worker": "a:1,b:2"}}, "cluster.worker must be a list"),
        ({"cluster": {"worker": ["a:1", 2]}}, "TF_CONFIG contains 2; expected host:"),
        ({"cluster": dict(TWO, ps=["c:3"])}, "tasks of type ps are not supported"),
        ({"cluster": TWO, "task": {"type": "evaluator"}}, "type evaluator are not"),
        ({"cluster": TWO}, "task must have a type"),
        ({"cluster": TWO, "task": {"type": "worker"}}, "an index from 0"),
        ({"cluster": TWO, "task": {"type": "worker", "index": -1}}, "an index from 0"),
        (
            {"cluster": TWO, "task": {"type": "worker", "index": 2}},
            "task is worker 2, but cluster has 2 of that type",
        ),
        (
            {"cluster": TWO, "task": {"type": "chief", "index": 0}},
            "task is chief 0, but cluster has 0 of that type",
        ),
    ],
)
def test_bad_variable(monkeypatch, config, says):
    with pytest.raises(InputError) as caught:
        of_variable(monkeypatch, config)
    assert says in str(caught.value)
    assert "TF_CONFIG" in str(caught.value)


def test_flags_win(monkeypatch, caplog):
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": {"worker": ["c:1", "d:1"]}}))
    caplog.set_level("INFO", "finetuning")
    assert of_flags("a:1,b:2", 1).addresses == (("a", 1), ("b", 2))
    assert "TF_CONFIG is not used" in caplog.text
