"""The whole program as its user runs it: train, evaluate, predict, resume."""

import os
import re
import shutil
import types

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from encoder import mixed_precision
from finetuning import classifier
from finetuning.checkpoints import compatibility, finding
from finetuning.checks import model_config
from finetuning.data import records
from finetuning.data.features import EncodedExample
from finetuning.device import detect
from finetuning.training import loop
from finetuning.utils.errors import InputError
from tests.support import models
from tests.support.running import (
    Finished,
    Run,
    refused,
    rows,
    saved_json,
    scores,
    succeed,
    text,
    value,
    without,
)

# What TensorFlow writes if it is not told to be silent.
NOISE = re.compile(r"deprecat|Instructions for updating|oneDNN|cuda", re.IGNORECASE)


def weights(directory, step):
    return models.read_checkpoint(directory, "model.ckpt-%d" % step)


def events(directory):
    """tag -> {step: value} of all event files of a directory."""
    found = {}
    for name in os.listdir(directory):
        if name.startswith("events"):
            for event in tf.train.summary_iterator(os.path.join(directory, name)):
                for value in event.summary.value:
                    found.setdefault(value.tag, {})[event.step] = value.simple_value
    return found


# A process of its own


def test_a_process_is_quiet(root, corpus_flags, tmp_path):
    """And a character that the terminal lacks does not end it."""
    source = value(corpus_flags, "data_dir")
    data = shutil.copytree(source, str(tmp_path / "d\u0131r"))
    flags = without(corpus_flags, "data_dir", "num_train_epochs")
    run = Finished(
        root,
        flags
        + ["--data_dir=" + data, "--num_train_epochs=0.2", "--do_train", "--do_eval"]
        + ["--output_dir=" + str(tmp_path / "out")],
        env={"PYTHONIOENCODING": "latin-1"},
    )
    assert run.status == 0, run.out + run.err
    assert run.err == ""
    assert not NOISE.search(run.out)
    assert "d\\u0131r" in run.out


def test_a_process_that_is_given_a_bad_flag(root, corpus_flags):
    run = Finished(root, corpus_flags + ["--do_train", "--learning_rat=1"])
    assert (run.status, run.out) == (2, "")
    assert run.err.startswith("ERROR: ") and run.err.count("\n") == 1


# A finished run


def test_files(finished_run):
    names = os.listdir(finished_run.directory)
    found = {re.sub(r"\.\d{9,}\..*", "", name) for name in names}
    expected = {"checkpoint", "graph.pbtxt", "events.out.tfevents", "eval", "run.log"}
    expected |= {"train.tf_record", "eval.tf_record", "predict.tf_record"}
    expected |= {"eval_results.txt", "eval_results.json", "test_results.tsv"}
    expected |= {"eval_predictions.tsv", "predictions.tsv", "MRPC.tsv"}
    expected |= {"run_settings.json", "labels.json", "predict_results.json"}
    expected |= {"run.flags", ".lock", "vocab.txt", "bert_config.json"}
    expected |= {"text_settings.json", "training_history.tsv"}
    for step in (8, 12, 15):  # The latest three of 0, 4, 8, 12, 15.
        for part in ("index", "meta", "data-00000-of-00001"):
            expected.add("model.ckpt-%d.%s" % (step, part))
    assert found == expected


