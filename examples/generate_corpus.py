"""Generates the demo's paraphrase corpus and its vocabulary.

Every pair of sentences is made from a *situation*: a claim about two people that
can be worded in two ways ("Anna helped Ben", "Ben was helped by Anna"), with a
time. The second sentence moves the time to the front. In a paraphrase the rest
stays; in most other pairs the two people change roles, so that which words the
sentences share says little.

The sentences are this project's own. Run without arguments to rewrite the files
of `examples/paraphrase`.
"""

import argparse
import collections
import os
import random
import re

SEED = 20
SPLIT_PAIRS = (("dev", 400), ("test", 400), ("train", 4000))
HELD_OUT_SHARE = 0.1

# How often the sentences of a negative pair are about different people.
OTHER_PEOPLE_SHARE = 0.3

NAMES = ("Anna", "Ben", "Clara", "David", "Emma", "Felix")
TIMES = ("last week", "on Friday", "on Monday", "on Sunday", "this morning")
PERIODS = ("these days", "this month", "this year")

ACTIONS = (
    "called",
    "followed",
    "greeted",
    "helped",
    "invited",
    "praised",
    "thanked",
    "visited",
)
COMPARATIVES = (
    ("faster", "slower"),
    ("older", "younger"),
    ("richer", "poorer"),
    ("stronger", "weaker"),
    ("taller", "shorter"),
)
EVENTS = ("arrived", "finished", "left", "sang", "spoke")

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
# Words left out of the vocabulary, so that WordPiece has something to split.
SPLIT_WORDS = {
    "helped": ("help", "##ed"),
    "shorter": ("short", "##er"),
    "taller": ("tall", "##er"),
    "thanked": ("thank", "##ed"),
    "visited": ("visit", "##ed"),
}

# `wordings` holds, for the claim and then for its opposite, two ways to say it,
# with the places of the people still open.
Situation = collections.namedtuple("Situation", "people wordings time")


class Draw:
    """Random draws that come out alike under every Python version."""

    def __init__(self, seed):
        # Only random() itself is promised to stay the same across versions.
        self._random = random.Random(seed).random

    def chance(self, probability):
        """Returns True with the given probability."""
        return self._random() < probability

    def choice(self, items):
        """Returns one item of a non-empty sequence."""
        return items[int(self._random() * len(items))]

    def shuffle(self, items):
        """Shuffles a list in place."""
        for last in range(len(items) - 1, 0, -1):
            other = int(self._random() * (last + 1))
            items[last], items[other] = items[other], items[last]


def role_situations(direct, inverse, times):
    """Returns the situations of a claim in which two people hold two roles.

    Args:
        direct: wording with the places {0} and {1}, in this order.
        inverse: wording of the same claim, with the places in the other order.
        times: times that go with the claim.
    """
    claim = (direct, inverse)
    opposite = tuple(text.format("{1}", "{0}") for text in claim)
    return [
        Situation((one, two), (claim, opposite), time)
        for one in NAMES
        for two in NAMES
        if one < two
        for time in times
    ]


def families():
    """Returns lists of situations, one for each kind of claim."""
    actions, ranks, orders = [], [], []
    for verb in ACTIONS:
        direct, inverse = "{0} %s {1}" % verb, "{1} was %s by {0}" % verb
        actions += role_situations(direct, inverse, TIMES)
    for more, less in COMPARATIVES:
        direct, inverse = "{0} is %s than {1}" % more, "{1} is %s than {0}" % less
        ranks += role_situations(direct, inverse, PERIODS)
    for verb in EVENTS:
        direct, inverse = "{0} %s before {1}" % verb, "{1} %s after {0}" % verb
        orders += role_situations(direct, inverse, TIMES)
    return [actions, ranks, orders]


