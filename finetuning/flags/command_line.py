"""Reads a command line strictly, and judges it before anything else is looked at.

Nothing is defined on absl's global flags.
"""

import dataclasses
import difflib
import re
import textwrap

from absl import flags

from finetuning.flags.settings import (
    CUSTOM,
    FILE_FLAGS,
    MAX_FLOAT,
    MAX_INT,
    NO_EFFECT,
    OWN_DATA,
    Settings,
    kind_of,
)
from finetuning.utils.errors import InputError

_HELP_FLAGS = ("--help", "-help", "-h", "--h", "--helpshort", "--helpfull")
_DEBUG_FLAG = re.compile(r"--?debug(=(true|t|yes|y|1))?$", re.IGNORECASE)


def asks_for_help(argv):
    return any(argument in _HELP_FLAGS for argument in argv[1:])


def asks_for_debug(argv):
    """Whether --debug is among the arguments, which may be wrong otherwise."""
    return any(_DEBUG_FLAG.match(argument) for argument in argv[1:])


def parse(argv):
    """Reads a command line strictly.

    Args:
      argv: program name and arguments; `--flagfile=PATH` stands for the flags in that
        file, one a line.

    Returns:
      `Settings`, and the names of the flags that were given but have no effect.

    Raises:
      InputError: an argument is unknown, misspelt, of another type, out of range,
        missing or contradictory.
    """
    values = _parse_flags(argv)
    settings = Settings(**{name: values[name].value for name in _field_names()})
    _check(settings)
    without_effect = [
        field.name
        for field in dataclasses.fields(Settings)
        if field.metadata["group"] == NO_EFFECT and values[field.name].present
    ]
    return settings, without_effect


def _field_names():
    return [field.name for field in dataclasses.fields(Settings)]


def _parse_flags(argv):
    """Absl's own parsing on a set of flags of our own."""
    values = flags.FlagValues()
    define = {
        str: flags.DEFINE_string,
        bool: flags.DEFINE_boolean,
        int: flags.DEFINE_integer,
        float: flags.DEFINE_float,
    }
    for field in dataclasses.fields(Settings):
        define[kind_of(field)](
            field.name, field.default, field.metadata["help"], flag_values=values
        )
    if any(argument.lstrip("-") == "flagfile=" for argument in argv[1:]):
        raise InputError(_empty_flag("flagfile"))
    # Absl's own way to have misspelt flags ignored; this program has none.
    if any(argument.lstrip("-").startswith("undefok") for argument in argv[1:]):
        raise InputError(_unknown_flag("undefok"))
    try:
        positional = values(argv)[1:]
    except flags.UnrecognizedFlagError as error:
        raise InputError(_unknown_flag(error.flagname)) from None
    except flags.Error as error:
        raise InputError(_absl_message(error)) from None
    except UnicodeDecodeError:
        files = [argument for argument in argv if "flagfile" in argument]
        raise InputError("%s is not UTF-8" % ", ".join(files)) from None
    except ValueError as error:
        # Of the kind --nodo_train=true: absl says so without an error class.
        name = re.search(r"--(\w+)", str(error))
        raise InputError(_unknown_flag(name.group(1) if name else "")) from None
    if positional:
        raise InputError(_unexpected_argument(positional[0]))
    return values


def _unknown_flag(name):
    near = difflib.get_close_matches(name, _field_names(), n=1, cutoff=0.0)
    return "--%s is not a flag; the nearest is --%s (see --help)" % (name, near[0])


def _absl_message(error):
    """One line of ours from one of absl's."""
    message = " ".join(str(error).replace("ERROR::", "").split())
    refused = re.match(r"flag --(\w+)=(.*?): ", message)
    if refused is None:
        return message + " (see --help)"
    field = next(f for f in dataclasses.fields(Settings) if f.name == refused.group(1))
    wanted = {bool: "true or false", int: "a whole number", float: "a number"}
    return "--%s=%s: expected %s" % (
        field.name,
        refused.group(2),
        wanted[kind_of(field)],
    )


def _unexpected_argument(argument):
    if not argument.strip():
        return (
            "unexpected blank argument: a backslash that continues a line must be its "
            "last character, with no blanks behind it"
        )
    if argument.startswith("\ufeff"):
        return (
            "unexpected argument %r: the flag file begins with a byte-order mark; save "
            "it as UTF-8 without one" % argument
        )
    return (
        "unexpected argument %r: write flags as --name=value (--do_train=true)"
        % argument
    )


def _check(settings):
    fields = dataclasses.fields(Settings)
    required = {field.name for field in fields if field.metadata.get("required")}
    if None in settings.files.values() or not settings.files:
        required.add("data_dir")
    missing = [
        "--" + field.name
        for field in fields
        if field.name in required and not getattr(settings, field.name)
    ]
    if missing:
        shown = ", ".join(missing)
        others = [FILE_FLAGS[kind] for kind, file in settings.files.items() if not file]
        if any(settings.files.values()):
            hint = "--data_dir (or %s)" % " and ".join("--" + name for name in others)
            shown = shown.replace("--data_dir", hint)
        raise InputError("%s must be given (see --help)" % shown)
    for field in fields:
        value = getattr(settings, field.name)
        if isinstance(value, str):
            _check_text(field.name, value)
        _check_range(field, value)
    if settings.use_tpu:
        raise InputError(
            "--use_tpu=true: TPUs no longer run TensorFlow 1 programs, and this one "
            "was never tested on one; leave the flag out to run on a GPU or CPU"
        )
    if not (settings.do_train or settings.do_eval or settings.do_predict):
        raise InputError(
            "nothing to do: give --do_train=true, --do_eval=true or --do_predict=true"
        )
    _check_combinations(settings)


