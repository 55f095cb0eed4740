"""Parsing the command line, its errors, and --help."""

import dataclasses
import os
import re
import subprocess
import sys
import textwrap

import pytest
import tensorflow.compat.v1 as tf

import run_classifier
from finetuning.flags import command_line, usual_names
from finetuning.flags import flag_file as flag_file_module
from finetuning.flags.settings import NO_EFFECT, Settings, flags_with, type_of
from finetuning.utils.errors import InputError

REQUIRED = {
    "task_name": "MRPC",
    "data_dir": "data",
    "vocab_file": "vocab.txt",
    "bert_config_file": "config.json",
    "output_dir": "out",
}
EVALUATES = ["--do_train=true", "--eval_steps=3"]
# What makes a flag have an effect.
NEEDED = {
    None: [],
    "do_train": ["--do_train=true"],
    "do_eval": ["--do_eval=true"],
    "do_predict": ["--do_predict=true"],
    "evaluation": EVALUATES,
    "results": ["--do_eval=true"],
    "custom": ["--task_name=custom"],
}
DESCRIPTION = {
    "versions": {"python": "3"},
    "device": "CPU",
    "git_revision": None,
    "random_seed": 1,
}
FIELDS = {field.name: field for field in dataclasses.fields(Settings)}


def command(*arguments, **values):
    """A complete command line that evaluates, with these arguments too."""
    given = dict(REQUIRED, **values)
    flags = ["--%s=%s" % item for item in given.items() if item[1] is not None]
    return ["run_classifier.py", "--do_eval=true"] + flags + list(arguments)


def parse(*arguments, **values):
    return command_line.parse(command(*arguments, **values))[0]


def error(*arguments, **values):
    with pytest.raises(InputError) as caught:
        parse(*arguments, **values)
    message = str(caught.value)
    assert "\n" not in message
    return message


def needed_by(name):
    return NEEDED[FIELDS[name].metadata["needs"]]


# Values


@pytest.mark.parametrize("name", sorted(set(FIELDS) - {"use_tpu", *REQUIRED}))
def test_a_value_of_every_flag(name):
    kind, choices = type_of(FIELDS[name]), FIELDS[name].metadata.get("choices", ("a",))
    written = {bool: "true", int: "4", float: "0.25", str: choices[-1]}[kind]
    if FIELDS[name].default is True:
        written = "false"
    value = getattr(parse("--%s=%s" % (name, written), *needed_by(name)), name)
    assert type(value) is kind
    assert value == (written == "true" if kind is bool else kind(written))
    if name != "do_eval":
        assert getattr(parse(), name) == FIELDS[name].default


@pytest.mark.parametrize(
    "arguments, name, value",
    [
        (["--do_train"], "do_train", True),
        (["--do_train=True"], "do_train", True),
        (["--do_train=1"], "do_train", True),
        (["--do_train=false"], "do_train", False),
        (["--do_train", "--nodo_train"], "do_train", False),
        (["--learning_rate", "2e-5"], "learning_rate", 2e-5),
        (["-learning_rate=0.00002"], "learning_rate", 2e-5),
        (["--learning_rate=1", "--learning_rate=2e-5"], "learning_rate", 2e-5),
        (["--num_train_epochs=3"], "num_train_epochs", 3.0),
        (["--data_dir=C: a=b,\u00e9 'x'"], "data_dir", "C: a=b,\u00e9 'x'"),
        (["--init_checkpoint=file://bucket/x"], "init_checkpoint", "file://bucket/x"),
    ],
)
def test_ways_to_write_a_value(arguments, name, value):
    argv = command(*arguments)
    before = list(argv)
    assert getattr(command_line.parse(argv)[0], name) == value
    assert argv == before


def test_the_command_of_the_readme():
    flags = ["--do_train=true", "--init_checkpoint=bert/bert_model.ckpt"]
    flags += ["--max_seq_length=128", "--train_batch_size=5", "--learning_rate=2e-5"]
    settings, notes = command_line.parse(command(*flags, "--num_train_epochs=1.0"))
    assert notes == []
    assert settings == Settings(
        **REQUIRED,
        do_train=True,
        do_eval=True,
        init_checkpoint="bert/bert_model.ckpt",
        train_batch_size=5,
        learning_rate=2e-5,
        num_train_epochs=1.0,
    )


