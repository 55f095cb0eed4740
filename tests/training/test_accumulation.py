"""Batches that are computed in parts: the same training as with whole batches."""

import json

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

import modeling
import optimization
from encoder import mixed_precision
from finetuning import classifier
from finetuning.data import input_pipeline
from finetuning.data.features import EncodedExample
from finetuning.data.input_pipeline import WHOLE_BATCHES, Share
from finetuning.utils import tensorboard
from tests.support import models
from tests.support.record_files import write
from tests.support.running import succeed, table, value, without

HYPERPARAMETERS = classifier.Hyperparameters(1e-3, 20, 2)
NO_DROPOUT = {
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
    "classifier_dropout": 0.0,
}


def config(**changes):
    return modeling.BertConfig.from_dict(
        dict(
            vocab_size=30,
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=32,
            max_position_embeddings=16,
            type_vocab_size=2,
            **changes,
        )
    )


@pytest.fixture
def examples(tmp_path):
    """20 examples of 3 to 12 tokens, so that no part of a batch is like another."""
    rng = np.random.RandomState(3)
    rows = []
    for index in range(20):
        words = rng.randint(1, 30, rng.randint(3, 13)).tolist()
        rows.append(EncodedExample(words, len(words), index % 2))
    return write(tmp_path, rows, length=12)


class Training:
    """A training run in a graph and a session of its own."""

    def __init__(self, examples, config, share=WHOLE_BATCHES, **options):
        self._steps = share.accumulate_steps
        with tf.Graph().as_default() as graph:
            tf.set_random_seed(5)
            self._batch = input_pipeline.training_batches(examples, 8, 5, 0, share)
            self.step = classifier.training_graph(
                config,
                2,
                self._batch,
                5,
                HYPERPARAMETERS,
                accumulate_steps=self._steps,
                **options,
            )
            self.saved = tf.global_variables()
            self.sums = tf.local_variables()
            self.session = tf.Session(graph=graph)
            initializers = (
                tf.global_variables_initializer(),
                tf.local_variables_initializer(),
            )
            self.session.run(initializers)

    def run(self, *fetches):
        """Takes one optimiser step and returns the values of tensors."""
        for _ in range(self._steps - 1):
            self.session.run(self.step.accumulate_op)
        return self.session.run([self.step.train_op, *fetches])[1:]

    def values(self):
        return self.session.run({v.op.name: v for v in self.saved})


def largest_difference(left, right):
    assert set(left) == set(right)
    return max(np.abs(left[name] - right[name]).max() for name in left)


@pytest.mark.parametrize("xla", [False, True])
def test_weights_are_those_of_whole_batches(examples, xla):
    """Also those of rare words; the moments as well."""
    compute = classifier.ComputeOptions(xla=xla)
    whole = Training(examples, config(**NO_DROPOUT), compute=compute)
    start = whole.values()
    in_parts = Training(examples, config(**NO_DROPOUT), Share(0, 1, 4), compute=compute)
    for _ in range(15):
        fetched = [t.run(t.step.loss, t.step.gradient_norm) for t in (whole, in_parts)]
        np.testing.assert_allclose(fetched[1], fetched[0], rtol=1e-5)
    assert largest_difference(whole.values(), in_parts.values()) < 1e-6
    assert largest_difference(whole.values(), start) > 1e-3


def test_whole_batches_need_no_sums(examples):
    whole = Training(examples, config())
    assert whole.step.accumulate_op is None and not whole.sums


def test_sums_are_not_saved(examples):
    whole = Training(examples, config())
    in_parts = Training(examples, config(), Share(0, 1, 2))
    assert set(in_parts.values()) == set(whole.values())
    assert len(in_parts.sums) == 1 + (len(whole.saved) - 1) // 3


def test_no_part_shares_its_dropout_with_another(examples, monkeypatch):
    """Nor with a whole batch, of any step; the first part has that of a whole batch."""
    seeds = {1: [], 4: []}
    derive = classifier.dropout.derive_seed
    for steps in seeds:
        uses = []

        def keep(seed, index, uses=uses):
            uses.append(derive(seed, index))
            return uses[-1]

        monkeypatch.setattr(classifier.dropout, "derive_seed", keep)
        run = Training(examples, config(), Share(0, 1, steps))
        for _ in range(6):
            for _ in range(steps - 1):
                seeds[steps] += run.session.run([uses, run.step.accumulate_op])[0]
            seeds[steps] += run.session.run([uses, run.step.train_op])[0]
    used = {steps: set(map(tuple, found)) for steps, found in seeds.items()}
    assert len(used[4]) == len(seeds[4]) == 4 * len(seeds[1])
    assert used[1] <= used[4]


def test_workers_combine_their_gradients_once_a_step(examples):
    """They are dense, of all parts of a worker, and what comes back is applied."""
    calls = []

    def combine(gradients, loss):
        calls.append([gradient.shape.as_list() for gradient in gradients])
        return [0.0 * gradient for gradient in gradients], loss + 1.0

    for share in (Share(1, 2, 1), Share(1, 2, 2)):
        plain = Training(examples, config(), share)
        combined = Training(examples, config(), share, combine=combine)
        loss, norm = combined.run(combined.step.loss, combined.step.gradient_norm)
        assert loss == pytest.approx(plain.run(plain.step.loss)[0] + 1.0, rel=1e-6)
        assert norm == 0.0
    with combined.session.graph.as_default():
        shapes = [v.shape.as_list() for v in tf.trainable_variables()]
    assert calls == [shapes, shapes]


