"""bench.py: it compares equal work, counts correctly, and writes what it measured."""

import os
import sys

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from benchmarks import bench
from benchmarks.timing import examples, measurements, programs
from benchmarks.workers import (
    command_worker,
    features_worker,
    matrix_products,
    serving,
    tf_worker,
)
from tests.support import corpus, executed
from tests.support.running import value

TINY = ["--layers=1", "--hidden=16", "--heads=2", "--max_seq_length=16", "--rounds=1"]
TINY += ["--steps=1", "--batch_size=4", "--infer_batch_size=4", "--examples=8"]
SHAPE = {
    "vocab_size": 2000,
    "hidden_size": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 12,
    "max_position_embeddings": 20,
    "type_vocab_size": 2,
}


@pytest.fixture
def set_up_worker(tmp_path, monkeypatch):
    """A function that builds the program for 8 examples in batches of 4."""
    monkeypatch.setattr(tf, "matmul", tf.matmul)  # Which a change replaces.
    arrays = examples.random_examples(8, 16, SHAPE["vocab_size"])
    paths = {name: str(tmp_path / (name + ".npz")) for name in ("arrays", "weights")}
    examples.save(paths["arrays"], arrays, examples.take(arrays, slice(4)))
    np.savez(paths["weights"], **examples.random_weights(SHAPE))
    spec = {"program": "ours", "shape": SHAPE, "threads": 2, "dtype": "float32"}
    spec.update(paths, training=False, batch=4)
    return lambda **fields: tf_worker.build(dict(spec, **fields))


def run_bench(directory, *arguments):
    """What bench.py writes to its JSON file in all its modes."""
    flags = corpus.write(str(directory / "corpus"))
    names = ("data_dir", "vocab_file", "bert_config_file", "init_checkpoint")
    files = ["--%s=%s" % (name, value(flags, name)) for name in names]
    modes = ["--mode=train,infer,features,command", "--epochs=1"]
    bench.main([*TINY, *modes, *files, *arguments, "--output_dir=%s" % directory])
    assert (directory / "bench.png").read_bytes()[:4] == b"\x89PNG"
    return corpus.read_json(str(directory / "bench.json"))["measurements"]


class FakeWorker:
    """A worker of 1 second; 2 for the original, a half for the products alone."""

    def __init__(self, _python, module, spec, _directory=None, variables=()):
        self.variables = variables
        program = spec.get("program", "ours")
        self._seconds = {"ours": 1.0, "original": 2.0, "products": 0.5}[program]
        self.peak_bytes = 5e6
        self.facts = {
            "stack_worker": {
                "tensorflow": "1.14.0",
                "line": "CPU",
                "dtypes": ["float32"],
                "hf_dtypes": ["float32"],
            },
            "hf_worker": {"first_loss": 0.7, "variant": spec.get("variant")},
            "features_worker": {"examples": 40},
            "command_worker": {},
            "tf_worker": {"products": {"flops": [3e9]}}.get(
                program, {"first_loss": 0.7}
            ),
        }[module]

    def run(self, **_request):
        return self._seconds

    def close(self):
        pass


def test_what_is_measured_and_what_follows_from_it(tmp_path, monkeypatch, capsys):
    for module in (bench, programs):
        monkeypatch.setattr(module, "Worker", FakeWorker)
    measured = run_bench(tmp_path, "--original=x", "--hf_python=x")
    peers = ["original", "hf"]
    steps = ["ours", *peers, "products"]
    inference = ["ours", *peers, "hf", "products"]
    for measurement, kinds in zip(
        measured, [steps, inference] + [["ours", "original"]] * 2
    ):
        assert [row["kind"] for row in measurement["rows"]] == kinds
    training, inference, features, _ = measured
    ours = training["rows"][0]
    assert ours["examples_per_second"] == 4.0 and ours["times_products"] == 2.0
    assert ours["flops_per_second"] == 3e9 * 4 / 24
    assert inference["rows"][0]["examples_per_second"] == 8.0
    assert features["rows"][0]["examples_per_second"] == 40.0
    table = capsys.readouterr().out
    assert "One round of 8 examples each" in table
    assert "Hugging Face (torch, float32) sdpa" in table
    assert "Hugging Face (torch, float32, by length, batch 8) sdpa" in table
    assert (
        "the original (TF 1.14.0, float32)     2.00 times (rounds: 2.00 to 2.00)"
        in table
    )


