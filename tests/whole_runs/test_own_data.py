"""The user's own data, through the command line."""

import os
import re
import shutil

import numpy as np
import pytest

from tests.support import corpus
from tests.support.running import (
    PHASES,
    refused,
    rows,
    saved_json,
    scores,
    succeed,
    table,
    text,
    without,
)

TOPICS = ["paid", "called", "thanked"]


@pytest.fixture(scope="module")
def flags(corpus_flags):
    """A vocabulary and an encoder; one epoch."""
    common = without(corpus_flags, "task_name", "data_dir", "num_train_epochs")
    return common + ["--task_name=custom", "--num_train_epochs=1"]


def sentence(index):
    """A text and its topic."""
    first, second = corpus.NAMES[index % 6], corpus.NAMES[(index + 1) % 6]
    topic = TOPICS[index % 3]
    return "%s %s %s ." % (first, topic, second), topic


# Pairs with two labels and ids, in TSV files

PAIRS = ["--text_a_column=left", "--text_b_column=right"]
PAIRS += ["--label_column=agrees", "--id_column=name"]


def pair_lines(count, with_label=True):
    lines = ["name\tagrees\tleft\tright" if with_label else "right\tleft\tname"]
    for index in range(count):
        left, right = sentence(index)[0], sentence(index * 5)[0]
        label = "yes" if index % 3 else "no"
        cells = ["row%d" % index, label, left, right]
        if not with_label:  # Nor need the columns be in the same order.
            cells = [right, left, "row%d" % index]
        lines.append("\t".join(cells))
    return lines


@pytest.fixture(scope="module")
def pairs(flags, tmp_path_factory):
    """A run on pairs: what it showed, its output directory and its data."""
    folder = str(tmp_path_factory.mktemp("pairs"))
    data, out = os.path.join(folder, "data"), os.path.join(folder, "out")
    corpus.write_lines(os.path.join(data, "train.tsv"), pair_lines(24))
    corpus.write_lines(os.path.join(data, "dev.tsv"), pair_lines(9))
    corpus.write_lines(os.path.join(data, "test.tsv"), pair_lines(5, with_label=False))
    names = ["--data_dir=" + data, "--output_dir=" + out]
    return succeed(flags + PAIRS + names + PHASES), out, data


def test_pairs_with_two_labels(pairs):
    run, out, _ = pairs
    assert saved_json(out, "labels.json")["labels"] == ["no", "yes"]
    for line in (
        r"  tokens: \[CLS\] anna paid ben \. \[SEP\] anna paid ben \. \[SEP\]$",
        r"  guid: train-row1$",
        r"  label: yes \(id = 1\)$",
        r"  train\.tsv +24 +0 +\d+$",
        r"  test\.tsv +5 +0 +\d+$",
        r"  main score \(macro_f1\) +[0-9.]+$",
    ):
        assert re.search(line, text(out, "run.log"), re.M), line
    assert "GLUE" not in run.out
    found = table(out, "eval_predictions.tsv")
    assert [row["id"] for row in found] == ["row%d" % n for n in range(9)]
    assert [row["gold"] for row in found] == ["no", "yes", "yes"] * 3
    right = np.mean([row["right"] == "yes" for row in found])
    assert scores(out)["eval_accuracy"] == pytest.approx(right, abs=1e-6)
    assert scores(out)["eval_main_score"] == scores(out)["eval_macro_f1"]
    names = {"f1", "precision", "recall", "matthews_correlation", "loss"}
    assert {"eval_" + name for name in names} < set(scores(out))


def test_a_file_without_labels_is_predicted(pairs):
    _, out, _ = pairs
    heading, *lines = rows(out, "predictions.tsv")
    assert heading == ["id", "label", "probability_no", "probability_yes"]
    assert [line[0] for line in lines] == ["row%d" % n for n in range(5)]
    for _, label, no, yes in lines:
        assert label == ("yes" if float(yes) > float(no) else "no")
    assert [line[2:] for line in lines] == rows(out, "test_results.tsv")
    assert "custom.tsv" not in os.listdir(out)


