"""The command line's flags, and what importing the program leaves alone."""

import dataclasses
import json
import os
import subprocess
import sys
import textwrap

import pytest

from finetuning.flags import command_line
from finetuning.flags.settings import Settings
from finetuning.utils.errors import InputError

REQUIRED = {
    "task_name": "MRPC",
    "data_dir": "data",
    "vocab_file": "vocab.txt",
    "bert_config_file": "config.json",
    "output_dir": "out",
}

# The table of the contract: type, default, and another value as it is written.
FLAGS = {
    "data_dir": (str, None, "a"),
    "bert_config_file": (str, None, "a"),
    "task_name": (str, None, "a"),
    "vocab_file": (str, None, "a"),
    "output_dir": (str, None, "a"),
    "init_checkpoint": (str, None, "a"),
    "do_lower_case": (bool, True, "false"),
    "max_seq_length": (int, 128, "64"),
    "do_train": (bool, False, "true"),
    "do_eval": (bool, False, "true"),
    "do_predict": (bool, False, "true"),
    "train_batch_size": (int, 32, "5"),
    "eval_batch_size": (int, 8, "5"),
    "predict_batch_size": (int, 8, "5"),
    "learning_rate": (float, 5e-5, "2e-5"),
    "num_train_epochs": (float, 3.0, "1.5"),
    "warmup_proportion": (float, 0.1, "0.25"),
    "save_checkpoints_steps": (int, 1000, "10"),
    "iterations_per_loop": (int, 1000, "10"),
    "use_tpu": (bool, False, "true"),
    "tpu_name": (str, None, "a"),
    "tpu_zone": (str, None, "a"),
    "gcp_project": (str, None, "a"),
    "master": (str, None, "a"),
    "num_tpu_cores": (int, 8, "4"),
}
OWN_FLAGS = {
    "train_file": (str, None, "a"),
    "eval_file": (str, None, "a"),
    "predict_file": (str, None, "a"),
    "text_a_column": (str, None, "a"),
    "text_b_column": (str, None, "a"),
    "label_column": (str, None, "a"),
    "id_column": (str, None, "a"),
    "has_header": (bool, True, "false"),
    "labels": (str, None, "a,b"),
    "regression": (bool, False, "true"),
    "max_train_examples": (int, None, "7"),
    "class_weights": (str, None, "balanced"),
    "adam_bias_correction": (bool, False, "true"),
    "check": (bool, False, "true"),
    "debug": (bool, False, "true"),
    "allow_changes": (bool, False, "true"),
    "eval_steps": (int, 0, "5"),
    "eval_each_epoch": (bool, False, "true"),
    "keep_best": (bool, False, "true"),
    "early_stop": (int, 0, "2"),
    "random_seed": (int, None, "12"),
    "keep_checkpoint_max": (int, 5, "0"),
    "require_gpu": (bool, False, "true"),
    "precision": (str, "float32", "mixed"),
    "xla": (bool, False, "true"),
    "num_threads": (int, 0, "3"),
}
ALL_FLAGS = dict(FLAGS, **OWN_FLAGS)
# Those that describe data of one's own.
OWN_DATA = {
    "text_a_column",
    "text_b_column",
    "label_column",
    "id_column",
    "has_header",
    "labels",
    "regression",
}


def command(*arguments, **values):
    """A command line that is complete, evaluates, and has these arguments too."""
    given = dict(REQUIRED, **values)
    flags = ["--%s=%s" % item for item in given.items()]
    return ["run_classifier.py", "--do_eval=true"] + flags + list(arguments)


def parse(*arguments, **values):
    return command_line.parse(command(*arguments, **values))[0]


def refusal(*arguments, **values):
    with pytest.raises(InputError) as caught:
        parse(*arguments, **values)
    message = str(caught.value)
    assert "\n" not in message
    return message


# Types and defaults


def test_there_are_no_other_flags():
    assert {field.name for field in dataclasses.fields(Settings)} == set(ALL_FLAGS)