def deal_situations(draw):
    """Deals every situation to one split.

    A situation, whichever way it is worded, belongs to one split alone; so no
    sentence can stand in two.

    Returns:
        dict from the split's name to a list of families, each a list of situations.
    """
    dealt = {name: [] for name, _ in SPLIT_PAIRS}
    for family in families():
        draw.shuffle(family)
        held_out = int(len(family) * HELD_OUT_SHARE)
        dealt["dev"].append(family[:held_out])
        dealt["test"].append(family[held_out : 2 * held_out])
        dealt["train"].append(family[2 * held_out :])
    return dealt


def word(situation, opposite, inverse, time_first):
    """Returns the sentence that claims the situation, or its opposite."""
    text = situation.wordings[opposite][inverse].format(*situation.people)
    if time_first:
        text = "%s, %s." % (situation.time, text)
    else:
        text = "%s %s." % (text, situation.time)
    return text[0].upper() + text[1:]


def other_people(situation, family, draw):
    """Returns a situation of the family that differs in its people alone.

    Returns None where the family has none.
    """
    alike = [
        other
        for other in family
        if other[1:] == situation[1:] and other.people != situation.people
    ]
    return draw.choice(alike) if alike else None


def make_pair(family, is_paraphrase, draw):
    """Returns two sentences about situations of one family."""
    situation = draw.choice(family)
    opposite, inverse = draw.chance(0.5), draw.chance(0.5)
    first = word(situation, opposite, inverse, time_first=False)
    if not is_paraphrase:
        other = None
        if draw.chance(OTHER_PEOPLE_SHARE):
            other = other_people(situation, family, draw)
        if other is None:
            opposite = not opposite
        else:
            situation = other
    return first, word(situation, opposite, inverse, time_first=True)


def make_split(split_families, count, draw):
    """Returns `count` different (label, first, second), half of each label."""
    pairs = {}
    labels = [0, 0]
    while len(pairs) < count:
        label = 1 if labels[1] <= labels[0] else 0
        pair = make_pair(draw.choice(split_families), label == 1, draw)
        if pair not in pairs:
            pairs[pair] = label
            labels[label] += 1
    rows = [(label, first, second) for (first, second), label in sorted(pairs.items())]
    draw.shuffle(rows)
    return rows


def format_split(name, rows):
    """Returns the text of one split's file; the test split has no labels."""
    columns = ("#1 ID", "#2 ID", "#1 String", "#2 String")
    lines = [("index" if name == "test" else "Quality",) + columns]
    for index, (label, first, second) in enumerate(rows):
        lead = index if name == "test" else label
        ids = (str(2 * index + 1), str(2 * index + 2))
        lines.append((str(lead),) + ids + (first, second))
    return "".join("\t".join(line) + "\n" for line in lines)


def format_vocabulary(rows):
    """Returns the text of a vocabulary that covers every word of the rows."""
    tokens = set()
    for _, first, second in rows:
        for token in re.findall(r"\w+|[^\w\s]", (first + " " + second).lower()):
            tokens.update(SPLIT_WORDS.get(token, (token,)))
    return "".join(token + "\n" for token in SPECIAL_TOKENS + tuple(sorted(tokens)))


def generate(directory):
    """Writes train.tsv, dev.tsv, test.tsv and vocab.txt into an existing directory.

    The same files come out at every call and under every Python version.
    """
    draw = Draw(SEED)
    dealt = deal_situations(draw)
    texts, all_rows = {}, []
    for name, count in SPLIT_PAIRS:
        rows = make_split(dealt[name], count, draw)
        texts[name + ".tsv"] = format_split(name, rows)
        all_rows += rows
    texts["vocab.txt"] = format_vocabulary(all_rows)
    for name, text in sorted(texts.items()):
        path = os.path.join(directory, name)
        with open(path, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)


def main():
    """Rewrites the corpus beside this file, or in the directory given."""
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--directory", default=os.path.join(here, "paraphrase"))
    generate(parser.parse_args().directory)


if __name__ == "__main__":
    main()