def test_other_files_with_labels(flags, pairs, tmp_path):
    """Given by flag, in another directory, with the labels of the weights."""
    _, trained, data = pairs
    other, out = str(tmp_path / "other.TSV"), str(tmp_path / "out")
    corpus.write_lines(other, pair_lines(4))
    arguments = without(flags, "init_checkpoint") + PAIRS + ["--output_dir=" + out]
    arguments += ["--init_checkpoint=" + trained, "--do_predict", "--do_eval"]
    arguments += ["--predict_file=" + os.path.join(data, "dev.tsv")]
    run = succeed(arguments + ["--eval_file=" + other])
    assert "Scores on %s (4 examples), step 3" % other in run.out
    predicted = rows(out, "predictions.tsv")
    evaluated = rows(trained, "eval_predictions.tsv")
    assert predicted == [row[: len(predicted[0])] for row in evaluated]
    for ours, theirs in zip(
        table(out, "eval_predictions.tsv"), table(out, "predictions.tsv")
    ):
        assert ours["id"] == theirs["id"]
        wanted = pytest.approx(float(theirs["probability_yes"]), abs=1e-6)
        assert float(ours["probability_yes"]) == wanted


# Single sentences with three labels, in CSV files

SINGLE = ["--text_a_column=text", "--label_column=about"]


def quoted_lines(count):
    lines = ["text,about"]
    for index in range(count):
        words, topic = sentence(index)
        mark = ['"%s"', '"""%s"""', '", %s"', '"%s\nben ."'][index % 4]
        lines.append("%s,%s" % (mark % words, topic))
    return lines


@pytest.fixture(scope="module")
def topics(flags, tmp_path_factory):
    """A run on CSV files whose fields hold quotes, commas and line ends."""
    folder = str(tmp_path_factory.mktemp("topics"))
    data, out = os.path.join(folder, "data"), os.path.join(folder, "out")
    corpus.write_lines(os.path.join(data, "train.csv"), quoted_lines(24))
    corpus.write_lines(os.path.join(data, "dev.csv"), quoted_lines(8))
    names = ["--data_dir=" + data, "--output_dir=" + out]
    return succeed(flags + SINGLE + names + ["--do_train", "--do_eval"]), out, data


def test_three_labels_in_csv(topics):
    _, out, _ = topics
    for line in (
        r"  tokens: \[CLS\] \[UNK\] ben called carla \. \[UNK\] \[SEP\]$",
        r"  tokens: \[CLS\] david paid emma \. ben \. \[SEP\]$",
        r"  train\.csv +24 +0 +\d+$",
    ):
        assert re.search(line, text(out, "run.log"), re.M), line
    assert saved_json(out, "labels.json")["labels"] == sorted(TOPICS)
    found = table(out, "eval_predictions.tsv")
    # The id of an example is the line that it begins in, counted from 0.
    assert [row["id"] for row in found] == ["1", "2", "3", "4", "6", "7", "8", "9"]
    assert [row["gold"] for row in found] == [TOPICS[n % 3] for n in range(8)]
    for row in found:
        likely = {label: float(row["probability_" + label]) for label in TOPICS}
        assert row["label"] == max(likely, key=likely.get)


def test_the_order_of_the_labels_comes_with_the_weights(flags, topics, tmp_path):
    """Unless they have none beside them: then the order must be given."""
    _, trained, data = topics
    bare = str(tmp_path / "bare")
    shutil.copytree(trained, bare, ignore=shutil.ignore_patterns("labels.json"))
    arguments = without(flags, "init_checkpoint") + SINGLE + ["--do_eval"]
    arguments += ["--eval_file=" + os.path.join(data, "dev.csv")]
    expected = text(trained, "eval_predictions.tsv")
    for directory, more in ((trained, []), (bare, ["--labels=called, paid, thanked"])):
        out = str(tmp_path / os.path.basename(directory))
        given = arguments + ["--init_checkpoint=" + directory]
        succeed(given + more + ["--output_dir=%s-results" % out])
        assert text(out + "-results", "eval_predictions.tsv") == expected
    message = refused(given + ["--output_dir=%s" % (tmp_path / "none")])
    assert bare in message and "--labels" in message
    # Another order is refused, and nothing is written, in the run's own directory too.
    before = sorted(os.listdir(trained))
    for out in (str(tmp_path / "none"), trained):
        given = arguments + ["--init_checkpoint=" + trained, "--output_dir=" + out]
        message = refused(given + ["--labels=paid,called,thanked"])
        assert os.path.join(trained, "labels.json") in message
        assert "called, paid, thanked" in message and "paid, called, thank" in message
    assert sorted(os.listdir(trained)) == before
    assert not os.path.exists(str(tmp_path / "none"))