@pytest.mark.parametrize("name", sorted(ALL_FLAGS))
def test_default(name):
    default = ALL_FLAGS[name][1]
    field = Settings.__dataclass_fields__[name]
    assert field.default == default
    assert type(field.default) is type(default)
    if name not in REQUIRED and name != "do_eval":
        assert getattr(parse(), name) == default


def beside(name):
    """The arguments without which a flag would be refused as one without effect."""
    if name in OWN_DATA:
        return ["--task_name=custom"]
    if name in ("train_file", "eval_steps", "eval_each_epoch", "allow_changes"):
        return ["--do_train=true"]
    if name in ("keep_best", "early_stop"):
        return ["--do_train=true", "--eval_steps=3"]
    return ["--do_predict=true"] if name == "predict_file" else []


@pytest.mark.parametrize("name", sorted(set(ALL_FLAGS) - {"use_tpu"}))
def test_type(name):
    kind, default, written = ALL_FLAGS[name]
    value = getattr(parse("--%s=%s" % (name, written), *beside(name)), name)
    assert type(value) is kind
    assert value != default
    assert value == (written == "true" if kind is bool else kind(written))


@pytest.mark.parametrize(
    "arguments, value",
    [
        (["--do_train"], True),
        (["--do_train=True"], True),
        (["--do_train=1"], True),
        (["--do_train=false"], False),
        (["--do_train", "--nodo_train"], False),
    ],
)
def test_ways_to_write_a_boolean(arguments, value):
    assert parse(*arguments).do_train is value


@pytest.mark.parametrize(
    "arguments",
    [
        ["--learning_rate=2e-5"],
        ["--learning_rate", "2e-5"],
        ["-learning_rate=0.00002"],
        ["--learning_rate=1", "--learning_rate=2e-5"],
    ],
)
def test_ways_to_write_a_number(arguments):
    assert parse(*arguments).learning_rate == 2e-5


def test_whole_number_for_a_float():
    value = parse("--num_train_epochs=3").num_train_epochs
    assert (value, type(value)) == (3.0, float)


def test_the_command_that_the_project_exists_for():
    chosen, without_effect = command_line.parse(
        [
            "run_classifier.py",
            "--task_name=MRPC",
            "--do_train=true",
            "--do_eval=true",
            "--data_dir=glue/MRPC",
            "--vocab_file=bert/vocab.txt",
            "--bert_config_file=bert/bert_config.json",
            "--init_checkpoint=bert/bert_model.ckpt",
            "--max_seq_length=128",
            "--train_batch_size=5",
            "--learning_rate=2e-5",
            "--num_train_epochs=1.0",
            "--output_dir=outputs",
        ]
    )
    assert without_effect == []
    assert chosen == Settings(
        task_name="MRPC",
        do_train=True,
        do_eval=True,
        data_dir="glue/MRPC",
        vocab_file="bert/vocab.txt",
        bert_config_file="bert/bert_config.json",
        init_checkpoint="bert/bert_model.ckpt",
        max_seq_length=128,
        train_batch_size=5,
        learning_rate=2e-5,
        num_train_epochs=1.0,
        output_dir="outputs",
    )


def test_settings_are_frozen_and_go_into_json():
    chosen = parse()
    with pytest.raises(dataclasses.FrozenInstanceError):
        chosen.learning_rate = 1.0
    values = json.loads(json.dumps(chosen.as_dict()))
    assert set(values) == set(ALL_FLAGS)
    assert Settings(**values) == chosen


def test_paths_and_texts_are_taken_as_they_stand():
    chosen = parse(data_dir="C: a=b,\u00e9 'x'", init_checkpoint="gs://bucket/x")
    assert chosen.data_dir == "C: a=b,\u00e9 'x'"
    assert chosen.init_checkpoint == "gs://bucket/x"


# Refusals