def test_screen_and_log_file(finished_run):
    for line in (
        r"^Device: (CPU, \d+ threads|GPU, .*) \(TensorFlow [0-9.]+.*\)$",
        r"^Random seed: 11\b",
        r"^tokens: \[CLS\] \w+ \w+ \w+ \. \[SEP\] \w+ was \w+ by \w+ \. \[SEP\]$",
        r"^train\.tsv +40 +3668 +0 +0$",
        r"^dev\.tsv +13 +408 +0 +0$",
        r"^test\.tsv +11 +1725 +0 +0$",
        r"^WARNING: \S+test\.tsv: 11 examples, .* 1725\b",
        r"^Training: 40 examples, batch size 8, 3 epochs: 15 steps, 1 of them warm-up$",
        r"^Warm start: 39 variables .*bert_model\.ckpt$",
        r"^Warm start: .*output_weights, output_bias$",
        r"^Warm start: .*cls/predictions/output_bias$",
        r"^Saved .*model\.ckpt-0$",
        r"^Model: 2 layers, 4 heads, hidden 16, feed-forward 24, 4,\d{3} parameters$",
        r"^training: step 1 of 15, loss [0-9.]+, lr 0$",
        r"^training: step 15 of 15, loss [0-9.]+, \S+ examples/s, lr [0-9.e-]+$",
        r"^  f1 +[0-9.]+$",
        r"^  main score \(mean of accuracy and f1\) +[0-9.]+$",
        r"^  \(accuracy of the majority class\) +0\.5385$",
        r"test_results\.tsv$",
        r"predictions\.tsv$",
        r"MRPC\.tsv$",
    ):
        assert re.search(line, finished_run.screen, re.MULTILINE), line
    logged = text(finished_run.directory, "run.log").splitlines()
    command, *shown = [line.split("  ", 1)[1] for line in logged]
    assert command.startswith("$ python ")
    examples = [n for n, line in enumerate(shown) if line == "*** Example ***"]
    assert len(examples) == 5
    del shown[examples[1] : examples[4] + 6]
    assert shown == finished_run.screen.splitlines()


def test_results(finished_run):
    figures = scores(finished_run.directory)
    lines = text(finished_run.directory, "eval_results.txt").splitlines()
    assert lines == sorted(lines)
    assert {"eval_accuracy", "eval_loss", "global_step", "loss"} < set(figures)
    assert figures["global_step"] == 15
    assert figures["loss"] == figures["eval_loss"]
    counts = [
        figures["eval_%s_%ss" % (truth, kind)]
        for truth in ("true", "false")
        for kind in ("positive", "negative")
    ]
    assert sum(counts) == 13
    right = (counts[0] + counts[1]) / 13
    assert figures["eval_accuracy"] == pytest.approx(right, rel=1e-6)
    mean = (right + figures["eval_f1"]) / 2
    assert figures["eval_main_score"] == pytest.approx(mean, rel=1e-6)
    # The probabilities of each example add up to 1.
    probabilities = np.array(rows(finished_run.directory, "test_results.tsv"), float)
    assert probabilities.shape == (11, 2)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, atol=1e-6)


def test_results_as_json(finished_run):
    content = saved_json(finished_run.directory, "eval_results.json")
    assert content["checkpoint"].endswith("model.ckpt-15")
    assert content["data_file"].endswith("dev.tsv")
    assert content["settings"]["train_batch_size"] == 8
    assert content["versions"]["tensorflow"] == tf.__version__
    assert content["device"] and "git_revision" in content
    assert content["results"]["eval_loss"] == content["results"]["loss"]
    facts = ("global_step", "num_examples", "random_seed", "task", "labels")
    assert [content[fact] for fact in facts] == [15, 13, 11, "MRPC", ["0", "1"]]
    assert content["main_metrics"] == ["accuracy", "f1"]
    assert content["majority_accuracy"] == pytest.approx(7 / 13)
    # Label 0 is the most frequent, and predicting it always gives no F1.
    assert content["majority_score"] == pytest.approx(7 / 13 / 2)
    content = saved_json(finished_run.directory, "predict_results.json")
    assert content["checkpoint"].endswith("model.ckpt-15")
    assert content["data_file"].endswith("test.tsv")
    assert (content["global_step"], content["num_examples"]) == (15, 11)
    assert content["files"] == ["test_results.tsv", "predictions.tsv", "MRPC.tsv"]
    assert content["training"]["random_seed"] == 11


def test_summaries(finished_run):
    training = events(finished_run.directory)
    assert set(training) == {"loss", "learning_rate", "examples_per_second"}
    assert 15 in training["loss"]
    evaluation = events(os.path.join(finished_run.directory, "eval"))
    assert {"eval_accuracy", "eval_f1", "eval_loss"} < set(evaluation)
    assert list(evaluation["eval_loss"]) == [15]


def test_variables_of_the_checkpoint(finished_run):
    found = weights(finished_run.directory, 15)
    model = {name for name in found if "adam" not in name} - {"global_step"}
    assert len(model) == 41
    slots = {name + slot for name in model for slot in ("/adam_m", "/adam_v")}
    assert set(found) == model | slots | {"global_step"}


# Where training starts