@pytest.mark.slow
def test_every_mode_on_a_tiny_model(tmp_path):
    original = os.environ.get("BERT_ORIGINAL")
    with_original = original and tf.__version__.startswith("1.")
    measured = run_bench(
        tmp_path, *(["--original=" + original] if with_original else [])
    )
    for measurement in measured:
        kinds = {row["kind"] for row in measurement["rows"]}
        assert ("original" in kinds) == bool(with_original)
        for row in measurement["rows"]:
            assert row["seconds"][0] > 0 and row["peak_bytes"] > 1e8


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--mode=trains"], "trains"),
        (["--mode=command", "--data_dir=x"], "--vocab_file, --bert_config_file"),
        (["--data_dir=x"], "--vocab_file"),
        (["--batch_size=8,x"], "--batch_size: 'x' is not a whole number above 0"),
        (["--also=frosen"], "'frosen': expected NAME=VALUE or any of batch_matmul"),
        (["--rounds=0"], "--rounds: '0' is not a whole number above 0"),
        (["--round=3"], "unrecognized arguments: --round=3"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message, capsys):
    with pytest.raises(SystemExit):
        bench.parse_arguments(arguments)
    assert message in capsys.readouterr().err.splitlines()[-1]


# ---- Programs and their rounds ----


def test_the_first_place_rotates():
    turns = []

    class Recorder:
        def run(self):
            turns.append(self)
            return len(turns)

    a, b = workers = [Recorder(), Recorder()]
    assert programs._take_turns(workers, 2, 1, {}) == [[3, 6], [4, 5]]
    assert turns == [a, b, a, b, b, a]


def test_losses_are_compared():
    programs.check_losses({"a": 0.7, "b": 0.70005, "without": None})
    with pytest.raises(programs.BenchmarkError, match=r"a 0\.700000, b 0\.700200"):
        programs.check_losses({"a": 0.7, "b": 0.7002})


def test_a_worker_that_ends_is_reported_with_its_log():
    with pytest.raises(programs.BenchmarkError, match="no_such_worker"):
        programs.Worker(sys.executable, "no_such_worker", {})


def test_work_starts_over_after_the_last_item():
    items = []
    work = serving.cycling(items.append, list("abc"))
    work(steps=4)
    work(steps=1, restart=True)
    assert "".join(items) == "abcaa"


def test_steps_are_timed_to_their_ends(tmp_path, monkeypatch):
    """Unlike the command's, which need not end before the next one is issued."""
    monkeypatch.setenv("TF_SYNC_ON_FINISH", "0")
    monkeypatch.delenv("TF_SYNC_ON_FINISH")
    with pytest.raises(FileNotFoundError):
        tf_worker.build({"program": "ours", "arrays": str(tmp_path / "missing.npz")})
    assert os.environ["TF_SYNC_ON_FINISH"] == "1"


def test_a_weight_in_the_wrong_place_changes_the_loss(tmp_path):
    weights = examples.random_weights(SHAPE)
    arrays = examples.random_examples(8, 16, SHAPE["vocab_size"])
    paths = {name: str(tmp_path / (name + ".npz")) for name in ("arrays", "weights")}
    examples.save(paths["arrays"], arrays, examples.take(arrays, slice(4)))
    spec = {"program": "ours", "shape": SHAPE, "threads": 1}
    spec.update(paths, training=False, batch=4, dtype="float32")

    def first_loss():
        np.savez(paths["weights"], **weights)
        facts, work = tf_worker.set_up(spec)
        work(steps=1)
        return facts["first_loss"]

    loss = first_loss()
    key_kernel = "bert/encoder/layer_0/attention/self/key/kernel"
    weights[key_kernel] = weights[key_kernel].T
    assert abs(first_loss() - loss) > programs.LOSS_TOLERANCE
    del weights["output_bias"]
    with pytest.raises(KeyError, match="output_bias"):
        first_loss()


def test_changed_inference_computes_the_same_from_constants(set_up_worker):
    _, session, steps = set_up_worker()
    expected = session.run(steps[0])
    _, session, steps = set_up_worker(changes=["batch_matmul", "frozen"])
    for values, ours in zip(expected, session.run(steps[0])):
        np.testing.assert_allclose(ours, values, rtol=1e-4)
    nodes = executed.nodes(session, steps[0])
    assert not [node.name for node in nodes if node.op.startswith("Var")]
    assert all("BatchMatMul" in node.op for node in executed.products(nodes))


def test_products_of_training_can_be_of_the_batched_op(set_up_worker):
    facts, _, _ = set_up_worker(training=True)
    changed, session, steps = set_up_worker(training=True, changes=["batch_matmul"])
    assert changed["first_loss"] == pytest.approx(facts["first_loss"], abs=1e-5)
    products = executed.products(executed.nodes(session, steps[0]))
    others = [node.name for node in products if "BatchMatMul" not in node.op]
    assert others and not [name for name in others if "/encoder/" in name]


def test_changes_are_made_by_the_worker_and_its_environment(monkeypatch):
    started = []

    class Started(FakeWorker):
        def __init__(self, *given):
            super().__init__(*given)
            started.append((given[2].get("changes"), dict(self.variables)))

    monkeypatch.setattr(programs, "Worker", Started)
    monkeypatch.setattr(bench, "Worker", FakeWorker)
    arguments = [*TINY, "--also=A=1,frozen", "--also=B=2=3"]
    prepared = bench.prepare(bench.parse_arguments(arguments), "/nonexistent")
    monkeypatch.setattr(measurements, "_write_examples", lambda *_: ("", 8, 9.0))
    rows = measurements.steps(prepared, training=False, batch=4)["rows"]
    assert started[:3] == [(None, {}), (["frozen"], {"A": "1"}), ([], {"B": "2=3"})]
    assert rows[1]["name"] == "this program (TF 1.14.0, float32, A=1, frozen)"