@pytest.mark.parametrize(
    "name, value, wanted",
    [
        ("max_seq_length", "2", "at least 3"),
        ("max_seq_length", "-1", "at least 3"),
        ("train_batch_size", "0", "at least 1"),
        ("eval_batch_size", "0", "at least 1"),
        ("predict_batch_size", "0", "at least 1"),
        ("save_checkpoints_steps", "0", "at least 1"),
        ("iterations_per_loop", "0", "at least 1"),
        ("num_tpu_cores", "0", "at least 1"),
        ("keep_checkpoint_max", "-1", "at least 0"),
        ("max_train_examples", "0", "at least 1"),
        ("max_train_examples", "2147483648", "at least 1 and at most 2147483647"),
        ("eval_steps", "-1", "at least 0"),
        ("early_stop", "-1", "at least 0"),
        ("random_seed", "-1", "at least 0 and at most 2147483647"),
        ("num_threads", "-1", "at least 0 and at most 1024"),
        ("random_seed", "2147483648", "at least 0 and at most 2147483647"),
        ("learning_rate", "0.0", "above 0"),
        ("learning_rate", "-1e-05", "above 0"),
        ("learning_rate", "nan", "above 0"),
        ("learning_rate", "inf", "above 0 and at most 3e+38"),
        ("num_train_epochs", "0.0", "above 0"),
        ("num_train_epochs", "nan", "above 0"),
        ("num_train_epochs", "inf", "above 0 and at most 3e+38"),
        ("learning_rate", "1e+39", "above 0 and at most 3e+38"),
        ("warmup_proportion", "-0.1", "at least 0 and at most 1"),
        ("warmup_proportion", "1.1", "at least 0 and at most 1"),
        ("warmup_proportion", "nan", "at least 0 and at most 1"),
    ],
)
def test_number_out_of_range(name, value, wanted):
    message = refusal("--%s=%s" % (name, value))
    assert message == "--%s=%s: expected a number %s" % (name, value, wanted)


NUMERIC = sorted(n for n, (kind, _, _) in ALL_FLAGS.items() if kind in (int, float))


@pytest.mark.parametrize("name", NUMERIC)
def test_every_numeric_flag_has_a_range(name):
    """Below it, above it, no number at all: one line that names flag and value."""
    kind = ALL_FLAGS[name][0]
    wrong = ["-7", "nan", "-nan", "inf", "-inf", "1e400", "-1e400", "", "x", "0x", "--"]
    wrong += ["1" + "0" * 400, "-1" + "0" * 400, "1,5", "\u00bd", "1 2", "true", "1e"]
    wrong += ["1.5", "1e5", "2147483648"] if kind is int else ["1e39"]
    for value in wrong:
        message = refusal("--%s=%s" % (name, value), *beside(name))
        assert message.startswith("--%s=" % name)
        assert ": expected " in message


@pytest.mark.parametrize(
    "name, value",
    [
        ("max_seq_length", 3),
        ("train_batch_size", 1),
        ("eval_batch_size", 1),
        ("predict_batch_size", 1),
        ("save_checkpoints_steps", 1),
        ("keep_checkpoint_max", 0),
        ("random_seed", 0),
        ("random_seed", 2147483647),
        ("warmup_proportion", 0.0),
        ("warmup_proportion", 1.0),
        ("learning_rate", 1e-30),
        ("num_train_epochs", 1e-30),
    ],
)
def test_number_at_the_edge_of_its_range(name, value):
    assert getattr(parse("--%s=%r" % (name, value)), name) == value


@pytest.mark.parametrize(
    "name", ["train_batch_size", "eval_batch_size", "max_seq_length", "random_seed"]
)
def test_number_that_no_float_can_hold(name):
    argument = "--%s=1%s" % (name, "0" * 400)
    assert refusal(argument).startswith(argument + ": expected a number")


@pytest.mark.parametrize(
    "argument, message",
    [
        ("--max_seq_length=long", "--max_seq_length=long: expected a whole number"),
        ("--max_seq_length=12.5", "--max_seq_length=12.5: expected a whole number"),
        ("--max_seq_length=", "--max_seq_length=: expected a whole number"),
        ("--random_seed=x", "--random_seed=x: expected a whole number"),
        ("--precision=half", "--precision=half: expected float32 or mixed"),
        ("--learning_rate=2e", "--learning_rate=2e: expected a number"),
        ("--do_train=maybe", "--do_train=maybe: expected true or false"),
        ("--do_train=2", "--do_train=2: expected true or false"),
        ("--do_train=", "--do_train=: expected true or false"),
    ],
)
def test_value_of_another_type(argument, message):
    assert refusal(argument) == message