def test_training_starts_from_the_initial_checkpoint(interrupted_run):
    prefix = value(interrupted_run.flags, "init_checkpoint")
    found = weights(interrupted_run.directory, 0)
    for name, expected in models.read_checkpoint(prefix).items():
        if name.startswith("bert/"):
            np.testing.assert_array_equal(found[name], expected, err_msg=name)


def test_an_interrupted_run_resumes(interrupted_run, finished_run, tmp_path):
    """With its seed, up to where a run ends that was not interrupted."""
    out = interrupted_run.copy(tmp_path)
    flags = without(interrupted_run.command, "random_seed") + ["--output_dir=" + out]
    run = succeed(flags + ["--keep_checkpoint_max=2"])
    assert re.search(r"^RESUMING at step 4 from .*model\.ckpt-4", run.out, re.M)
    assert re.search(r"^Random seed: 11, saved in", run.out, re.M)
    assert "training: step 5 of 15" in run.out
    kept = {name for name in os.listdir(out) if name.endswith(".index")}
    assert kept == {"model.ckpt-12.index", "model.ckpt-15.index"}
    found, expected = weights(out, 15), weights(finished_run.directory, 15)
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], atol=1e-5, err_msg=name)


def test_a_run_from_random_weights(corpus_flags, tmp_path):
    """With a seed that is drawn and saved, and one flag that has no effect."""
    flags = without(corpus_flags, "init_checkpoint", "random_seed", "num_train_epochs")
    flags += ["--do_train", "--num_train_epochs=0.2", "--iterations_per_loop=1000"]
    run = succeed(flags + ["--output_dir=%s" % tmp_path])
    assert re.search("^WARNING: .*--init_checkpoint.* random", run.out, re.M)
    assert "--iterations_per_loop has no effect" in run.out
    shown = int(re.search(r"^Random seed: (\d+)", run.out, re.M).group(1))
    assert saved_json(str(tmp_path), "run_settings.json")["random_seed"] == shown


def test_checkpoints_elsewhere_are_left_alone(finished_run, tmp_path):
    """A copy whose `checkpoint` file names the directory that it was copied from."""
    original, other = finished_run.copy(tmp_path), str(tmp_path / "other")
    os.makedirs(other)
    for name in os.listdir(original):
        if name.startswith("model.ckpt-15"):
            shutil.copy(os.path.join(original, name), other)
    with open(os.path.join(other, "checkpoint"), "w") as file:
        file.write('model_checkpoint_path: "%s/model.ckpt-15"\n' % original)
        for step in (8, 15):
            line = 'all_model_checkpoint_paths: "%s/model.ckpt-%d"\n'
            file.write(line % (original, step))
    before = sorted(os.listdir(original))
    flags = without(finished_run.flags, "num_train_epochs")
    flags += ["--do_train", "--num_train_epochs=3.2", "--keep_checkpoint_max=1"]
    run = succeed(flags + ["--output_dir=" + other])
    assert "RESUMING at step 15 from %s" % other in run.out
    assert sorted(os.listdir(original)) == before


def test_bias_correction(corpus_flags, tmp_path):
    """The first step, worked out from the moments that are saved with the weights."""
    flags = without(corpus_flags, "num_train_epochs") + ["--num_train_epochs=0.2"]
    flags += ["--do_train", "--warmup_proportion=0", "--adam_bias_correction"]
    succeed(flags + ["--output_dir=%s" % tmp_path])
    before, after = weights(str(tmp_path), 0), weights(str(tmp_path), 1)
    name = "bert/pooler/dense/bias"  # Biases do not decay.
    m, v = after[name + "/adam_m"] / 0.1, after[name + "/adam_v"] / 0.001
    expected = before[name] - 1e-3 * m / (np.sqrt(v) + 1e-6)
    np.testing.assert_allclose(after[name], expected, atol=1e-6)
    assert np.abs(after[name] - before[name]).max() > 5e-4


# Which weights are evaluated


def test_an_evaluation_of_fine_tuned_initial_weights(finished_run, tmp_path):
    """With nothing in the output directory: encoder and head of --init_checkpoint."""
    out, trained = str(tmp_path / "out"), finished_run.directory
    flags = without(finished_run.flags, "init_checkpoint") + ["--eval_batch_size=5"]
    flags += ["--do_eval", "--do_predict", "--init_checkpoint=" + trained]
    run = succeed(flags + ["--output_dir=" + out])
    assert "UNTRAINED" not in run.out
    for name, figure in scores(trained).items():
        assert scores(out)[name] == pytest.approx(figure, abs=1e-6)
    found, expected = (rows(where, "test_results.tsv") for where in (out, trained))
    np.testing.assert_allclose(
        np.array(found, float), np.array(expected, float), atol=1e-6
    )


