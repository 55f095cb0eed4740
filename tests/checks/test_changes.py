"""A training in a directory that holds another one, as its user meets it."""

import json
import os
import re
import shutil

import pytest

from tests.support import corpus
from tests.support.running import (
    Run,
    refused,
    rows,
    saved_json,
    succeed,
    value,
    without,
)


@pytest.fixture(scope="module")
def flags(tmp_path_factory):
    place = str(tmp_path_factory.mktemp("changes"))
    return without(corpus.write(place), "num_train_epochs")


@pytest.fixture(scope="module")
def trained(flags, tmp_path_factory):
    directory = str(tmp_path_factory.mktemp("trained") / "out")
    always = ["--num_train_epochs=0.4", "--output_dir=" + directory]
    succeed([*flags, "--do_train", *always])
    return directory


@pytest.fixture
def copy(trained, tmp_path):
    return shutil.copytree(trained, str(tmp_path / "out"))


def state(directory):
    """Size and time of everything there."""
    found = {}
    for folder, _, names in os.walk(directory):
        for name in [*names, "."]:
            path = os.path.join(folder, name)
            found[path] = (os.stat(path).st_size, os.stat(path).st_mtime_ns)
    return found


def train(flags, copy, *more):
    return [*flags, "--do_train", "--output_dir=" + copy, *more]


def test_another_recipe_is_refused_and_nothing_is_touched(flags, copy):
    before = state(copy)
    message = refused(
        train(without(flags, "learning_rate"), copy, "--num_train_epochs=2")
        + ["--learning_rate=2e-3"]
    )
    assert message == (
        "ERROR: --output_dir=%s holds a training that was begun otherwise: "
        "--learning_rate was 0.001, is 0.002; --num_train_epochs was 0.4, is 2.0; give "
        "another --output_dir, or --allow_changes=true to go on with it\n" % copy
    )
    assert state(copy) == before


def test_a_change_that_is_allowed_is_a_warning(flags, copy):
    more = ["--num_train_epochs=0.6", "--allow_changes"]
    run = succeed(train(flags, copy, *more))
    said = "WARNING: The training that goes on was begun otherwise: "
    assert said + "--num_train_epochs was 0.4, is 0.6\n" in run.out
    assert "RESUMING at step 2" in run.out
    # As it now is, it goes on without a question.
    again = succeed(train(flags, copy, "--num_train_epochs=0.6"))
    assert said not in again.out


def test_it_is_refused_where_nothing_is_left_to_train_too(flags, copy):
    message = refused(
        train(without(flags, "random_seed"), copy, "--num_train_epochs=0.4")
        + ["--random_seed=12"]
    )
    assert "--random_seed was 11, is 12; give another" in message
    without_seed = without(flags, "random_seed")
    run = succeed(train(without_seed, copy, "--num_train_epochs=0.4"))
    assert "NOTHING LEFT TO TRAIN" in run.out
    assert "raise --num_train_epochs, with --allow_changes=true" in run.out


def test_evaluation_does_not_ask_about_the_training(flags, copy):
    other = without(flags, "learning_rate", "train_batch_size", "random_seed")
    run = succeed([*other, "--do_eval", "--num_train_epochs=9", "--output_dir=" + copy])
    assert "begun otherwise" not in run.out


@pytest.mark.parametrize(
    "name, spoil",
    [
        ("vocab_file", corpus.reverse_words),
        ("bert_config_file", lambda content: content.replace("gelu", "relu")),
    ],
)
def test_an_evaluation_with_other_files_of_the_same_sizes(
    flags, copy, tmp_path, name, spoil
):
    """Its scores are those of another model, and say so wherever they stand."""
    path = value(flags, name)
    with open(path) as file:
        content = spoil(file.read())
    other = tmp_path / "other"
    other.write_text(content)
    given = [*without(flags, name), "--%s=%s" % (name, other), "--output_dir=" + copy]
    said = "The weights were trained otherwise: the content of the --%s" % name
    assert "WARNING: " + said in succeed([*given, "--do_eval"]).out
    warnings = saved_json(copy, "eval_results.json")["warnings"]
    assert any(each.startswith(said) for each in warnings)
    assert "WARNING: " + said in succeed([*given, "--do_predict", "--check"]).out