@pytest.mark.parametrize(
    "argument, unknown, nearest",
    [
        ("--learning_rat=1", "learning_rat", "learning_rate"),
        ("--lerning_rate=1", "lerning_rate", "learning_rate"),
        ("--do_trian", "do_trian", "do_train"),
        ("--train_batchsize=5", "train_batchsize", "train_batch_size"),
        ("--batch_size=5", "batch_size", "eval_batch_size"),
        ("--max_sequence_length=5", "max_sequence_length", "max_seq_length"),
        ("--vocab=x", "vocab", "vocab_file"),
        ("--seed=1", "seed", "random_seed"),
        ("--Learning_rate=1", "Learning_rate", "learning_rate"),
    ],
)
def test_misspelt_flag_names_the_nearest(argument, unknown, nearest):
    assert refusal(argument) == (
        "--%s is not a flag; the nearest is --%s (see --help)" % (unknown, nearest)
    )


@pytest.mark.parametrize("argument", ["--notask_name", "--nodo_train=true", "--no"])
def test_negation_of_what_is_no_boolean(argument):
    name = argument[2:].split("=")[0]
    assert refusal(argument).startswith("--%s is not a flag; the nearest is --" % name)


def test_flag_without_its_value():
    assert "random_seed" in refusal("--random_seed")


@pytest.mark.parametrize("argument", ["train", "true", "-", "\u00e9", "a b"])
def test_positional_argument(argument):
    assert refusal(argument, "--do_train=true") == (
        "unexpected argument %r: write flags as --name=value (--do_train=true)"
        % argument
    )


def test_value_behind_a_boolean_is_a_positional_argument():
    assert refusal("--do_train", "true").startswith("unexpected argument 'true': ")


def test_arguments_behind_two_dashes():
    assert refusal("--", "--do_train").startswith("unexpected argument '--do_train': ")


@pytest.mark.parametrize("argument", ["", " ", "   ", "\t"])
def test_blank_argument_of_a_broken_continuation(argument):
    assert refusal(argument) == (
        "unexpected blank argument: a backslash that continues a line must be its "
        "last character, with no blanks behind it"
    )


@pytest.mark.parametrize("name", sorted(REQUIRED))
def test_required_flag_is_missing(name):
    left = [argument for argument in command() if not argument.startswith("--" + name)]
    with pytest.raises(InputError) as caught:
        command_line.parse(left)
    assert str(caught.value) == "--%s must be given (see --help)" % name
    assert refusal("--%s=" % name) == "--%s must be given (see --help)" % name


def test_all_missing_flags_are_named_at_once():
    with pytest.raises(InputError) as caught:
        command_line.parse(["run_classifier.py"])
    assert str(caught.value) == (
        "--task_name, --data_dir, --vocab_file, --bert_config_file, --output_dir must "
        "be given (see --help)"
    )


def test_nothing_to_do():
    assert refusal("--do_eval=false") == (
        "nothing to do: give --do_train=true, --do_eval=true or --do_predict=true"
    )


@pytest.mark.parametrize("phase", ["do_train", "do_eval", "do_predict"])
def test_one_phase_is_enough(phase):
    assert getattr(parse("--nodo_eval", "--" + phase), phase) is True


def test_tpu_is_refused():
    message = refusal("--use_tpu=true")
    assert message.startswith("--use_tpu=true: TPUs no longer run TensorFlow 1 ")