@pytest.mark.parametrize("in_output_dir", [False, True])
def test_an_untrained_head(corpus_flags, tmp_path, in_output_dir):
    out = str(tmp_path / "out")
    if in_output_dir:
        prefix = value(corpus_flags, "init_checkpoint")
        shutil.copytree(os.path.dirname(prefix), out)
    run = succeed(corpus_flags + ["--do_eval", "--output_dir=" + out])
    where = out if in_output_dir else ""
    assert re.search("^WARNING: UNTRAINED CLASSIFIER: %s/" % where, run.out, re.M)
    content = saved_json(out, "eval_results.json")
    assert content["untrained_variables"] == ["output_weights", "output_bias"]


def test_the_run_of_the_original(shared_dir, tmp_path):
    """Its checkpoint evaluates and predicts here to the numbers that it gave there."""
    golden = os.path.join(shared_dir, "golden", "original_run")
    theirs, out = os.path.join(golden, "output"), str(tmp_path / "out")
    os.makedirs(out)
    for name in os.listdir(theirs):
        if name.startswith(("model.ckpt", "checkpoint")):
            shutil.copyfile(os.path.join(theirs, name), os.path.join(out, name))
    succeed(
        ["--task_name=MRPC", "--do_eval=true", "--do_predict=true"]
        + ["--data_dir=" + os.path.join(shared_dir, "data", "glue", "MRPC")]
        + ["--vocab_file=" + shared_dir + "/models/minilm-l6-h384/vocab.txt"]
        + ["--bert_config_file=" + golden + "/pretrained/bert_config.json"]
        + ["--max_seq_length=64", "--output_dir=" + out],
    )
    found, expected = (rows(where, "test_results.tsv") for where in (out, theirs))
    assert len(found) == 1725
    np.testing.assert_allclose(
        np.array(found, float), np.array(expected, float), atol=2e-5
    )
    for name, figure in scores(theirs).items():
        assert scores(out)[name] == pytest.approx(figure, abs=2e-5), name


def test_paths_of_tensorflows_file_layer(corpus_flags):
    """ram:// stands for gs:// and others; TensorFlow 1.14 has no such file system."""
    try:
        tf.io.gfile.makedirs("ram://probe")
    except tf.errors.UnimplementedError:
        pytest.skip("this TensorFlow has no ram:// file system")
    flags = without(corpus_flags, "vocab_file", "bert_config_file", "data_dir")
    for name in ("vocab_file", "bert_config_file"):
        tf.io.gfile.copy(value(corpus_flags, name), "ram://in/" + name, overwrite=True)
        flags.append("--%s=ram://in/%s" % (name, name))
    source = value(corpus_flags, "data_dir")
    for name in os.listdir(source):
        target = "ram://in/data/" + name
        tf.io.gfile.copy(os.path.join(source, name), target, overwrite=True)
    flags += ["--data_dir=ram://in/data", "--output_dir=ram://out", "--do_train"]
    succeed([*flags, "--do_eval", "--do_predict"])
    found = tf.io.gfile.listdir("ram://out")
    assert {"eval_results.txt", "test_results.tsv", "run.log"} <= set(found)
    with tf.io.gfile.GFile("ram://out/run.log") as file:
        assert "step 15 of 15" in file.read()
    flags = without(flags, "num_train_epochs") + ["--num_train_epochs=3.2"]
    run = succeed([*flags, "--allow_changes"])
    assert "RESUMING at step 15 from ram://out/model.ckpt-15" in run.out


# What is refused


@pytest.mark.parametrize(
    "argument", ["--train_batch_size=900", "--num_train_epochs=1e30"]
)
def test_no_step_or_too_many(corpus_flags, tmp_path, argument):
    name = argument[2:].split("=")[0]
    flags = without(corpus_flags, name) + ["--do_train", argument]
    message = refused(flags + ["--output_dir=%s" % tmp_path])
    assert "--" + name in message and "40 examples" in message


