"""A trained model that is loaded once and predicts often."""

import concurrent.futures
import os
import subprocess
import sys

import numpy as np
import pytest

from finetuning import trained_model
from finetuning.export import saved_model
from finetuning.predictor import Predictor
from finetuning.utils.errors import InputError
from tests.support.paths import ROOT
from tests.support.running import rows, value

PAIRS = [
    ("anna paid ben .", "ben was paid by anna ."),
    ("finn", "emma"),
    ("carla called david .", "carla was called by david ."),
    ("anna " * 20, "ben " * 20),
    ("", ""),
]


@pytest.fixture(scope="module")
def predictor(finished_run):
    with Predictor(finished_run.directory, batch_size=2) as loaded:
        yield loaded


def _test_pairs(flags):
    return [tuple(row[3:5]) for row in rows(value(flags, "data_dir"), "test.tsv")[1:]]


def test_predictions_are_those_of_the_command_line(finished_run, predictor):
    expected = rows(finished_run.directory, "test_results.tsv")
    predictions = predictor.predict(_test_pairs(finished_run.flags))
    found = [list(p.probabilities.values()) for p in predictions]
    np.testing.assert_allclose(found, np.array(expected, float), atol=1e-5)
    for prediction in predictions:
        assert list(prediction.probabilities) == ["0", "1"]
        best = max(prediction.probabilities, key=prediction.probabilities.get)
        assert prediction.label == best and not prediction.truncated
    assert (predictor.task_name, predictor.labels) == ("mrpc", ("0", "1"))
    assert predictor.max_seq_length == 16 and predictor.version is None


def test_an_export_predicts_the_same(finished_run, predictor, tmp_path):
    model = trained_model.load(finished_run.directory)
    saved_model.export(model, str(tmp_path / "export"), version=3)
    expected = [list(p.probabilities.values()) for p in predictor.predict(PAIRS)]
    for path in ("export", "export/3", "export/3/"):
        with Predictor(str(tmp_path / path)) as exported:
            assert exported.version == "3" and exported.takes_pairs
            found = [list(p.probabilities.values()) for p in exported.predict(PAIRS)]
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_regression_from_its_best_weights(evaluated_run):
    best = os.path.join(evaluated_run.directory, "best")
    expected = rows(evaluated_run.directory, "test_results.tsv")
    with Predictor(best) as regression:
        predictions = regression.predict(_test_pairs(evaluated_run.flags))
        ids = [[2, 9, 3]]
        numbers = regression.probabilities(ids, [[1, 1, 1]], [[0, 0, 0]])
    assert numbers.shape == (1,) and regression.labels == ()
    found = [[prediction.value] for prediction in predictions]
    np.testing.assert_allclose(found, np.array(expected, float), atol=1e-5)
    assert predictions[0].label is None and predictions[0].probabilities == {}


def test_examples_do_not_depend_on_each_other(predictor):
    together = predictor.predict(PAIRS * 3)
    assert [p.truncated for p in together] == [False, False, False, True, False] * 3
    for pair, prediction in zip(PAIRS * 3, together):
        alone = predictor.predict([pair])[0]
        assert alone.label == prediction.label
        np.testing.assert_allclose(
            list(alone.probabilities.values()),
            list(prediction.probabilities.values()),
            atol=1e-6,
        )
    assert predictor.predict([]) == []


def test_threads(predictor):
    expected = [predictor.predict([pair])[0].probabilities["1"] for pair in PAIRS]

    def work(number):
        prediction = predictor.predict([PAIRS[number % len(PAIRS)]])[0]
        return prediction.probabilities["1"] - expected[number % len(PAIRS)]

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert max(map(abs, pool.map(work, range(200)))) < 1e-6


def test_features_with_padding(predictor):
    ids, ones = [2, 9, 3, 0, 0], [1, 1, 1, 0, 0]
    padded = predictor.probabilities([ids], [ones], [[0] * 5])
    exact = predictor.probabilities([ids[:3]], [ones[:3]], [[0] * 3])
    np.testing.assert_allclose(padded, exact, atol=1e-6)


@pytest.mark.parametrize(
    "features, problem",
    [
        (([18], [1], [0]), r"input_ids\[0\] is 18, expected 0 to 17"),
        (([2, -1], [1, 1], [0, 0]), r"input_ids\[1\] is -1"),
        (([10**30], [1], [0]), "input_ids"),
        (([1.5], [1], [0]), "is 1.5"),
        (([True], [1], [0]), "is True"),
        ((["2"], [1], [0]), "is '2'"),
        (([[2]], [1], [0]), r"is \[2\]"),
        (([2], [2], [0]), r"input_mask\[0\] is 2, expected 0 to 1"),
        (([2], [1], [16]), r"segment_ids\[0\] is 16"),
        (([2], [0], [0]), "input_mask has no 1"),
        (([2, 3], [1], [0]), "are 2, 1 and 1, expected the same"),
        (([], [], []), "there are 0 input_ids, expected 1 to"),
        (([2] * 1000, [1] * 1000, [0] * 1000), "there are 1000 input_ids"),
    ],
)
def test_features_outside_the_model_are_refused(predictor, features, problem):
    with pytest.raises(InputError, match=problem):
        predictor.features(*features)