def test_one_run_does_not_see_the_flags_of_another():
    parse("--learning_rate=1", "--master=x")
    assert parse().learning_rate == 5e-5
    assert command_line.parse(command())[1] == []


def test_ignored_flags_are_reported_if_they_are_given():
    (note,) = command_line.parse(command("--master=d"))[1]
    assert note == "--master has no effect: it is a TPU option of the original"
    names = flags_with(group=NO_EFFECT)
    given = ["--%s=%s" % (name, str(FIELDS[name].default).lower()) for name in names]
    notes = command_line.parse(command(*given))[1]
    assert [note.split()[0] for note in notes] == ["--" + name for name in names]


# Invalid values


@pytest.mark.parametrize(
    "name, value, expected",
    [
        ("max_seq_length", "2", "of at least 3"),
        ("train_batch_size", "0", "of at least 1"),
        ("keep_checkpoint_max", "-1", "of at least 0"),
        ("max_train_examples", "2147483648", "of at least 1 and at most 2147483647"),
        ("num_threads", "-1", "of at least 0 and at most 1024"),
        ("random_seed", "2147483648", "of at least 0 and at most 2147483647"),
        ("learning_rate", "0.0", "above 0"),
        ("learning_rate", "nan", "above 0"),
        ("learning_rate", "1e-46", "above 0 and of at least 1.2e-38"),
        ("num_train_epochs", "1e-40", "above 0 and of at least 1.2e-38"),
        (
            "warmup_proportion",
            "1e-46",
            "of at least 0 and at most 1 and of at least 1.2e-38 if not 0",
        ),
        ("num_train_epochs", "inf", "above 0 and at most 3e+38"),
        ("warmup_proportion", "1.1", "of at least 0 and at most 1"),
    ],
)
def test_number_out_of_range(name, value, expected):
    message = error("--%s=%s" % (name, value))
    assert message == "--%s=%s: expected a number %s" % (name, value, expected)


@pytest.mark.parametrize(
    "name", [name for name in FIELDS if type_of(FIELDS[name]) in (int, float)]
)
def test_every_numeric_flag_has_a_range(name):
    wrong = ["-7", "nan", "-nan", "inf", "-inf", "1e400", "-1e400", "", "x", "0x", "--"]
    wrong += ["1" + "0" * 400, "-1" + "0" * 400, "1,5", "\u00bd", "1 2", "true", "1e"]
    if type_of(FIELDS[name]) is int:
        wrong += ["1.5", "1e5", "2147483648"]
    else:
        wrong += ["1e39"]
    for value in wrong:
        message = error("--%s=%s" % (name, value), *needed_by(name))
        assert message.startswith("--%s=" % name) and ": expected " in message


@pytest.mark.parametrize(
    "name, value",
    [
        ("max_seq_length", 3),
        ("train_batch_size", 1),
        ("keep_checkpoint_max", 0),
        ("random_seed", 0),
        ("random_seed", 2147483647),
        ("warmup_proportion", 0.0),
        ("warmup_proportion", 1.0),
        ("learning_rate", 1e-30),
    ],
)
def test_number_at_the_edge_of_its_range(name, value):
    assert getattr(parse("--%s=%r" % (name, value)), name) == value


@pytest.mark.parametrize(
    "argument, expected",
    [
        ("--max_seq_length=12.5", "a whole number"),
        ("--random_seed=", "a whole number"),
        ("--learning_rate=2e", "a number"),
        ("--do_train=maybe", "true or false"),
        ("--do_train=2", "true or false"),
        ("--do_train=", "true or false"),
        ("--precision=half", "float32 or mixed"),
    ],
)
def test_value_of_the_wrong_type(argument, expected):
    assert error(argument) == "%s: expected %s" % (argument, expected)


@pytest.mark.parametrize(
    "value, part",
    [
        (" ", "--output_dir= is empty"),
        ("o\udce9", "--output_dir=o\\udce9 is not UTF-8"),
        ("o\n", "--output_dir='o\\n' contains a line break"),
        ("o\0", "--output_dir=o\\x00 contains a NUL"),
    ],
)
def test_text_that_cannot_be_part_of_a_path(value, part):
    assert error(output_dir=value).startswith(part)