def test_a_bad_row_ends_the_run_before_training(corpus_flags, tmp_path):
    """Even if it is in the test set, which is read last."""
    source = value(corpus_flags, "data_dir")
    data = shutil.copytree(source, str(tmp_path / "data"))
    with open(os.path.join(data, "test.tsv"), "a", encoding="utf-8") as file:
        file.write("12\tonly two\n")
    flags = without(corpus_flags, "data_dir") + ["--data_dir=" + data]
    flags += ["--do_train", "--do_predict", "--output_dir=" + str(tmp_path / "out")]
    assert "test.tsv, line 13" in refused(flags)
    assert "Building" not in text(str(tmp_path / "out"), "run.log")


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    "arguments",
    [
        ["--save_checkpoints_steps=1"],  # The save in between must not happen.
        pytest.param([], marks=SLOW),  # The loss shows it one step later.
        pytest.param(
            ["--num_train_epochs=0.4", "--warmup_proportion=0.5"], marks=SLOW
        ),  # Nor must the last save.
    ],
)
def test_weights_that_are_not_finite_end_the_run(corpus_flags, tmp_path, arguments):
    """The latest intact checkpoint is kept."""
    out = str(tmp_path / "out")
    flags = without(corpus_flags, "learning_rate") + ["--learning_rate=1e38"]
    message = refused(
        flags + ["--do_train", "--do_eval", "--output_dir=" + out] + arguments
    )
    assert re.search("loss is nan|not finite", message) and "--learning_rate" in message
    newest = finding.step_in_name(tf.train.latest_checkpoint(out))
    for tensor in weights(out, newest).values():
        assert np.all(np.isfinite(tensor))


def test_a_run_that_needs_a_gpu(corpus_flags, tmp_path):
    if tf.test.is_gpu_available():
        pytest.skip("here is a GPU")
    out = str(tmp_path / "out")
    flags = corpus_flags + ["--do_train", "--require_gpu", "--output_dir=" + out]
    assert "--require_gpu" in refused(flags)
    assert not os.path.exists(out)


# Precision


def mixed_is_possible():
    try:
        return bool(detect.short_type(detect.find_device()))
    except InputError:
        return False


def test_mixed_precision(finished_run, tmp_path):
    """Like float32 but for rounding, or refused where the device does not have it."""
    out = str(tmp_path / "mixed")
    flags = finished_run.flags + ["--do_train", "--do_eval", "--output_dir=" + out]
    run = Run(flags + ["--precision=mixed"])
    if not mixed_is_possible():
        assert run.status == 2 and "--precision=mixed" in run.err
        assert run.err.count("\n") == 1 and not os.path.exists(out)
        return
    assert run.status == 0, run.err
    assert re.search(r"^Matrix products in \w+", run.out, re.M)
    found, expected = scores(out)["eval_loss"], scores(finished_run.directory)["loss"]
    assert found == pytest.approx(expected, abs=0.02)
    assert found != expected


@pytest.mark.slow
def test_a_run_resumes_in_another_precision(finished_run, tmp_path):
    """What a float32 checkpoint lacks starts fresh; what it does not need is left."""
    out = finished_run.copy(tmp_path)
    config = model_config.read_config(value(finished_run.flags, "bert_config_file"))
    path = os.path.join(out, "train.tf_record")
    rows = [EncodedExample([2, 5 + n % 9, 3], 2, n % 2) for n in range(40)]
    dataset = types.SimpleNamespace(records=records.write_records(path, rows, 16))

    def resume(precision, first_step, num_steps):
        run = models.fake_run(out, config, 2, first_step, train_batch_size=8)
        prefix = finding.latest_in(out)
        run.inputs.resumed = compatibility.read_contents(prefix, config, 2)
        run.compute = classifier.ComputeOptions(precision)
        plan = models.fake_plan(num_steps)
        plan.dataset = dataset
        loop.train(run, plan)
        return weights(out, num_steps)

    scaled = resume(mixed_precision.FLOAT16, 15, 17)
    assert scaled["loss_scale/scale"] == mixed_precision.INITIAL_SCALE
    assert scaled["loss_scale/good_steps"] == 2
    assert resume(mixed_precision.FLOAT16, 17, 19)["loss_scale/good_steps"] == 4
    found = resume(mixed_precision.FLOAT32, 19, 20)
    assert set(scaled) - set(found) == {n for n in scaled if "loss_scale" in n}
    assert found["global_step"] == 20