@pytest.mark.parametrize("sizes", [(3, 2, 3), (1, 1, 2), (0, 0, 0)])
def test_numbers_of_examples_that_differ_are_refused(predictor, sizes):
    with pytest.raises(InputError, match="have %d, %d and %d examples" % sizes):
        predictor.probabilities(*([[1]] * size for size in sizes))


@pytest.mark.parametrize("options", [{"num_threads": -1}, {"batch_size": 0}])
def test_numbers_that_are_too_low_are_refused(finished_run, options):
    """TensorFlow would end the process of the host program."""
    with pytest.raises(InputError, match="expected at least"):
        Predictor(finished_run.directory, **options)


@pytest.mark.parametrize(
    "example, problem",
    [
        ("one text", "trained on pairs of texts, found 1: 'one text'"),
        (("a", "b", "c"), "found 3"),
        (("a", None), "expected a text or a pair of texts, found"),
        (7, "found 7"),
        (b"a", "found b'a'"),
    ],
)
def test_other_examples_are_refused(predictor, example, problem):
    with pytest.raises(InputError, match=problem):
        predictor.predict([PAIRS[0], example])


def test_weights_without_a_classifier_are_refused(finished_run, tmp_path):
    directory = finished_run.copy(tmp_path)
    for name in os.listdir(directory):
        if name.startswith(("model.ckpt", "checkpoint")):
            os.remove(os.path.join(directory, name))
    encoder = os.path.dirname(value(finished_run.flags, "init_checkpoint"))
    for name in os.listdir(encoder):
        os.link(os.path.join(encoder, name), os.path.join(directory, name))
    with pytest.raises(InputError, match="lacks output_weights, output_bias"):
        Predictor(os.path.join(directory, "bert_model.ckpt"))


# What a host program would notice; `sys.argv[1]` is the model.
HOST = """
import logging, os, random, signal, sys, warnings
import numpy as np
stderr = os.dup(2)
os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
import tensorflow as tf
tf.zeros([1])
os.dup2(stderr, 2)

def state():
    loggers = {name: (logger.level, len(logger.handlers))
        for name, logger in logging.root.manager.loggerDict.items()
        if isinstance(logger, logging.Logger) and not name.startswith("finetuning")}
    experimental = tf.config.experimental
    tf32 = getattr(experimental, "tensor_float_32_execution_enabled", lambda: None)()
    return dict(
        environment=dict(os.environ), loggers=loggers, filters=list(warnings.filters),
        root=(logging.root.level, list(logging.root.handlers)),
        tensorflow=logging.getLogger("tensorflow").level,
        handlers=[signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)],
        random=random.getstate(), numpy=str(np.random.get_state()), tf32=tf32,
        eager=tf.executing_eagerly(), graph=tf.compat.v1.get_default_graph().version,
        streams=(sys.stdout, sys.stderr, sys.argv, os.getcwd(), os.umask(18)))

before = state()
from finetuning.predictor import Predictor
with Predictor(sys.argv[1]) as predictor:
    predictor.predict([("anna", "ben")])
    after = state()
    for name in before:
        old, new = before[name], after[name]
        if name == "loggers":  # Modules that are imported may have their own.
            new = {each: new[each] for each in old}
        assert old == new, (name, old, new)
    if before["eager"]:
        assert float(tf.reduce_sum(tf.Variable([1.0, 2.0]) * 2)) == 6.0
        model = tf.keras.Sequential([tf.keras.Input([2]), tf.keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        model.fit(np.ones([4, 2]), np.ones([4, 1]), verbose=0)
        predictor.predict([("anna", "ben")])
"""
ALONE = """
import sys
from finetuning.predictor import Predictor
assert "tensorflow" not in sys.modules
Predictor(sys.argv[1]).predict([("anna", "ben")])
"""


@pytest.mark.parametrize("program", [HOST, ALONE], ids=["host", "alone"])
def test_the_host_program_notices_nothing(finished_run, program):
    environment = dict(os.environ, PYTHONPATH=ROOT, CUDA_VISIBLE_DEVICES="")
    for name in ("TF_CPP_MIN_LOG_LEVEL", "TF_ENABLE_ONEDNN_OPTS"):
        environment.pop(name, None)
    process = subprocess.run(
        [sys.executable, "-c", program, finished_run.directory],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=300,
    )
    assert (process.returncode, process.stdout.decode()) == (0, "")