# Parts whose gradients are not finite


class Weight:
    """A training step on one weight in 3 parts, whose gradients are fed."""

    def __init__(self, session, loss_scale=None):
        self.weight = tf.get_variable("weight", initializer=[1.0, 2.0])
        self.factor = tf.placeholder(tf.float32, [])
        loss = tf.reduce_sum(self.weight) * self.factor
        self.step = optimization.create_train_step(
            loss, 0.1, 10, 0, loss_scale, accumulate_steps=3
        )
        self.session = session
        session.run(tf.global_variables_initializer())
        session.run(tf.local_variables_initializer())

    def run(self, factors, *fetches):
        for factor in factors[:-1]:
            self.session.run(self.step.accumulate_op, {self.factor: factor})
        fetches = [self.step.train_op, *fetches]
        return self.session.run(fetches, {self.factor: factors[-1]})[1:]


@pytest.mark.parametrize("part", [0, 1, 2])
@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_an_overflow_in_any_part_skips_the_step(session, part, value):
    """The next step is not affected by it."""
    loss_scale = mixed_precision.LossScale()
    weight = Weight(session, loss_scale)
    factors = [1.0, 1.0, 1.0]
    factors[part] = value
    (skipped,) = weight.run(factors, weight.step.skipped_steps)
    assert skipped == 1
    assert session.run(weight.weight).tolist() == [1.0, 2.0]
    assert session.run(loss_scale.scale) == mixed_precision.INITIAL_SCALE / 2
    assert session.run(tf.train.get_global_step()) == 1
    fetches = weight.step.loss, weight.step.gradient_norm, weight.step.skipped_steps
    loss, norm, skipped = weight.run([1.0, 2.0, 3.0], *fetches)
    assert loss == pytest.approx(6.0) and skipped == 1
    assert norm == pytest.approx(2 * 2**0.5, rel=1e-6)
    assert np.all(session.run(weight.weight) < [1.0, 2.0])


def test_sums_start_from_zero_in_each_step(session):
    weight = Weight(session)
    fetches = weight.step.loss, weight.step.gradient_norm
    for factors in ([0.1, 0.2, 0.3], [3.0, 0.0, 0.0], [0.5, 0.5, 0.5]):
        before = session.run(weight.weight)
        loss, norm = weight.run(factors, *fetches)
        assert loss == pytest.approx(np.mean(factors) * before.sum(), rel=1e-6)
        assert norm == pytest.approx(np.mean(factors) * 2**0.5, rel=1e-6)


def test_parts_of_many_steps_have_seeds_of_their_own():
    """See `classifier.training_graph`: less than 2^29 pairs of a step and a part."""
    parts = np.arange(1, 2**16, dtype=np.int64)
    stride = classifier._PART_STRIDE
    distance = np.abs((parts * stride + 2**31) % 2**32 - 2**31)
    nearest = np.minimum.accumulate(distance)
    # Parts that are so far apart collide from this number of steps on.
    assert np.all(nearest * (parts + 1) >= 2**29)


# Whole runs


@pytest.fixture
def no_dropout_flags(corpus_flags, tmp_path):
    """Flags of 15 steps of 8 examples without dropout."""
    with open(value(corpus_flags, "bert_config_file")) as file:
        content = dict(json.load(file), **NO_DROPOUT)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(content))
    flags = without(corpus_flags, "bert_config_file")
    return [*flags, "--do_train", "--bert_config_file=%s" % path]


def test_a_run_is_that_with_whole_batches(no_dropout_flags, tmp_path):
    """Steps, evaluations, summaries and checkpoints are counted alike."""
    options = ["--eval_steps=5", "--save_checkpoints_steps=6", "--eval_batch_size=3"]
    directories, histories = [], []
    for steps in (1, 4):
        out = str(tmp_path / str(steps))
        flags = [*no_dropout_flags, *options, "--accumulate_steps=%d" % steps]
        run = succeed([*flags, "--output_dir=" + out])
        assert ("in 4 parts of 2 examples" in run.out) == (steps == 4)
        assert "training: step 15 of 15, loss" in run.out
        assert tensorboard.last_step(out) == 15
        directories.append(out)
        histories.append(table(out, "eval_history.tsv"))
    assert [row["step"] for row in histories[1]] == ["5", "10", "15"]
    for whole, in_parts in zip(*histories):
        for name in whole:
            assert float(in_parts[name]) == pytest.approx(float(whole[name]), abs=1e-5)
    for step in (6, 12, 15):
        name = "model.ckpt-%d" % step
        weights = [models.read_checkpoint(path, name) for path in directories]
        assert largest_difference(*weights) < 1e-6


def test_a_run_resumes_with_another_number_of_parts(interrupted_run, tmp_path):
    """Because a run that did not fit into memory is to go on."""
    out = interrupted_run.copy(tmp_path)
    run = succeed(
        [*interrupted_run.command, "--accumulate_steps=2", "--output_dir=" + out]
    )
    assert "RESUMING at step 4" in run.out and "different settings" not in run.out