def test_scores_on_another_dev_set_are_not_mixed(flags, tmp_path):
    """A best score on an easy set would never be beaten on the right one."""
    out = str(tmp_path / "out")
    easy = str(tmp_path / "easy.tsv")
    header, *others = rows(value(flags, "data_dir"), "dev.tsv")
    corpus.write_lines(easy, ["\t".join(row) for row in [header, *others[:1]]])
    more = ["--num_train_epochs=0.4", "--eval_steps=1", "--keep_best", "--do_eval"]
    succeed(train(flags, out, *more, "--eval_file=" + easy))
    more[0] = "--num_train_epochs=0.8"
    assert "the content of the dev set is another: " in refused(
        train(flags, out, *more)
    )
    run = succeed(train(flags, out, *more, "--allow_changes"))
    kept = os.path.join(out, "eval_history_until_2.tsv")
    assert "WARNING: The scores on the other dev set are kept in " + kept in run.out
    assert [row[0] for row in rows(out, "eval_history_until_2.tsv")[1:]] == ["1", "2"]
    assert [row[0] for row in rows(out, "eval_history.tsv")[1:]] == ["2", "3", "4"]
    assert re.search("Using the best weights, of step [234]", run.out)
    # As it now is, it goes on without a question.
    assert "NOTHING LEFT TO TRAIN" in succeed(train(flags, out, *more)).out


def test_other_versions_are_said(flags, copy):
    path = os.path.join(copy, "run_settings.json")
    with open(path) as file:
        content = json.load(file)
    for part in (content, *content["determinism_history"]):
        part["versions"]["tensorflow"] = "1.13.1"
    with open(path, "w") as file:
        json.dump(content, file)
    more = ["--num_train_epochs=0.6", "--allow_changes"]
    run = succeed(train(flags, copy, *more, "--num_threads=1"))
    said = "tensorflow was 1.13.1, is "
    assert "WARNING: The training that goes on was begun otherwise: " + said in run.out
    content = saved_json(copy, "run_settings.json")
    assert any(said in each for each in content["changes"])
    first, second = content["determinism_history"]
    assert first["versions"]["tensorflow"] == "1.13.1"
    assert second["deterministic"] and second["from_step"] > 0
    assert content["determinism"].startswith("not guaranteed: ")


def test_settings_that_are_gone_are_said(flags, copy):
    os.remove(os.path.join(copy, "run_settings.json"))
    run = succeed(train(flags, copy, "--num_train_epochs=0.6", "--check"))
    assert "has no run_settings.json: whether its training was begun with" in run.out


def test_evaluations_while_training_may_change(flags, copy):
    more = ["--num_train_epochs=0.4", "--eval_steps=1", "--keep_best", "--early_stop=3"]
    run = succeed(train(flags, copy, *more, "--save_checkpoints_steps=2"))
    assert "begun otherwise" not in run.out


def test_a_directory_of_the_original_has_no_settings(flags, copy):
    for name in ("run_settings.json", "run.flags", "labels.json"):
        os.remove(os.path.join(copy, name))
    other = without(flags, "learning_rate")
    more = ["--num_train_epochs=0.6", "--learning_rate=0.5"]
    run = succeed(train(other, copy, *more))
    assert "RESUMING at step 2" in run.out
    assert "begun otherwise" not in run.out
    assert "run_settings.json" not in run.out


