"""The user's own data, through the command line."""

import os
import re
import shutil

import numpy as np
import pytest

from tests.support import corpus
from tests.support.running import (
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
def flags(tmp_path_factory):
    """A vocabulary and an encoder; one pass over the training file."""
    common = corpus.write(str(tmp_path_factory.mktemp("corpus")))
    common = without(common, "task_name", "data_dir", "num_train_epochs")
    return common + ["--task_name=custom", "--num_train_epochs=1"]


def sentence(index):
    """A text and what it is about."""
    first, second = corpus.NAMES[index % 6], corpus.NAMES[(index + 1) % 6]
    topic = TOPICS[index % 3]
    return "%s %s %s ." % (first, topic, second), topic


# Two labels, pairs, TSV, named examples


def pair_lines(count, with_label=True):
    lines = ["name\tagrees\tleft\tright" if with_label else "right\tleft\tname"]
    for index in range(count):
        left, right = sentence(index)[0], sentence(index * 5)[0]
        label = "yes" if index % 3 else "no"
        cells = ["row%d" % index, label, left, right]
        if not with_label:  # Nor need the columns stand in the same order.
            cells = [right, left, "row%d" % index]
        lines.append("\t".join(cells))
    return lines


PAIRS = ["--text_a_column=left", "--text_b_column=right"]
PAIRS += ["--label_column=agrees", "--id_column=name"]


@pytest.fixture(scope="module")
def pairs(flags, tmp_path_factory):
    """A run on pairs: what it said, its results, and its data."""
    folder = str(tmp_path_factory.mktemp("pairs"))
    data, out = os.path.join(folder, "data"), os.path.join(folder, "out")
    corpus.write_lines(os.path.join(data, "train.tsv"), pair_lines(24))
    corpus.write_lines(os.path.join(data, "dev.tsv"), pair_lines(9))
    corpus.write_lines(os.path.join(data, "test.tsv"), pair_lines(5, with_label=False))
    phases = ["--do_train", "--do_eval", "--do_predict"]
    names = ["--data_dir=" + data, "--output_dir=" + out]
    return succeed(flags + PAIRS + names + phases), out, data


def test_pairs_with_two_labels(pairs):
    run, out, _ = pairs
    assert saved_json(out, "labels.json")["labels"] == ["no", "yes"]
    for line in (
        r"^tokens: \[CLS\] anna paid ben \. \[SEP\] anna paid ben \. \[SEP\]$",
        r"^guid: train-row1$",
        r"^label: yes \(id = 1\)$",
        r"^train\.tsv +24 +0$",
        r"^test\.tsv +5 +0$",
        r"^  main score \(macro_f1\) +[0-9.]+$",
    ):
        assert re.search(line, run.out, re.M), line + "\n" + run.out
    assert "GLUE's server" not in run.out
    assert "are missing" not in run.out
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
        assert float(no) + float(yes) == pytest.approx(1, abs=1e-6)
        assert label == ("yes" if float(yes) > float(no) else "no")
    assert [line[2:] for line in lines] == rows(out, "test_results.tsv")
    assert not [n for n in os.listdir(out) if n.lower() == "custom.tsv"]


def test_a_file_with_labels_is_predicted(flags, pairs, tmp_path):
    """The same examples as evaluated: the same table; a label that it lacks: `gold`."""
    _, trained, data = pairs
    run = succeed(
        without(flags, "init_checkpoint")
        + PAIRS
        + ["--predict_file=" + os.path.join(data, "dev.tsv"), "--do_predict"]
        + ["--init_checkpoint=" + trained, "--output_dir=" + str(tmp_path)]
    )
    assert "UNTRAINED" not in run.out
    found = text(str(tmp_path), "predictions.tsv")
    assert found == text(trained, "eval_predictions.tsv")


def test_another_file_is_evaluated(flags, pairs, tmp_path):
    _, trained, _ = pairs
    other = str(tmp_path / "other.TSV")
    corpus.write_lines(other, pair_lines(4))
    out = str(tmp_path / "out")
    run = succeed(
        without(flags, "init_checkpoint")
        + PAIRS
        + ["--eval_file=" + other, "--do_eval", "--output_dir=" + out]
        + ["--init_checkpoint=" + trained]
    )
    assert "Scores on %s (4 examples), step 3" % other in run.out
    expected = table(trained, "eval_predictions.tsv")[:4]
    for ours, theirs in zip(table(out, "eval_predictions.tsv"), expected):
        assert ours["id"] == theirs["id"]
        wanted = pytest.approx(float(theirs["probability_yes"]), abs=1e-6)
        assert float(ours["probability_yes"]) == wanted


# Several labels, single sentences, CSV


def quoted_lines(count):
    lines = ["text,about"]
    for index in range(count):
        said, topic = sentence(index)
        mark = ['"%s"', '"""%s"""', '", %s"', '"%s\nben ."'][index % 4]
        lines.append("%s,%s" % (mark % said, topic))
    return lines


SINGLE = ["--text_a_column=text", "--label_column=about"]


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
    run, out, _ = topics
    for line in (
        r"^tokens: \[CLS\] anna paid ben \. \[SEP\]$",
        r"^tokens: \[CLS\] \[UNK\] ben called carla \. \[UNK\] \[SEP\]$",
        r"^tokens: \[CLS\] david paid emma \. ben \. \[SEP\]$",
        r"^train\.csv +24 +0$",
    ):
        assert re.search(line, run.out, re.M), line + "\n" + run.out
    assert saved_json(out, "labels.json")["labels"] == sorted(TOPICS)
    found = table(out, "eval_predictions.tsv")
    # An example is called by the line that it begins in, counted from 0.
    assert [row["id"] for row in found] == ["1", "2", "3", "4", "6", "7", "8", "9"]
    assert [row["gold"] for row in found] == [TOPICS[n % 3] for n in range(8)]
    for row in found:
        likely = {label: float(row["probability_" + label]) for label in TOPICS}
        assert row["label"] == max(likely, key=likely.get)
        assert row["right"] == ("yes" if row["label"] == row["gold"] else "no")


def elsewhere(flags, topics, tmp_path, *arguments):
    """The flags of an evaluation in another directory, by --init_checkpoint alone."""
    _, trained, data = topics
    return (
        without(flags, "init_checkpoint")
        + SINGLE
        + ["--do_eval", "--eval_file=" + os.path.join(data, "dev.csv")]
        + ["--output_dir=" + str(tmp_path / "out"), "--init_checkpoint=" + trained]
        + list(arguments)
    )


def test_the_order_of_the_labels_comes_with_the_weights(flags, topics, tmp_path):
    succeed(elsewhere(flags, topics, tmp_path))
    found = text(str(tmp_path / "out"), "eval_predictions.tsv")
    assert found == text(topics[1], "eval_predictions.tsv")


def test_labels_in_another_order_are_refused(flags, topics, tmp_path):
    given = "--labels=paid,called,thanked"
    message = refused(elsewhere(flags, topics, tmp_path, given))
    assert "labels.json: the weights there were trained with the labels called, paid, "
    assert "labels called, paid, thanked, in this order" in message
    assert "this run has paid, called, thanked" in message
    assert not os.path.exists(str(tmp_path / "out"))
    # In the training's own directory as well.
    _, trained, data = topics
    names = ["--data_dir=" + data, "--output_dir=" + trained]
    before = sorted(os.listdir(trained))
    for phase in ("--do_train", "--do_eval"):
        message = refused(flags + SINGLE + names + [phase, given])
        assert "this run has paid, called, thanked" in message
    assert sorted(os.listdir(trained)) == before


def test_weights_without_their_labels_are_refused(flags, topics, tmp_path):
    """Unless the labels are given: then they are believed."""
    _, trained, _ = topics
    bare = str(tmp_path / "bare")
    shutil.copytree(trained, bare, ignore=shutil.ignore_patterns("labels.json"))
    arguments = elsewhere(flags, topics, tmp_path, "--init_checkpoint=" + bare)
    message = refused(arguments)
    assert "(no labels.json in %s); give --labels in the order" % bare in message
    assert not os.path.exists(str(tmp_path / "out"))
    succeed(arguments + ["--labels=called, paid, thanked"])
    found = text(str(tmp_path / "out"), "eval_predictions.tsv")
    assert found == text(trained, "eval_predictions.tsv")


def test_a_label_that_the_training_had_not(flags, topics, tmp_path):
    other = str(tmp_path / "other.csv")
    corpus.write_lines(other, quoted_lines(2) + ['"anna .",forgot'])
    arguments = elsewhere(flags, topics, tmp_path, "--eval_file=" + other)
    message = refused(arguments)
    wanted = "line 4: label 'forgot' in column 2, expected one of: called, paid, thank"
    assert wanted in message


def test_training_goes_on_with_the_labels_that_it_had(flags, topics, tmp_path):
    """Though the training file has lost one of them since."""
    _, trained, data = topics
    out = shutil.copytree(trained, str(tmp_path / "out"))
    fewer = str(tmp_path / "train.csv")
    lines = [line for line in quoted_lines(24) if not line.endswith("paid")]
    corpus.write_lines(fewer, lines)
    run = succeed(
        without(flags, "num_train_epochs")
        + SINGLE
        + ["--do_train", "--train_file=" + fewer, "--output_dir=" + out]
        + ["--num_train_epochs=3", "--allow_changes"]
    )
    assert "RESUMING at step 3" in run.out
    assert saved_json(out, "labels.json") == saved_json(trained, "labels.json")


# Numbers, columns by their place, no heading


def test_numbers_without_a_heading(flags, tmp_path):
    data, out = str(tmp_path / "data"), str(tmp_path / "out")
    lines = ["%s\t%g" % (sentence(n)[0], n * 10.5 - 50) for n in range(16)]
    corpus.write_lines(os.path.join(data, "train.tsv"), lines)
    corpus.write_lines(os.path.join(data, "dev.tsv"), lines[:6])
    corpus.write_lines(
        os.path.join(data, "test.tsv"), [s.split("\t")[0] for s in lines]
    )
    run = succeed(
        flags
        + ["--text_a_column=1", "--label_column=2", "--has_header=false"]
        + ["--regression", "--do_train", "--do_eval", "--do_predict"]
        + ["--data_dir=" + data, "--output_dir=" + out]
    )
    assert re.search(r"^train\.tsv +16 +0$", run.out, re.M)
    assert "\n  main score (mean of pearson and spearman)" in run.out
    assert "of the majority class" not in run.out
    found = table(out, "eval_predictions.tsv")
    assert list(found[0]) == ["id", "label", "gold", "error"]
    assert [row["gold"] for row in found] == [s.split("\t")[1] for s in lines[:6]]
    error = [float(row["label"]) - float(row["gold"]) for row in found]
    mean = np.mean(np.square(error))
    assert scores(out)["eval_loss"] == pytest.approx(mean, rel=1e-5)
    # No scale is known to which a number would be clipped.
    predicted = [row["label"] for row in table(out, "predictions.tsv")]
    assert predicted == [row[0] for row in rows(out, "test_results.tsv")]
    assert len(predicted) == 16


def test_given_labels_keep_their_order(flags, tmp_path):
    data, out = str(tmp_path / "data"), str(tmp_path / "out")
    corpus.write_lines(os.path.join(data, "train.tsv"), pair_lines(8))
    succeed(
        flags
        + PAIRS
        + ["--labels=yes,perhaps,no", "--do_train", "--output_dir=" + out]
        + ["--train_file=" + os.path.join(data, "train.tsv")]
    )
    assert saved_json(out, "labels.json")["labels"] == ["yes", "perhaps", "no"]


# What shapes the training


def first_loss(run):
    return float(re.search(r"step 1 of \d+, loss ([0-9.]+)", run.out).group(1))


@pytest.fixture(scope="module")
def one_step(flags, pairs, tmp_path_factory):
    """A function that trains one step on the pairs, with more flags."""
    _, _, data = pairs

    def run(*arguments):
        out = str(tmp_path_factory.mktemp("step"))
        names = ["--data_dir=" + data, "--output_dir=" + out, "--do_train"]
        one = ["--train_batch_size=24", "--warmup_proportion=1"]
        return succeed(flags + PAIRS + names + one + list(arguments))

    return run


def test_class_weights_weigh_the_loss(one_step):
    plain = first_loss(one_step())
    no = one_step("--class_weights=no=1,yes=0.000001")
    yes = one_step("--class_weights=yes=1,no=0.000001")
    assert "Weights of the labels in the loss: no=1, yes=1e-06" in no.out
    assert "Weights of the labels in the loss: no=1e-06, yes=1" in yes.out
    # The batch is the whole file: its loss is the sum of what each label adds.
    assert first_loss(no) + first_loss(yes) == pytest.approx(plain, abs=2e-4)
    balanced = one_step("--class_weights=balanced")
    # 8 of the 24 are "no": 24 / (2 * 8) and 24 / (2 * 16).
    assert "Weights of the labels in the loss: no=1.5, yes=0.75" in balanced.out
    expected = 1.5 * first_loss(no) + 0.75 * first_loss(yes)
    assert first_loss(balanced) == pytest.approx(expected, abs=3e-4)


def test_fewer_examples_for_a_quick_try(one_step):
    run = one_step("--max_train_examples=10", "--train_batch_size=5")
    assert "Training: 10 examples, batch size 5, 1 epochs: 2 steps" in run.out
    assert re.search(r"^train\.tsv +10 +0$", run.out, re.M)
    guids = re.findall(r"guid: train-row(\d+)", run.out)
    # Not the first ones, as a file may be sorted; in its order; the same every time.
    assert guids != ["0", "1", "2", "3", "4"]
    assert guids == sorted(guids, key=int)
    again = one_step("--max_train_examples=10", "--train_batch_size=5")
    assert re.findall(r"guid: train-row(\d+)", again.out) == guids
    assert first_loss(again) == pytest.approx(first_loss(run), abs=1e-4)


# What is refused


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--text_a_column=middle"], "--text_a_column=middle: "),
        (["--text_a_column=middle"], "its first line has 4: name, agrees, left, right"),
        (["--text_b_column=9"], "--text_b_column=9: "),
        (["--label_column=0"], "--label_column=0: "),
        (["--id_column=left "], "--id_column=left : "),
        (["--class_weights=balance"], "--class_weights=balance: expected balanced, or"),
        (
            ["--class_weights=no=1"],
            "each label with a number above 0, such as no=1,yes=1",
        ),
        (["--class_weights=no=1,yes=0"], "each label with a number above 0"),
        (
            ["--labels=yes"],
            "--labels=yes: expected 2 to 10000 different labels, found 1: yes",
        ),
        (["--labels=yes,no,yes"], "contains yes twice"),
        (
            ["--labels=yes,on"],
            "train.tsv, line 2: label 'no' in column 2, expected one",
        ),
        (
            ["--regression"],
            "train.tsv, line 2: label 'no' in column 2, expected a numb",
        ),
        (
            ["--regression", "--labels=yes,no"],
            "--regression=true cannot be combined with --labels",
        ),
        (["--regression", "--class_weights=balanced"], "--regression=true cannot be combined with"),
        (["--max_train_examples=0"], "--max_train_examples=0: expected a number at l"),
        (["--task_name=mrpc"], "has no effect without --task_name=custom"),
        (["--predict_file=x.tsv"], "--predict_file=x.tsv has no effect without --do_p"),
        (["--eval_file=x.tsv"], "--eval_file=x.tsv has no effect without --do_eval"),
        (["--train_file=/nowhere.tsv"], "--train_file=/nowhere.tsv: no such file"),
        (
            ["--do_eval", "--data_dir=/nowhere"],
            "--data_dir=/nowhere is not a directory",
        ),
    ],
)
def test_what_does_not_fit_is_one_line(flags, pairs, tmp_path, arguments, words):
    _, _, data = pairs
    out = str(tmp_path / "out")
    names = ["--data_dir=" + data, "--output_dir=" + out, "--do_train"]
    assert words in refused(flags + PAIRS + names + arguments)
    left = os.listdir(out) if os.path.exists(out) else []
    assert set(left) <= {"run.log", ".lock"}
    assert bool(left) == ("train.tsv, line 2" in words)  # Only a row is found late.