def test_labels_that_come_and_go(flags, topics, tmp_path):
    """A label that training has not seen is refused; one that is gone is kept."""
    _, trained, data = topics
    other, fewer = str(tmp_path / "other.csv"), str(tmp_path / "train.csv")
    corpus.write_lines(other, quoted_lines(2) + ['"anna .",forgot'])
    lines = [line for line in quoted_lines(24) if not line.endswith("paid")]
    corpus.write_lines(fewer, lines)
    out = shutil.copytree(trained, str(tmp_path / "out"))
    arguments = without(flags, "num_train_epochs") + SINGLE + ["--output_dir=" + out]
    message = refused(arguments + ["--do_eval", "--eval_file=" + other])
    assert "other.csv, line 4" in message and "'forgot'" in message
    more = ["--train_file=" + fewer, "--num_train_epochs=3", "--allow_changes"]
    run = succeed(arguments + ["--do_train"] + more)
    assert "RESUMING at step 3" in run.out
    assert saved_json(out, "labels.json") == saved_json(trained, "labels.json")


# Numbers, in columns without names


def test_numbers_without_a_heading(flags, tmp_path):
    data, out = str(tmp_path / "data"), str(tmp_path / "out")
    lines = ["%s\t%g" % (sentence(n)[0], n * 10.5 - 50) for n in range(16)]
    corpus.write_lines(os.path.join(data, "train.tsv"), lines)
    corpus.write_lines(os.path.join(data, "dev.tsv"), lines[:6])
    texts = [line.split("\t")[0] for line in lines]
    corpus.write_lines(os.path.join(data, "test.tsv"), texts)
    run = succeed(
        flags
        + ["--text_a_column=1", "--label_column=2", "--has_header=false"]
        + ["--regression", *PHASES]
        + ["--data_dir=" + data, "--output_dir=" + out]
    )
    assert re.search(r"^train\.tsv +16 +0 +\d+$", run.out, re.M)
    assert "is the header of the training file" not in run.out
    assert "\n  main score (mean of pearson and spearman)" in run.out
    assert "majority class" not in run.out
    found = table(out, "eval_predictions.tsv")
    assert list(found[0]) == ["id", "label", "gold", "error", "text_a"]
    assert [row["gold"] for row in found] == [s.split("\t")[1] for s in lines[:6]]
    errors = [float(row["label"]) - float(row["gold"]) for row in found]
    mean = np.mean(np.square(errors))
    assert scores(out)["eval_loss"] == pytest.approx(mean, rel=1e-5)
    # No scale is known to which a number would be clipped.
    predicted = [row["label"] for row in table(out, "predictions.tsv")]
    assert predicted == [row[0] for row in rows(out, "test_results.tsv")]
    assert len(predicted) == 16


# What shapes the training


def first_loss(run):
    return float(re.search(r"step 1 of \d+, loss ([0-9.]+)", run.out).group(1))


@pytest.fixture
def one_step(flags, pairs, tmp_path):
    """A function that trains one step on all pairs, with more flags."""

    def run(name, *arguments):
        names = ["--data_dir=" + pairs[2], "--output_dir=%s" % (tmp_path / name)]
        one = ["--do_train", "--train_batch_size=24", "--warmup_proportion=1"]
        return succeed(flags + PAIRS + names + one + list(arguments))

    return run


def test_class_weights_weigh_the_loss(one_step):
    no = one_step("no", "--class_weights=no=1,yes=0.000001")
    yes = one_step("yes", "--class_weights=yes=1,no=0.000001")
    assert "no=1, yes=1e-06" in no.out and "no=1e-06, yes=1" in yes.out
    # The batch is the whole file, and 8 of its 24 labels are "no".
    balanced = one_step("balanced", "--class_weights=balanced")
    assert "no=1.5, yes=0.75" in balanced.out
    expected = 1.5 * first_loss(no) + 0.75 * first_loss(yes)
    assert first_loss(balanced) == pytest.approx(expected, abs=3e-4)