def test_flags_without_effect_are_reported_where_they_are_set():
    arguments = [
        "--use_tpu=false",
        "--tpu_name=a",
        "--tpu_zone=b",
        "--gcp_project=c",
        "--master=d",
        "--num_tpu_cores=8",
        "--iterations_per_loop=1000",
    ]
    assert command_line.parse(command())[1] == []
    assert command_line.parse(command("--master=d"))[1] == ["master"]
    assert sorted(command_line.parse(command(*arguments))[1]) == [
        "gcp_project",
        "iterations_per_loop",
        "master",
        "num_tpu_cores",
        "tpu_name",
        "tpu_zone",
        "use_tpu",
    ]


def test_a_run_does_not_see_the_flags_of_an_earlier_one():
    parse("--learning_rate=1", "--master=x")
    assert parse().learning_rate == 5e-5
    assert command_line.parse(command())[1] == []


def test_the_arguments_are_not_changed():
    argv = command("--learning_rate=1")
    before = list(argv)
    command_line.parse(argv)
    assert argv == before


# Flags that others need, or contradict

EVALUATES = ["--do_train=true", "--eval_steps=3"]


@pytest.mark.parametrize(
    "argument, wanted, enough",
    [
        ("--train_file=a", "--do_train=true", ["--do_train=true"]),
        ("--predict_file=a", "--do_predict=true", ["--do_predict=true"]),
        ("--eval_file=a", "--do_eval=true", ["--do_eval=true"]),
        ("--eval_file=a", "--do_eval=true", EVALUATES),
        ("--eval_steps=3", "--do_train=true", ["--do_train=true"]),
        ("--allow_changes=true", "--do_train=true", ["--do_train=true"]),
        ("--eval_each_epoch=true", "--do_train=true", ["--do_train=true"]),
        (
            "--early_stop=2",
            "--eval_steps or --eval_each_epoch, and --do_train",
            EVALUATES,
        ),
        (
            "--early_stop=2",
            "--eval_steps or --eval_each_epoch, and --do_train",
            ["--do_train=true", "--eval_each_epoch=true"],
        ),
    ],
)
def test_flag_without_effect_is_refused(argument, wanted, enough):
    without = ["--do_eval=false", "--do_predict=true"]
    if "predict" in argument:
        without = []
    assert refusal(argument, *without) == (
        "%s has no effect without %s" % (argument, wanted)
    )
    parse(argument, *enough)


def test_early_stop_needs_evaluations_while_training():
    message = refusal("--early_stop=2", "--do_train=true")
    assert message.startswith("--early_stop=2 has no effect without --eval_steps or ")


def test_changes_are_allowed_where_something_is_trained():
    message = refusal("--allow_changes=true")
    assert message == "--allow_changes=true has no effect without --do_train=true"
    assert parse("--allow_changes=true", "--do_train=true").allow_changes


def test_a_check_may_show_tracebacks():
    found = parse("--check", "--debug")
    assert found.check and found.debug


def test_keeping_the_best_needs_evaluations_where_there_is_a_training():
    message = refusal("--keep_best=true", "--do_train=true")
    assert message == (
        "--keep_best=true has no effect without --eval_steps or --eval_each_epoch"
    )
    assert parse("--keep_best=true", *EVALUATES).keep_best
    assert parse("--keep_best=true", "--do_predict=true").keep_best


def test_evaluations_by_step_and_by_epoch():
    message = refusal(*EVALUATES, "--eval_each_epoch=true")
    assert message == "--eval_steps and --eval_each_epoch: give one of them"


@pytest.mark.parametrize("name", sorted(OWN_DATA))
def test_flags_of_data_of_ones_own_need_it(name):
    argument = "--%s=%s" % (name, ALL_FLAGS[name][2])
    assert refusal(argument) == (
        "%s has no effect without --task_name=custom" % argument
    )
    for task_name in ("custom", "Custom"):
        parse(argument, task_name=task_name)


@pytest.mark.parametrize("argument", ["--labels=a,b", "--class_weights=balanced"])
def test_a_number_has_no_labels(argument):
    custom = {"task_name": "custom"}
    assert refusal("--regression=true", argument, **custom) == (
        "--regression=true: a number has no --labels and no --class_weights; leave one "
        "of them out"
    )
    parse("--regression=false", argument, **custom)


