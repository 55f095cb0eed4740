"""What --help shows."""

import dataclasses
import textwrap

from finetuning.settings import Settings, kind_of


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