@pytest.mark.parametrize("name", flags_with(is_path=True))
def test_the_home_directory(name, monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    for path, whole in (("~", "/home/me"), ("~/a/~", "/home/me/a/~")):
        flags = ["--%s=%s" % (name, path), *needed_by(name)]
        assert getattr(parse(*flags), name) == whole


def test_names_that_begin_with_a_tilde():
    assert parse(output_dir="~out").output_dir == "~out"


NOT_MEANT = [
    ("$OUT/x", "$OUT was not replaced"),
    ("a/${OUT}/x", "${OUT} was not replaced"),
    ("$(pwd)/x", "$(pwd) was not replaced"),
    ("`pwd`/x", "`pwd` was not replaced"),
    ("~+/x", "~+ was not replaced"),
    ("~2", "~2 was not replaced"),
    (" out", "(SPACE)"),
    ("out\u3000", "(IDEOGRAPHIC SPACE)"),
    ("'a b'", "(APOSTROPHE)"),
    ("\u201ca b\u201d", "(LEFT DOUBLE QUOTATION MARK)"),
    ("C:\\out", "backslash"),
    ("out\u00a0--do_train=true", "another flag (--d...)"),
]


@pytest.mark.parametrize("name", flags_with(is_path=True))
@pytest.mark.parametrize("path, part", NOT_MEANT)
def test_a_path_that_the_shell_should_have_changed(
    name, path, part, tmp_path, monkeypatch
):
    """Such a name is accepted if there is a file or directory of it."""
    monkeypatch.chdir(str(tmp_path))
    flags = ["--%s=%s" % (name, path), *needed_by(name)]
    message = error(*flags)
    shown = path.replace("\u3000", "\\u3000").replace("\u00a0", "\\xa0")
    assert message.startswith("--%s=%s: " % (name, shown)) and part in message
    assert os.listdir(str(tmp_path)) == []
    os.makedirs(path)
    assert getattr(parse(*flags), name) == path
    assert error("--%s=%s" % (name, path + "$x"), *needed_by(name))
    new = os.path.join(path, "new")
    if not path.endswith("\u3000"):
        assert getattr(parse("--%s=%s" % (name, new), *needed_by(name)), name) == new


@pytest.mark.parametrize(
    "name", ["a b", "exp[1]", "w?", "w*", "~x", "a$", "costs $ 5", "it's", "\u4e00-b"]
)
def test_unusual_names(name):
    assert parse(output_dir=name).output_dir == name


@pytest.mark.parametrize(
    "argument, char, instead",
    [
        ("\u2013do_train", "EN DASH", "--do_train"),
        ("\u2014task_name=MRPC", "EM DASH", "--task_name=MRPC"),
        ("\u2212\u2212do_train", "MINUS SIGN", "--do_train"),
        ("-\u2010do_train", "HYPHEN", "--do_train"),
        ("\uff0d\uff0ddo_train", "FULLWIDTH HYPHEN-MINUS", "--do_train"),
        ("\u3000--do_train", "IDEOGRAPHIC SPACE", "--do_train"),
        ("--task_name\uff1dMRPC", "FULLWIDTH EQUALS SIGN", "--task_name=MRPC"),
        ("--learning_rate=2e\u22125", "MINUS SIGN", None),
        ("--num_train_epochs=3\u3002\uff15", "IDEOGRAPHIC FULL STOP", None),
        ("--do_train=true\u00a0--do_eval=true", "NO-BREAK SPACE", None),
        ("--precision=\u201cmixed\u201d", "LEFT DOUBLE QUOTATION MARK", None),
    ],
)
def test_characters_that_look_like_those_of_a_flag(argument, char, instead):
    message = error(argument)
    assert "the character " in message and "(%s)" % char in message
    if instead:
        assert message.endswith("; write %s" % instead)


# Unknown and missing flags


@pytest.mark.parametrize(
    "argument, meant",
    [
        ("--learning_rat=1", "--learning_rate"),
        ("--do_trian", "--do_train"),
        ("--Learning_rate=1", "--learning_rate"),
        ("--learning-rate=1", "--learning_rate"),
        ("--notask_name", "--task_name"),
        ("--nodo_train=true", "--do_train"),
        # What flags are called elsewhere.
        ("--lr=1", "--learning_rate"),
        ("--fp16", "--precision=mixed"),
        ("--batch_size=5", "--train_batch_size"),
        ("--per_device_train_batch_size=5", "--train_batch_size"),
        ("--model_name_or_path=x", "--init_checkpoint"),
        ("--seed=1", "--random_seed"),
        ("--epochs=1", "--num_train_epochs"),
        ("--num-epochs=1", "--num_train_epochs"),
        ("--max_length=1", "--max_seq_length"),
        ("--bert_config=x", "--bert_config_file"),
        ("--vocab=x", "--vocab_file"),
        ("--gradient_accumulation_step=2", "--accumulate_steps"),
    ],
)
def test_unknown_flag(argument, meant):
    name = argument[2:].split("=")[0]
    expected = "--%s is not a flag; did you mean %s? (see --help)" % (name, meant)
    assert error(argument) == expected


@pytest.mark.parametrize(
    "name", ["no", "undefok", "flavour", "x", "push_to_hub", "no_cuda"]
)
def test_an_unknown_flag_that_is_like_none(name):
    expected = "--%s is not a flag; see --help" % name
    assert error("--" + name) == expected


def test_names_of_other_programs_lead_to_flags():
    for name, flag in usual_names._BY_NAME.items():
        assert name not in FIELDS
        assert flag.lstrip("-").split("=")[0] in FIELDS


@pytest.mark.parametrize("argument", ["train", "true", "-", "\u00e9", "a b"])
@pytest.mark.parametrize("before", ["--do_train", "--"])
def test_positional_argument(argument, before):
    message = error(before, argument)
    assert message.startswith("unexpected argument %r: write flags as" % argument)


@pytest.mark.parametrize("argument", ["", " ", "   ", "\t"])
def test_blank_argument_of_a_broken_continuation(argument):
    message = error(argument)
    assert message.startswith("unexpected blank argument") and "backslash" in message


def test_flag_without_its_value():
    assert "random_seed" in error("--random_seed")


@pytest.mark.parametrize("name", sorted(REQUIRED))
def test_missing_required_flag(name):
    assert error(**{name: None}) == "--%s must be given (see --help)" % name
    assert error(**{name: ""}).startswith("--%s= is empty" % name)


def test_all_missing_flags_are_named_at_once():
    with pytest.raises(InputError) as caught:
        command_line.parse(["run_classifier.py"])
    names = ["--" + name for name in FIELDS if name in REQUIRED]
    assert str(caught.value).startswith(", ".join(names) + " must be given")


@pytest.mark.parametrize(
    "arguments, alternatives",
    [
        (["--eval_file=b"], None),
        (["--do_train", "--train_file=a", "--eval_file=b"], None),
        (["--do_train", "--eval_file=b"], "--data_dir (or --train_file) must"),
        (
            ["--do_train", "--do_predict", "--eval_file=b"],
            "--data_dir (or --train_file and --predict_file) must",
        ),
    ],
)
def test_data_dir_is_needed_unless_flags_name_every_file(arguments, alternatives):
    if alternatives is None:
        assert parse(*arguments, data_dir=None).data_dir is None
    else:
        assert error(*arguments, data_dir=None).startswith(alternatives)


# Flags that need or contradict others


@pytest.mark.parametrize("phase", ["do_train", "do_eval", "do_predict"])
def test_one_phase_is_needed(phase):
    assert getattr(parse("--nodo_eval", "--" + phase), phase) is True
    assert "--" + phase in error("--do_eval=false")


def test_tpus_are_rejected():
    assert error("--use_tpu=true").startswith("--use_tpu=true: ")


@pytest.mark.parametrize(
    "argument, missing, enough",
    [
        ("--train_file=a", "--do_train=true", NEEDED["do_train"]),
        ("--predict_file=a", "--do_predict=true", NEEDED["do_predict"]),
        ("--eval_file=a", "--do_eval=true", NEEDED["do_eval"]),
        ("--eval_file=a", "--do_eval=true", EVALUATES),
        ("--eval_steps=3", "--do_train=true", NEEDED["do_train"]),
        ("--eval_each_epoch=true", "--do_train=true", NEEDED["do_train"]),
        ("--allow_changes=true", "--do_train=true", NEEDED["do_train"]),
        ("--early_stop=2", "--eval_steps or --eval_each_epoch, and --do_", EVALUATES),
        ("--text_a_column=a", "--task_name=custom", NEEDED["custom"]),
        ("--has_header=false", "--task_name=custom", ["--task_name=Custom"]),
        ("--report=true", "--do_eval=true", NEEDED["results"]),
    ],
)
def test_flag_that_needs_another(argument, missing, enough):
    others = ["--do_eval=false", "--do_predict=true"]
    others = [] if "predict" in argument else others
    message = error(argument, *others)
    assert message.startswith("%s has no effect without %s" % (argument, missing))
    parse(argument, *enough)


@pytest.mark.parametrize("argument", ["--keep_best=true", "--early_stop=2"])
def test_evaluation_flags_during_training(argument):
    message = error(argument, "--do_train=true")
    start = argument + " has no effect without "
    assert message == start + "--eval_steps or --eval_each_epoch"
    parse(argument, "--do_train=true", "--eval_each_epoch=true")


def test_the_best_weights_of_an_earlier_run():
    assert parse("--keep_best=true", "--do_predict=true").keep_best


@pytest.mark.parametrize(
    "arguments",
    [
        [*EVALUATES, "--eval_each_epoch"],
        ["--task_name=custom", "--regression", "--labels=a,b"],
        ["--task_name=custom", "--regression", "--class_weights=balanced"],
    ],
)
def test_flags_that_contradict_each_other(arguments):
    names = [argument.split("=")[0] for argument in arguments[1:]]
    message = error(*arguments)
    assert all(name in message for name in names)


# Flag files


@pytest.fixture
def flag_file(tmp_path):
    def write(*lines):
        path = tmp_path / "mrpc.flags"
        path.write_bytes("\n".join(lines + ("",)).encode("utf-8"))
        return "--flagfile=%s" % path

    return write


def test_flag_file(flag_file):
    lines = ["# A comment with --learning_rate=3 in it", "// another", "", "   "]
    lines += ["--learning_rate=2e-5", "--do_train", "  --max_seq_length=64  "]
    settings = parse(flag_file(*lines, "--data_dir=with blanks/and # signs"))
    assert settings.learning_rate == 2e-5
    assert settings.do_train is True
    assert settings.max_seq_length == 64
    assert settings.data_dir == "with blanks/and # signs"


def test_the_last_flag_wins(flag_file):
    file = flag_file("--learning_rate=2e-5", "--max_seq_length=64")
    assert parse(file, "--learning_rate=1e-4").learning_rate == 1e-4
    assert parse("--learning_rate=1e-4", file).learning_rate == 2e-5
    assert parse(file, "--learning_rate=1e-4").max_seq_length == 64


def test_flag_file_with_windows_line_ends(flag_file):
    assert parse(flag_file("--master=x\r", "\r", "--data_dir=d\r")).data_dir == "d"


def test_a_flag_file_can_contain_all_flags(flag_file):
    file = flag_file(*command()[1:])
    assert command_line.parse(["run_classifier.py", file])[0] == parse()


@pytest.mark.parametrize(
    "line, part",
    [
        ("--learning_rat=1", "did you mean --learning_rate"),
        ("learning_rate=1", "unexpected argument"),
        ("--max_seq_length=0", "--max_seq_length=0: "),
        ("--max_seq_length=8 \\", "mrpc.flags, line 1 ends with a backslash"),
    ],
)
def test_flag_files_are_parsed_strictly(flag_file, line, part):
    assert part in error(flag_file(line))


def test_a_flag_file_that_begins_with_a_byte_order_mark(flag_file):
    assert parse(flag_file("\ufeff--max_seq_length=8")).max_seq_length == 8


def test_flag_files_within_flag_files(flag_file, tmp_path):
    outer = tmp_path / "outer.flags"
    inner = flag_file("--max_seq_length=8")
    outer.write_text("--max_seq_length=9\n%s\n" % inner)
    assert parse("--flagfile", str(outer)).max_seq_length == 8
    outer.write_text("--flagfile=%s\n" % outer)
    assert "outer.flags: the file refers to itself" in error("--flagfile=%s" % outer)


def test_a_flag_file_that_the_run_would_replace(tmp_path):
    """But the one that a run wrote can be used to resume it."""
    own = tmp_path / "run.flags"
    own.write_text("--max_seq_length=8\n")
    (tmp_path / "link").symlink_to(own)
    for name in ("run.flags", "link"):
        message = error("--flagfile=%s" % (tmp_path / name), output_dir=str(tmp_path))
        assert "would replace it by its own run.flags" in message
    parse("--flagfile=%s" % own)
    own.write_text(flag_file_module.text(parse(), DESCRIPTION))
    parse("--flagfile=%s" % own, output_dir=str(tmp_path))


def test_flag_files_that_cannot_be_read(tmp_path):
    (tmp_path / "latin").write_bytes(b"--data_dir=caf\xe9\n")
    os.mkfifo(str(tmp_path / "pipe"))
    for name in ("none", "", "latin", "pipe"):
        path = tmp_path / name
        assert str(path) in error("--flagfile=%s" % path)
    assert error("--flagfile=").startswith("--flagfile= is empty")


# Help


@pytest.mark.parametrize("argument", ["--help", "-h", "-help", "--helpfull"])
def test_help_flags(argument):
    assert command_line.has_help_flag(["run_classifier.py", "--do_train", argument])
    assert not command_line.has_help_flag([argument, "--do_train"])
    for other in ("--do_train", "help", "--help_me", "--task=-h"):
        assert not command_line.has_help_flag(["run_classifier.py", other])


def test_version(capsys):
    assert run_classifier.main(["x/run_classifier.py", "--lr=1", "--version"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert re.match(r"run_classifier\.py, revision \S", line)
    assert "TensorFlow %s, Python %d.%d" % (tf.VERSION, *sys.version_info[:2]) in line


@pytest.mark.parametrize(
    "argument, expected",
    [("--debug", True), ("-debug=T", True), ("--debug=false", False), ("debug", False)],
)
def test_debug_flag(argument, expected):
    argv = ["run_classifier.py", "--mistake", argument]
    assert command_line.has_debug_flag(argv) is expected


def test_help_lists_every_flag_once_with_type_and_default():
    lines = command_line.help_text("run_classifier.py").split("\n")
    assert max(map(len, lines)) <= 80
    assert all(line == line.rstrip() for line in lines)
    entries = re.findall(
        r"^  --([\w=]+) +([^\n]*(?:\n {4}[^\n]*)*)", "\n".join(lines), re.M
    )
    assert [name for name, _ in entries] == [
        *FIELDS,
        "flagfile=PATH",
        "help",
        "version",
    ]
    for name, text in entries[:-3]:
        default = "default: %s" % str(FIELDS[name].default).lower()
        if name in REQUIRED and name != "data_dir":
            default = "required"
        shown = "(%s; %s)" % (type_of(FIELDS[name]).__name__, default)
        assert " ".join(text.split()).endswith(shown), name
    groups = [field.metadata["group"] + ":" for field in FIELDS.values()]
    first = lines.index(groups[0])  # Above it is what the program does.
    shown = [line for line in lines[first:] if line and not line.startswith(" ")]
    assert shown == [*dict.fromkeys(groups), "Other:"]


# What stays untouched


def run_python(root, code):
    """Runs code in a new interpreter in the repository; returns its two outputs."""
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
        sys.modules["tensorflow"] = None  # Makes an import of it fail.
        from absl import flags
        before = list(flags.FLAGS)
        import run_classifier
        from finetuning.flags import command_line, usual_names
        settings, _ = command_line.parse(%r)
        assert settings.learning_rate == 0.5
        assert run_classifier.main(["run_classifier.py", "--help"]) == 0
        assert run_classifier.main(["run_classifier.py", "--learning_rat=1"]) == 2
        assert list(flags.FLAGS) == before
        assert not flags.FLAGS.is_parsed()
        print("done")
    """
    printed, errors = run_python(root, code % (command("--learning_rate=0.5"),))
    assert printed.endswith("done\n")
    assert errors.startswith("ERROR: --learning_rat is not a flag")
    assert errors.count("\n") == 1


def test_imports_do_not_change_global_state(root):
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