def _check_text(name, value):
    """Refuses what no file can be named by, nor a result be written with."""
    if not value.strip():
        raise InputError(_empty_flag(name))
    try:
        holds_nul = b"\0" in value.encode("utf-8")
    except UnicodeEncodeError:
        raise InputError(
            "--%s=%s is not UTF-8; rename what it names, or use a UTF-8 locale"
            % (name, value)
        ) from None
    if holds_nul:
        raise InputError("--%s=%s holds NUL, which no text has" % (name, value))
    if "\n" in value or "\r" in value:
        raise InputError(
            "--%s=%r holds a line end, which no line of the log or of a flag file can; "
            "leave it out, or rename what it names" % (name, value)
        )


def _empty_flag(name):
    return (
        "--%s= is empty (an unset shell variable?); give a value or leave the flag out"
        % name
    )


def _check_combinations(settings):
    """Refuses flags that would have no effect beside the others."""
    if settings.eval_steps and settings.eval_each_epoch:
        raise InputError("--eval_steps and --eval_each_epoch: give one of them")
    evaluates = settings.evaluates_while_training
    needs = [
        ("train_file", settings.do_train, "--do_train=true"),
        ("predict_file", settings.do_predict, "--do_predict=true"),
        ("eval_file", settings.do_eval or evaluates, "--do_eval=true"),
        ("allow_changes", settings.do_train, "--do_train=true"),
        ("eval_steps", settings.do_train, "--do_train=true"),
        ("eval_each_epoch", settings.do_train, "--do_train=true"),
        ("early_stop", evaluates, "--eval_steps or --eval_each_epoch, and --do_train"),
    ]
    if settings.do_train:
        needs.append(("keep_best", evaluates, "--eval_steps or --eval_each_epoch"))
    own = settings.task_name.lower() == CUSTOM
    needs += [
        (field.name, own, "--task_name=custom")
        for field in dataclasses.fields(Settings)
        if field.metadata["group"] == OWN_DATA
    ]
    for name, holds, wanted in needs:
        value = getattr(settings, name)
        if value != getattr(Settings, name) and not holds:
            shown = str(value).lower() if isinstance(value, bool) else value
            raise InputError("--%s=%s has no effect without %s" % (name, shown, wanted))
    if settings.regression and (settings.labels or settings.class_weights):
        raise InputError(
            "--regression=true: a number has no --labels and no --class_weights; leave "
            "one of them out"
        )


def _check_range(field, value):
    rules = field.metadata
    if value not in rules.get("choices", (value,)):
        raise InputError(
            "--%s=%s: expected %s" % (field.name, value, " or ".join(rules["choices"]))
        )
    if value is None or isinstance(value, (bool, str)):
        return
    wanted = []
    if "above" in rules:
        wanted.append(("above %g" % rules["above"], value > rules["above"]))
    if "least" in rules:
        wanted.append(("at least %g" % rules["least"], value >= rules["least"]))
    if "most" in rules:
        wanted.append(("at most %d" % rules["most"], value <= rules["most"]))
    elif isinstance(value, int) and value > MAX_INT:
        wanted.append(("at most %d" % MAX_INT, False))
    elif value > MAX_FLOAT:
        wanted.append(("at most %g" % MAX_FLOAT, False))
    if not all(holds for _, holds in wanted):
        raise InputError(
            "--%s=%s: expected a number %s"
            % (field.name, value, " and ".join(words for words, _ in wanted))
        )


def help_text(program):
    """All flags with types and defaults, by group."""
    lines = [
        "Fine-tunes BERT on a task of GLUE or on your own data, evaluates, predicts.",
        "",
        "  python %s --task_name=MRPC --do_train=true --do_eval=true ..." % program,
        "  python %s --flagfile=configs/mrpc_google.flags ..." % program,
    ]
    group = None
    for field in dataclasses.fields(Settings):
        if field.metadata["group"] != group:
            group = field.metadata["group"]
            lines += ["", group + ":"]
        lines += _help_lines(field)
    lines += ["", "Other:"]
    lines += _wrapped("--flagfile=PATH", "Read flags from a file, one a line.")
    lines += _wrapped("--help", "Show this.")
    return "\n".join(lines)


def _help_lines(field):
    kind = kind_of(field).__name__
    if field.metadata.get("required"):
        default = "required"
    elif field.default is None:
        default = "default: none"
    else:
        default = "default: %s" % str(field.default).lower()
    return _wrapped(
        "--%s" % field.name, "%s (%s; %s)" % (field.metadata["help"], kind, default)
    )


def _wrapped(name, text):
    lines = textwrap.wrap(text, width=62)
    first = "  %-24s %s" % (name, lines[0])
    return [first] + [" " * 27 + line for line in lines[1:]]