@pytest.mark.parametrize(
    "arguments, expected",
    [
        ([], False),
        (["--do_train=true"], False),
        (["--do_train=true", "--eval_steps=1"], True),
        (["--do_train=true", "--eval_each_epoch=true"], True),
    ],
)
def test_when_a_training_is_evaluated(arguments, expected):
    assert parse(*arguments).evaluates_while_training is expected


# Files by flag


@pytest.mark.parametrize(
    "arguments, files",
    [
        (["--do_eval"], {"dev": None}),
        (["--do_eval", "--eval_file=b"], {"dev": "b"}),
        (["--do_train"], {"train": None}),
        (["--do_train", "--train_file=a"], {"train": "a"}),
        (["--do_predict", "--predict_file=c"], {"test": "c"}),
        (["--do_train", "--eval_steps=3"], {"train": None, "dev": None}),
        (
            ["--do_train", "--eval_each_epoch", "--train_file=a", "--eval_file=b"],
            {"train": "a", "dev": "b"},
        ),
        (
            ["--do_train", "--do_eval", "--do_predict", "--eval_file=b"],
            {"train": None, "dev": "b", "test": None},
        ),
    ],
)
def test_files_that_a_run_reads(arguments, files):
    """A data directory must be given unless a flag names each of them."""
    chosen = parse("--nodo_eval", *arguments)
    assert chosen.files == files
    assert list(chosen.files) == sorted(files, key=["train", "dev", "test"].index)
    left = [a for a in command("--nodo_eval", *arguments) if "data_dir" not in a]
    if None in files.values():
        with pytest.raises(InputError) as caught:
            command_line.parse(left)
        flags = {"train": "train_file", "dev": "eval_file", "test": "predict_file"}
        lacking = " and ".join(
            "--" + flags[kind] for kind, file in files.items() if file is None
        )
        hint = " (or %s)" % lacking if any(files.values()) else ""
        assert str(caught.value) == "--data_dir%s must be given (see --help)" % hint
    else:
        assert command_line.parse(left)[0].data_dir is None


def test_other_required_flags_are_required_with_files_by_flag():
    left = [a for a in command("--eval_file=b") if "vocab_file" not in a]
    with pytest.raises(InputError, match="^--vocab_file must be given"):
        command_line.parse(left)


# Flag files


@pytest.fixture
def flag_file(tmp_path):
    def write(*lines):
        path = tmp_path / "mrpc.flags"
        path.write_bytes("\n".join(lines + ("",)).encode("utf-8"))
        return "--flagfile=%s" % path

    return write


def test_flag_file(flag_file):
    chosen = parse(
        flag_file(
            "# A comment with --learning_rate=3 in it",
            "// another",
            "",
            "   ",
            "--learning_rate=2e-5",
            "--do_train",
            "  --max_seq_length=64  ",
            "--data_dir=with blanks/and # signs",
        )
    )
    assert chosen.learning_rate == 2e-5
    assert chosen.do_train is True
    assert chosen.max_seq_length == 64
    assert chosen.data_dir == "with blanks/and # signs"


def test_flags_behind_a_flag_file_override_it(flag_file):
    file = flag_file("--learning_rate=2e-5", "--max_seq_length=64")
    assert parse(file, "--learning_rate=1e-4").learning_rate == 1e-4
    assert parse("--learning_rate=1e-4", file).learning_rate == 2e-5
    assert parse(file, "--learning_rate=1e-4").max_seq_length == 64


def test_flag_file_with_windows_line_ends(flag_file):
    assert parse(flag_file("--master=x\r", "\r", "--data_dir=d\r")).data_dir == "d"


def test_a_flag_file_can_hold_all(flag_file):
    file = flag_file(*command()[1:])
    assert command_line.parse(["run_classifier.py", file])[0] == parse()


def test_flag_files_are_checked_as_strictly(flag_file):
    assert "the nearest is --learning_rate" in refusal(flag_file("--learning_rat=1"))
    assert "unexpected argument" in refusal(flag_file("learning_rate=1"))
    assert refusal(flag_file("--max_seq_length=0")).startswith("--max_seq_length=0: ")