@pytest.mark.parametrize("flag", ["text_a_column", "label_column"])
def test_a_column_that_must_be_given(flags, pairs, tmp_path, flag):
    _, _, data = pairs
    names = ["--data_dir=" + data, "--output_dir=" + str(tmp_path / "out")]
    message = refused(without(flags + PAIRS, flag) + names + ["--do_train"])
    assert "--%s must be given" % flag in message
    assert not os.path.exists(str(tmp_path / "out"))


@pytest.mark.parametrize(
    "lines, words",
    [
        (["text\tabout\ttext", "a\tb\tc"], "has more than one such column"),
        (
            ["text\tabout", "anna .\tpaid", "ben .\tpaid"],
            "--label_column=about: expected 2",
        ),
        (["text\tabout", "anna .\tpaid", "ben ."], "line 3: 1 columns, expected 2"),
        (["text\tabout"], "train.tsv contains no examples"),
        ([""], "the file or its first line is empty"),
    ],
)
def test_files_that_make_no_training(flags, tmp_path, lines, words):
    train, out = str(tmp_path / "data" / "train.tsv"), str(tmp_path / "out")
    corpus.write_lines(train, lines)
    message = refused(
        flags + SINGLE + ["--do_train", "--train_file=" + train, "--output_dir=" + out]
    )
    assert words in message
    assert not os.path.exists(out)
    assert os.listdir(os.path.dirname(train)) == ["train.tsv"]


def test_two_files_of_one_set(flags, pairs, tmp_path):
    data = shutil.copytree(pairs[2], str(tmp_path / "data"))
    shutil.copy(os.path.join(data, "dev.tsv"), os.path.join(data, "dev.csv"))
    names = ["--data_dir=" + data, "--output_dir=" + str(tmp_path / "out")]
    message = refused(flags + PAIRS + names + ["--do_train", "--do_eval"])
    assert "contains both of dev.tsv and dev.csv; expected one of them, or" in message
    os.remove(os.path.join(data, "dev.csv"))
    os.remove(os.path.join(data, "dev.tsv"))
    message = refused(flags + PAIRS + names + ["--do_train", "--do_eval"])
    assert "contains neither of dev.tsv and dev.csv" in message
