"""Parses the command line strictly, before any file is opened.

Nothing is defined on absl's global flags.
"""

import dataclasses
import re
import textwrap

from absl import flags

from finetuning.flags import flag_file, text_settings, usual_names
from finetuning.flags.settings import (
    FILE_FLAGS,
    MAX_FLOAT,
    MAX_INT,
    MIN_FLOAT,
    NO_EFFECT,
    Settings,
    as_flag,
    flags_with,
    type_of,
)
from finetuning.flags.values import check_text, resolve_path
from finetuning.utils import characters
from finetuning.utils.errors import InputError

_HELP_FLAGS = ("--help", "-help", "-h", "--h", "--helpshort", "--helpfull")
_VERSION_FLAGS = ("--version", "-version")
_DEBUG_FLAG = re.compile(r"--?debug(=(true|t|yes|y|1))?$", re.IGNORECASE)
_HELP_WIDTH = 80
_HELP_INDENT = 27


def has_help_flag(argv):
    return any(argument in _HELP_FLAGS for argument in argv[1:])


def has_version_flag(argv):
    return any(argument in _VERSION_FLAGS for argument in argv[1:])


def has_debug_flag(argv):
    """Whether --debug is among the arguments, even if others are invalid."""
    return any(_DEBUG_FLAG.match(argument) for argument in argv[1:])


def parse(argv):
    """Parses a command line strictly.

    Args:
      argv: program name and arguments; `--flagfile=PATH` is replaced by the flags in
        that file, one per line.

    Returns:
      `Settings`, with flags that are not given taken from the directory of the weights
      (see `text_settings.defaults`); and lines about flags that were given but have no
      effect, and about those that were taken.

    Raises:
      InputError: an argument is unknown, misspelt, of the wrong type, out of range,
        missing or contradicts another.

    Example:
      settings, notes = parse(["run_classifier.py", "--task_name=MRPC", ...])
    """
    arguments, flag_files = flag_file.expand(argv[1:])
    values = _parse_flags([argv[0], *arguments])
    given = {name: values[name].value for name in flags_with() if values[name].present}
    _check_values(given)
    given.update(_resolved_paths(given))
    taken, directory = text_settings.defaults(given)
    _check_values(taken)
    defaults = {field.name: field.default for field in dataclasses.fields(Settings)}
    settings = Settings(**{**defaults, **taken, **given})
    _check_required(settings)
    flag_file.require_kept(flag_files, settings.output_dir)
    _check_phases(settings)
    _check_combinations(settings)
    notes = [
        "--%s has no effect: it is a TPU option of the original" % name
        for name in flags_with(group=NO_EFFECT)
        if name in given
    ]
    if taken:
        shown = ", ".join(as_flag(name, taken[name]) for name in taken)
        notes.append("Not given, so taken from %s: %s" % (directory, shown))
    return settings, notes


def _parse_flags(argv):
    """Runs absl's parser on flags of our own."""
    values = flags.FlagValues()
    define = {
        str: flags.DEFINE_string,
        bool: flags.DEFINE_boolean,
        int: flags.DEFINE_integer,
        float: flags.DEFINE_float,
    }
    for field in dataclasses.fields(Settings):
        define[type_of(field)](
            field.name, field.default, field.metadata["help"], flag_values=values
        )
    names = [argument.lstrip("-") for argument in argv[1:]]
    # Absl's flag that lists misspelt flags to ignore; this program has none.
    if any(name.startswith("undefok") for name in names):
        raise InputError(_unknown_flag("undefok"))
    try:
        positional = values(argv)[1:]
    except flags.UnrecognizedFlagError as error:
        raise InputError(_unknown_flag(error.flagname)) from None
    except flags.Error as error:
        raise InputError(_translated(error)) from None
    except ValueError as error:
        # A value for a negated flag (--nodo_train=true), which absl reports like this.
        name = re.search(r"--(\w+)", str(error))
        raise InputError(_unknown_flag(name.group(1) if name else "")) from None
    if positional:
        raise InputError(_unexpected_argument(positional[0]))
    return values


def _unknown_flag(name):
    found = characters.first_lookalike(name)
    if found:
        plain = characters.to_ascii(name).lstrip("-")
        return "--%s contains %s; write --%s" % (name, found, plain)
    meant = usual_names.suggestion(name)
    hint = "did you mean %s? (see --help)" % meant if meant else "see --help"
    return "--%s is not a flag; %s" % (name, hint)


def _translated(error):
    """Rewrites an error message from absl as one line of our own."""
    message = " ".join(str(error).replace("ERROR::", "").strip().splitlines())
    invalid = re.match(r"flag --(\w+)=(.*?): ", message)
    if invalid is None:
        return message + " (see --help)"
    name, value = invalid.groups()
    expected = {bool: "true or false", int: "a whole number", float: "a number"}
    kind = type_of(Settings.__dataclass_fields__[name])
    hint = characters.hint(value)
    return "%s: expected %s%s" % (as_flag(name, value), expected[kind], hint)


def _unexpected_argument(argument):
    if not argument.strip():
        return (
            "unexpected blank argument: a backslash that continues a line must be its "
            "last character, with no blanks after it"
        )
    plain = characters.to_ascii(argument).strip()
    if plain.startswith("-") and plain[:2] != argument[:2]:
        return "unexpected argument '%s': it starts with %s; write --%s" % (
            argument,
            characters.first_lookalike(argument),
            plain.lstrip("-"),
        )
    return (
        "unexpected argument %r: write flags as --name=value, such as --do_train=true"
        % argument
    )