def test_files_that_moved_are_the_same(flags, copy, tmp_path):
    """All of them, the checkpoint too."""
    moved = []
    for flag in flags:
        name, _, given = flag.partition("=")
        if name in ("--vocab_file", "--bert_config_file"):
            given = shutil.copy(given, str(tmp_path / ("other_" + name[2:])))
        if name == "--data_dir":
            given = shutil.copytree(given, str(tmp_path / "other_data"))
        if name == "--init_checkpoint":
            place = shutil.copytree(os.path.dirname(given), str(tmp_path / "encoder"))
            given = os.path.join(place, os.path.basename(given))
        moved.append("%s=%s" % (name, given))
    run = succeed(train(moved, copy, "--num_train_epochs=0.4"))
    assert "NOTHING LEFT TO TRAIN" in run.out
    # Under the same name, but edited.
    path = str(tmp_path / "other_data" / "train.tsv")
    heading, *examples = rows(path)
    lines = ["\t".join(row) for row in [heading, *reversed(examples)]]
    corpus.write_lines(path, lines)
    message = refused(train(moved, copy, "--num_train_epochs=0.4"))
    assert "the content of the training set is another: %s (sha256 " % path in message
    assert message.count(";") == 1


def test_another_task_of_as_many_labels(flags, copy, tmp_path):
    """MRPC -> QNLI: refused at training, and at evaluation by the labels' names."""
    data = tmp_path / "QNLI"
    for name in ("train", "dev"):
        lines = ["index\tquestion\tsentence\tlabel"]
        labels = ["entailment", "not_entailment"]
        lines += ["%d\tanna\tben\t%s" % (n, labels[n % 2]) for n in range(40)]
        corpus.write_lines(str(data / (name + ".tsv")), lines)
    other = without(flags, "task_name", "data_dir")
    other += ["--task_name=QNLI", "--data_dir=%s" % data]
    before = state(copy)
    message = refused(train(other, copy, "--num_train_epochs=0.4"))
    assert "--task_name was mrpc, is QNLI; the content of the training set" in message
    message = refused([*other, "--do_eval", "--output_dir=" + copy])
    assert "the weights there were trained with the labels 0, 1" in message
    # Nor can that be allowed: the labels mean something else.
    allowed = train(other, copy, "--num_train_epochs=0.4", "--allow_changes")
    assert "the weights there were trained with the labels 0, 1" in refused(allowed)
    assert state(copy) == before


def test_another_encoder_of_the_same_shape(flags, copy, tmp_path):
    """A fine-tuned model in the place of the pretrained one."""
    other = without(flags, "init_checkpoint")
    place = shutil.copytree(copy, str(tmp_path / "fine_tuned"))
    other += ["--init_checkpoint=" + place]
    message = refused(train(other, copy, "--num_train_epochs=0.4"))
    assert "the content of the --init_checkpoint is another: " in message


def test_which_weights_are_used_is_said(flags, copy):
    run = succeed([*flags, "--do_eval", "--output_dir=" + copy])
    given = next(flag for flag in flags if flag.startswith("--init_checkpoint"))
    line = "%s is not used: --output_dir holds %s/model.ckpt-2, which goes before it\n"
    assert line % (given, copy) in run.out


def test_weights_of_another_task_with_the_same_labels_are_said(flags, copy, tmp_path):
    other = without(flags, "task_name", "data_dir")
    data = str(tmp_path / "RTE_as_numbers")
    lines = ["index\tsentence1\tsentence2\tlabel"]
    lines += ["%d\tanna\tben\t%d" % (n, n % 2) for n in range(20)]
    corpus.write_lines(os.path.join(data, "dev.tsv"), lines)
    other += ["--task_name=WNLI", "--data_dir=" + data]
    run = Run([*other, "--do_eval", "--output_dir=" + copy])
    assert run.status == 0, run.err
    said = "WARNING: ANOTHER TASK: the weights were trained for mrpc, and this run is"
    assert said in run.out
    content = corpus.read_json(os.path.join(copy, "eval_results.json"))
    assert any(line.startswith("ANOTHER TASK") for line in content["warnings"])