def test_fewer_examples_and_given_labels(one_step, tmp_path):
    few = ["--max_train_examples=10", "--train_batch_size=5"]
    run = one_step("few", "--labels=yes,perhaps,no", *few)
    out = str(tmp_path / "few")
    assert "Training: 10 examples, batch size 5, 1 epochs: 2 steps" in run.out
    assert re.search(r"^train\.tsv +10 +0 +\d+$", run.out, re.M)
    labels = saved_json(out, "labels.json")["labels"]
    assert labels == ["yes", "perhaps", "no"]
    # Not the first ones, as a file may be sorted; in its order; the same every time.
    guids = re.findall(r"guid: train-row(\d+)", text(out, "run.log"))
    assert guids != ["0", "1", "2", "3", "4"]
    assert guids == sorted(guids, key=int)
    one_step("again", *few)
    again = text(str(tmp_path / "again"), "run.log")
    assert re.findall(r"guid: train-row(\d+)", again) == guids


# What the program warns about


def test_text_that_the_vocabulary_lacks(flags, tmp_path):
    """Another seed would not help."""
    data, out = str(tmp_path / "data"), str(tmp_path / "out")
    lines = ["text\tlabel"] + ["\u4eca\u5929 \ud55c\uad6d\tno", "\u5929 x\tyes"] * 8
    for name in ("train", "dev", "test"):
        corpus.write_lines(os.path.join(data, name + ".tsv"), lines)
    columns = ["--text_a_column=text", "--label_column=label"]
    names = ["--data_dir=" + data, "--output_dir=" + out]
    run = succeed(flags + columns + names + PHASES)
    assert re.search(r"^dev\.tsv +16 +0 +40$", run.out, re.M)
    for name in ("eval_results.json", "predict_results.json"):
        content = saved_json(out, name)
        assert content["num_unknown_words"] == 40
        assert "40 words became [UNK] (100 % of the tokens)" in content["warnings"][0]
    (line,) = re.findall("ALL PREDICTIONS ARE THE SAME.*", run.out)
    assert "[UNK]" in line and "--random_seed" not in line


def test_a_file_to_predict_without_its_header(flags, pairs, tmp_path):
    """Columns by number do not show that the line is no header; the training does."""
    _, trained, data = pairs
    bare = str(tmp_path / "bare.tsv")
    with open(os.path.join(data, "test.tsv"), encoding="utf-8") as file:
        header, *lines = file.read().splitlines()
    corpus.write_lines(bare, lines)
    arguments = without(flags, "init_checkpoint") + ["--init_checkpoint=" + trained]
    arguments += ["--text_b_column=1", "--text_a_column=2", "--do_predict"]
    for path, is_warned in ((bare, True), (os.path.join(data, "test.tsv"), False)):
        out = str(tmp_path / str(is_warned))
        run = succeed([*arguments, "--predict_file=" + path, "--output_dir=" + out])
        assert path + ": line 1 is the header; --text_a_column is column 2" in run.out
        warned = "%s: line 1 is taken as the header" % path
        assert ("WARNING: " + warned in run.out) is is_warned
        recorded = saved_json(out, "predict_results.json")["warnings"]
        assert any(line.startswith(warned) for line in recorded) is is_warned


# What is refused


@pytest.mark.parametrize(
    "arguments, parts",
    [
        (["--text_a_column=middle"], ["train.tsv", "name, agrees, left, right"]),
        (["--class_weights=no=1"], ["--class_weights=no=1", "no=1,yes=1"]),
        (["--labels=yes,on"], ["train.tsv, line 2", "'no'"]),
        (["--regression"], ["train.tsv, line 2", "'no'"]),
        (["--do_eval", "--data_dir=/nowhere"], ["--data_dir=/nowhere"]),
    ],
)
def test_flags_that_do_not_fit_the_data(flags, pairs, tmp_path, arguments, parts):
    out = str(tmp_path / "out")
    names = ["--data_dir=" + pairs[2], "--output_dir=" + out, "--do_train"]
    message = refused(flags + PAIRS + names + arguments)
    assert all(part in message for part in parts)
    left = os.listdir(out) if os.path.exists(out) else []
    assert set(left) <= {"run.log", ".lock"}
    assert bool(left) == ("train.tsv, line 2" in parts)  # Only a row is found late.