def test_features_are_written_as_by_a_run(tmp_path):
    flags = corpus.write(str(tmp_path))
    names = ("data_dir", "vocab_file", "bert_config_file")
    given = {name: value(flags, name) for name in names}
    given.update(max_seq_length=16, output_dir=str(tmp_path))
    spec = {"program": "ours", "flags": given}
    facts, _ = features_worker.set_up(spec)
    assert facts == {"examples": corpus.ROWS["train"]}
    assert (tmp_path / "train.tf_record").exists()


def test_a_command_gets_an_output_directory_and_must_succeed():
    script = "import os, sys; sys.exit(not os.path.isdir(sys.argv[-1].split('=')[1]))"
    command_worker.set_up({"command": [sys.executable, "-c", script]})[1]()
    with pytest.raises(SystemExit, match="status is 3"):
        command_worker.set_up({"command": [sys.executable, "-c", "exit(3)"]})[1]()


def test_ratios_are_those_of_the_rounds():
    ratio = measurements.ratio([2.0, 4.0, 9.0], [1.0, 2.0, 3.0])
    assert ratio == {"median": 2.0, "least": 2.0, "most": 3.0}


# ---- Examples ----


def test_random_examples_are_as_long_as_those_of_mrpc():
    arrays = examples.random_examples(2000, 128, 30522)
    lengths = examples.lengths(arrays)
    assert lengths.mean() == pytest.approx(53.0, abs=1.5)
    assert lengths.std() == pytest.approx(13.7, abs=1.0)
    assert lengths.min() >= 15 and lengths.max() <= 128
    assert np.all((arrays["input_ids"] != 0) == (arrays["input_mask"] == 1))


def test_real_examples_are_those_of_the_file(tmp_path):
    flags = corpus.write(str(tmp_path))
    files = [value(flags, name) for name in ("data_dir", "vocab_file")]
    arrays = examples.mrpc_examples(*files, "dev", 16)
    assert arrays["input_ids"].shape == (corpus.ROWS["dev"], 16)
    assert arrays["label_ids"].tolist() == [n % 2 for n in range(13)]


def test_inference_is_timed_in_the_batches_of_the_command():
    arrays = examples.random_examples(40, 128, 30522)
    bounds = examples.our_bounds(arrays, 4)
    in_order = examples.by_length(arrays)
    with tf.Graph().as_default(), tf.Session() as session:
        batch = tf_worker.next_batch_by_length(tf, arrays, 4)
        for first, last in zip(bounds[:-1], bounds[1:]):
            values = session.run(batch)
            for name, expected in examples.take(in_order, slice(first, last)).items():
                assert values[name].tolist() == expected.tolist()
        assert len(session.run(batch)["label_ids"]) == bounds[1]
    assert len(bounds) - 1 < 40 // 4


# ---- The products alone ----


def test_operations_are_counted_as_by_hand():
    tokens, width, inner = 5, 8, 12
    dense = 2 * tokens * (4 * width * width + 2 * width * inner)
    # Two products for each group's rectangle; heads times their width is the width.
    attention = 2 * 2 * width * (1 * 3 * 3 + 2 * 4 * 4)
    groups = [(1, 3), (2, 4)]
    forward = matrix_products.products(tokens, groups, SHAPE, training=False)
    assert len(forward) == 6 + 2 * 2
    assert matrix_products.flops(forward) == dense + attention
    both = matrix_products.products(tokens, groups, SHAPE, training=True)
    assert matrix_products.flops(both) == 3 * (dense + attention)
    for left, right in both:
        assert left[-1] == right[-2] and left[:-2] == right[:-2]


@pytest.mark.parametrize(
    "rows, training, groups",
    [(16, True, [(8, 2), (8, 9)]), (3, True, [(3, 2)]), (16, False, [(16, 9)])],
)
def test_groups_are_those_of_the_program(rows, training, groups):
    mask = (np.arange(9) < np.array([[2]] * 8 + [[9]] * 8)).astype(np.int32)[:rows]
    assert matrix_products.groups_of(tf, [mask], 2, training) == [groups]


def test_every_product_is_run():
    arrays = examples.random_examples(4, 16, SHAPE["vocab_size"])
    spec = {"shape": SHAPE, "batch": 4, "training": True}
    spec["dtype"] = "float32"
    with tf.Graph().as_default():
        _, session, steps = matrix_products.set_up(tf, spec, arrays, tf.ConfigProto())
        with session:
            nodes = executed.nodes(session, steps[0])
    layers, dense, attention, passes = 2, 6, 2, 3
    count = len({node.name for node in executed.products(nodes)})
    assert count == layers * (dense + attention) * passes