def _check_required(settings):
    required = set(flags_with(required=True))
    if None in settings.files.values() or not settings.files:
        required.add("data_dir")
    missing = [
        "--" + name
        for name in flags_with()
        if name in required and not getattr(settings, name)
    ]
    if not missing:
        return
    shown = ", ".join(missing)
    if any(settings.files.values()):
        alternatives = [
            "--" + FILE_FLAGS[split]
            for split, path in settings.files.items()
            if not path
        ]
        hint = "--data_dir (or %s)" % " and ".join(alternatives)
        shown = shown.replace("--data_dir", hint)
    raise InputError("%s must be given (see --help)" % shown)


def _check_values(values):
    for field in dataclasses.fields(Settings):
        if field.name in values:
            _check_value(field, values[field.name])


def _check_value(field, value):
    choices = field.metadata.get("choices", (value,))
    if isinstance(value, str):
        check_text(field.name, value)
    if value not in choices:
        raise InputError(
            "%s: expected %s%s"
            % (
                as_flag(field.name, value),
                " or ".join(choices),
                characters.hint(value),
            )
        )
    if type(value) in (int, float):
        _check_range(field, value)


def _resolved_paths(given):
    """The values of those flags that are paths, without ~, by name."""
    names = [name for name in flags_with(is_path=True) if name in given]
    return {name: resolve_path(name, given[name]) for name in names}


def _check_range(field, value):
    rules = field.metadata
    most = rules.get("most", MAX_INT if isinstance(value, int) else MAX_FLOAT)
    expected = []
    if "above" in rules:
        expected.append(("above %g" % rules["above"], value > rules["above"]))
    if "least" in rules:
        expected.append(("of at least %g" % rules["least"], value >= rules["least"]))
    if "most" in rules or value > most:
        shown = "%d" if isinstance(most, int) else "%g"
        expected.append(("at most " + shown % most, value <= most))
    if isinstance(value, float) and 0 < value < MIN_FLOAT:
        unless = "" if "above" in rules else " if not 0"
        expected.append(("of at least %g%s" % (MIN_FLOAT, unless), False))
    if not all(holds for _, holds in expected):
        raise InputError(
            "%s: expected a number %s"
            % (as_flag(field.name, value), " and ".join(text for text, _ in expected))
        )


def _check_phases(settings):
    if settings.use_tpu:
        raise InputError(
            "--use_tpu=true: TPUs are not supported; omit the flag to run on a GPU or "
            "CPU"
        )
    if not (settings.do_train or settings.do_eval or settings.do_predict):
        raise InputError(
            "nothing to do: pass --do_train=true, --do_eval=true or --do_predict=true"
        )


def _check_combinations(settings):
    """Rejects flags that contradict each other, or have no effect without another."""
    if settings.eval_steps and settings.eval_each_epoch:
        raise InputError(
            "--eval_steps and --eval_each_epoch cannot be combined; omit one of them"
        )
    evaluates = settings.evaluates_while_training
    schedule = "--eval_steps or --eval_each_epoch"
    if not settings.do_train:
        schedule += ", and --do_train=true"
    needs = {
        "do_train": (settings.do_train, "--do_train=true"),
        "do_eval": (settings.do_eval or evaluates, "--do_eval=true"),
        "do_predict": (settings.do_predict, "--do_predict=true"),
        "evaluation": (evaluates, schedule),
        "results": (settings.do_eval, "--do_eval=true"),
        "custom": (settings.is_custom, "--task_name=custom"),
    }
    for field in dataclasses.fields(Settings):
        value, need = getattr(settings, field.name), field.metadata["needs"]
        if value == field.default or need is None:
            continue
        if field.name == "keep_best" and not settings.do_train:
            continue  # The best weights of an earlier run are used.
        holds, other_flag = needs[need]
        if not holds:
            shown = as_flag(field.name, value)
            raise InputError("%s has no effect without %s" % (shown, other_flag))
    if settings.regression and (settings.labels or settings.class_weights):
        raise InputError(
            "--regression=true cannot be combined with --labels or --class_weights; "
            "omit one of them"
        )


def help_text(program):
    """Lists all flags with types and defaults, by group."""
    lines = [
        "Fine-tune BERT on a GLUE task or on your own data, evaluate and predict.",
        "",
        "  python %s --task_name=MRPC --do_train=true --do_eval=true ..." % program,
        "  python %s --flagfile=configs/mrpc_google.flags ..." % program,
        "  python %s --do_predict=true --data_dir=DIR --output_dir=RUN" % program,
        "",
        "Without training, flags that say how text is read, also required ones, are",
        "taken from the directory of the weights if they are saved there.",
    ]
    group = None
    for field in dataclasses.fields(Settings):
        if field.metadata["group"] != group:
            group = field.metadata["group"]
            lines += ["", group + ":"]
        lines += _help_lines(field)
    lines += ["", "Other:"]
    lines += _wrapped("--flagfile=PATH", "Read flags from a file, one per line.")
    lines += _wrapped("--help", "Show this help.")
    lines += _wrapped("--version", "Show the revision and the versions it runs with.")
    return "\n".join(lines)


def _help_lines(field):
    if field.metadata.get("required"):
        default = "required"
    elif field.default is None:
        default = "default: none"
    else:
        default = "default: %s" % str(field.default).lower()
    text = "%s (%s; %s)" % (field.metadata["help"], type_of(field).__name__, default)
    return _wrapped("--" + field.name, text)


def _wrapped(name, text):
    lines = textwrap.wrap(text, width=_HELP_WIDTH - _HELP_INDENT)
    first = ("  " + name).ljust(_HELP_INDENT) + lines[0]
    return [first] + [" " * _HELP_INDENT + line for line in lines[1:]]