def test_missing_flag_file(tmp_path):
    path = str(tmp_path / "none.flags")
    assert path in refusal("--flagfile=" + path)


def test_directory_as_flag_file(tmp_path):
    assert str(tmp_path) in refusal("--flagfile=%s" % tmp_path)


def test_flag_file_that_is_no_utf8(tmp_path):
    path = tmp_path / "latin.flags"
    path.write_bytes(b"--data_dir=caf\xe9\n")
    assert str(path) in refusal("--flagfile=%s" % path)


# Help


@pytest.mark.parametrize("argument", ["--help", "-h", "-help", "--helpfull"])
def test_help_is_asked_for(argument):
    assert command_line.has_help_flag(["run_classifier.py", "--do_train", argument])
    assert not command_line.has_help_flag([argument, "--do_train"])


@pytest.mark.parametrize("argument", ["--do_train", "help", "--help_me", "--task=-h"])
def test_help_is_not_asked_for(argument):
    assert not command_line.has_help_flag(["run_classifier.py", argument])


# What stays untouched


def run_python(root, code):
    """Runs code in a fresh interpreter in the repository.

    Returns:
      What it writes to standard output, and to standard error.
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=root,
        env=dict(os.environ, TF_CPP_MIN_LOG_LEVEL="2"),
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr.decode("utf-8")
    return done.stdout.decode("utf-8"), done.stderr.decode("utf-8")


def test_parsing_needs_neither_tensorflow_nor_the_global_flags(root):
    code = """
        import sys
        sys.modules["tensorflow"] = None  # An import of it fails from here on.
        from absl import flags
        before = list(flags.FLAGS)
        import run_classifier
        from finetuning.flags import command_line
        chosen, _ = command_line.parse(%r)
        assert chosen.learning_rate == 0.5
        command_line.help_text("run_classifier.py")
        assert run_classifier.main(["run_classifier.py", "--help"]) == 0
        assert run_classifier.main(["run_classifier.py", "--learning_rat=1"]) == 2
        assert list(flags.FLAGS) == before
        assert not flags.FLAGS.is_parsed()
        print("done")
    """
    printed, errors = run_python(root, code % (command("--learning_rate=0.5"),))
    assert printed.endswith("done\n")
    assert errors == (
        "ERROR: --learning_rat is not a flag; the nearest is --learning_rate "
        "(see --help)\n"
    )


def test_imports_leave_flags_and_tensorflow_alone(root):
    code = """
        import importlib, pkgutil
        import tensorflow.compat.v1 as tf
        from absl import flags

        def state():
            return (
                sorted(flags.FLAGS),
                tf.logging.get_verbosity(),
                tf.executing_eagerly(),
                tf.get_default_graph().as_graph_def().ByteSize(),
            )

        before = state()
        import finetuning
        names = ["run_classifier", "modeling", "optimization", "tokenization"]
        modules = pkgutil.walk_packages(finetuning.__path__, "finetuning.")
        names += [module.name for module in modules]
        for name in names:
            importlib.import_module(name)
        assert state() == before, (before, state())
        print(len(names))
    """
    assert int(run_python(root, code)[0]) > 50


@pytest.mark.parametrize(
    "value, told",
    [
        (" ", "--output_dir= is empty (an unset shell variable?); give a value or"),
        ("o\udce9", "--output_dir=o\\udce9 is not UTF-8; rename what it names"),
        ("o\n", "--output_dir='o\\n' holds a line end, which no line of the log or"),
        ("o\0", "--output_dir=o\\x00 holds NUL, which no text has"),
    ],
)
def test_a_text_that_names_no_file_is_refused(value, told):
    with pytest.raises(InputError) as caught:
        parse(output_dir=value)
    assert str(caught.value).startswith(told)


def test_an_empty_name_of_a_file_of_flags_is_refused():
    with pytest.raises(InputError, match="^--flagfile= is empty"):
        parse("--flagfile=")
