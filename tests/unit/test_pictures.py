"""The pictures of the documents: the files are the ones that the scripts draw, and everybody can read them."""

import itertools
import re
from xml.etree import ElementTree

import pytest
from pictures import draw, imports, paths, performance, rules, structure
from pictures.drawing import size_of, width_of
from policy_table import TABLE

from krbxmlrpc._negotiate import policy
from krbxmlrpc._negotiate.policy import Sent, Step

SVG = "{http://www.w3.org/2000/svg}"
PICTURES = draw.pictures()
SCHEMES = ("light", "dark")


@pytest.fixture(params=sorted(PICTURES))
def picture(request):
    """One of the pictures, as the tree of its elements."""
    return ElementTree.fromstring(PICTURES[request.param])


def test_the_files_are_the_drawn_pictures():
    committed = {path.name: path.read_text(encoding="utf-8") for path in draw.STATIC.glob("*.svg")}
    assert sorted(committed) == sorted(PICTURES)
    stale = [name for name, drawn in PICTURES.items() if committed[name] != drawn]
    assert stale == [], "run: python docs/pictures/draw.py"


def test_a_picture_has_a_text_alternative(picture):
    labels = {element.get("id"): element.text for element in picture if element.tag in (f"{SVG}title", f"{SVG}desc")}
    assert picture.get("role") == "img" and picture.get("aria-labelledby").split() == list(labels)
    assert len(labels["title"]) > 20 and len(labels["desc"]) > len(labels["title"])


def test_a_picture_needs_nothing_from_elsewhere(picture):
    tags = {element.tag for element in picture.iter()}
    assert tags <= {SVG + name for name in "svg title desc style rect path polygon circle text".split()}
    assert "url(" not in picture.find(f"{SVG}style").text and "@import" not in picture.find(f"{SVG}style").text
    assert not [
        name for element in picture.iter() for name in element.keys() if "href" in name or name.startswith("on")
    ]


# -- the paths of a call ----------------------------------------------------------------------------------------------

LABELS = {None: ("no Negotiate", "no token"), "": ("Negotiate, no token", "Negotiate", "no token")}


def outcome(tree, facts):
    """Return the outcome of a tree for facts: for each level, the labels that fit."""
    while isinstance(tree, rules.Fork):
        fitting = [branch for label, branch in tree.branches if label in facts[tree.fact]]
        rest = [branch for label, branch in tree.branches if label == "any other"]
        (tree,) = fitting or rest
    return tree


@pytest.mark.parametrize("row, sent, statuses, negotiate, modes, verified, step", TABLE)
def test_the_paths_are_those_of_the_table(row, sent, statuses, negotiate, modes, verified, step):
    for status in statuses:
        for mode in modes:
            facts = {
                "status": (str(status), f"{status // 100}xx"),
                "page": ("elsewhere",),
                "header": LABELS.get(negotiate, ("a token", "Negotiate")),
                "mode": [label for label in mode_labels() if mode.value in label.split(", ")],
                "proof": ("valid",) if verified else ("no proof",),
                "offer": ("never offered",),
            }
            assert outcome(rules.tree(sent), facts) is step


def mode_labels():
    values = [mode.value for mode in policy.MutualAuthentication]
    return [", ".join(some) for count in (1, 2) for some in itertools.combinations(values, count)]


def test_all_authentications_of_a_call_and_all_steps_are_drawn():
    assert set(paths.ORDER) == set(Sent) - {Sent.PASSWORD}
    found = {outcome for sent in Sent for _, outcome in rules.leaves(rules.tree(sent))}
    assert found == set(Step) | {rules.NOT_VALID_TOKEN}


@pytest.mark.parametrize("sent, status", [(Sent.COOKIES, 403), (Sent.TICKET, 401), (Sent.NOTHING, 418)])
def test_another_rule_makes_another_picture(sent, status, monkeypatch):
    """So the committed picture is out of date if somebody changes the rules."""
    real = policy.next_step
    changed = (sent, status)
    monkeypatch.setattr(policy, "next_step", lambda *a, **k: Step.UNPROVEN if a[:2] == changed else real(*a, **k))
    forget()
    try:
        assert paths.draw() != PICTURES["paths.svg"]
    finally:
        forget()


def forget():
    """Let the next picture ask the rules again."""
    rules.tree.cache_clear()
    rules.errors_of.cache_clear()


@pytest.mark.parametrize(
    "statuses, text", [([200], "200"), (range(300, 400), "3xx"), ([200, *range(203, 205), 401], "200 203-204 401")]
)
def test_statuses_have_a_short_text(statuses, text):
    assert " ".join(rules.runs(list(statuses))) == text


# -- the structure ----------------------------------------------------------------------------------------------------


def test_the_page_follows_the_path_of_the_picture():
    page = (draw.STATIC.parent / "how-it-works.rst").read_text(encoding="utf-8")
    listed = re.findall(r"^(\d+)\. ``([^`]+)``, ``([^`]+)``: ", page, re.MULTILINE)
    functions = {"__init__": "Ticket"}
    drawn = [(file, functions.get(function, function)) for file, function in structure.PATH]
    assert [(file, function) for _, file, function in listed] == drawn
    assert [int(number) for number, _, _ in listed] == list(range(1, len(drawn) + 1))


def test_imports_that_follow_from_others_are_left_out():
    found = {"a": {"b", "c"}, "b": {"c", "d"}, "c": {"d"}, "d": set()}
    assert imports.needed(found) == [("a", "b"), ("b", "c"), ("c", "d")]
    assert imports.at_bottom(found) == {"c", "d"}


@pytest.mark.parametrize(
    "place, line",
    [
        ("errors.py", "from . import transport"),
        ("_http/pool.py", "from .. import transport"),
        ("_new.py", "from . import kobo"),
    ],
)
def test_an_import_upwards_or_a_new_part_cannot_be_drawn(place, line, tmp_path):
    for path in structure.PACKAGE.rglob("*.py"):
        copy = tmp_path / path.relative_to(structure.PACKAGE)
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(path.read_bytes())
    assert structure.draw(tmp_path) == PICTURES["structure.svg"]
    with (tmp_path / place).open("a") as file:
        file.write(f"\n{line}\n")
    with pytest.raises(ValueError, match="PLACES"):
        structure.draw(tmp_path)


# -- the performance --------------------------------------------------------------------------------------------------

TABLE_OF_RATIOS = """
==============================  ==========  ===========
Ratio of the medians            measured    wanted
==============================  ==========  ===========
a call : kobo, CPU              {}        at most 0.6
session : kobo, calls/s (krb5)  2.5; 11     2
==============================  ==========  ===========
"""


def test_the_chart_has_the_figures_of_the_page():
    page = performance.PAGE.read_text(encoding="utf-8")
    rows = performance.ratios(page)
    assert len(rows) > 5 and {row.is_cost for row in rows} == {True, False}
    texts = {element.text for element in ElementTree.fromstring(PICTURES["performance.svg"]).iter(f"{SVG}text")}
    for row in rows:
        assert row.measured in texts and row.wanted in texts and row.values and row.goal
        assert re.search(f"{re.escape(row.measured)} +{re.escape(row.wanted)}\n", page)


def test_the_rows_of_the_ratios_are_read():
    cost, rate = performance.ratios(TABLE_OF_RATIOS.format("0.73"))
    assert cost == performance.Ratio("a call : kobo", "", "0.73", "at most 0.6", True)
    assert rate == performance.Ratio("session : kobo", "krb5", "2.5; 11", "2", False)
    assert (cost.values, cost.goal, rate.values, rate.goal) == ([0.73], 0.6, [2.5, 11], 2)
    assert cost.is_better(0.73) and not rate.is_better(0.73)


def test_another_figure_makes_another_chart():
    drawn = [performance.draw(TABLE_OF_RATIOS.format(figure)) for figure in ("0.73", "0.74")]
    assert drawn[0] != drawn[1]


# -- the colours ------------------------------------------------------------------------------------------------------


def colours(picture):
    """Return the fill of each class, for each scheme."""
    light, _, dark = picture.find(f"{SVG}style").text.partition("@media (prefers-color-scheme: dark)")
    found = {scheme: re.findall(r"\.(\w+) \{ fill: (#\w{6}); \}", part) for scheme, part in zip(SCHEMES, (light, dark))}
    return {scheme: dict(pairs) for scheme, pairs in found.items()}


def fill(element, known):
    """Return the colour of an element; None if it has no fill."""
    return next((known[name] for name in element.get("class").split() if name in known), None)


def luminance(colour):
    """Return the relative luminance of a colour (WCAG 2)."""
    values = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in values]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    """Return the contrast of two colours (WCAG 2)."""
    dark, light = sorted([luminance(one), luminance(other)])
    return (light + 0.05) / (dark + 0.05)


def numbers(element, *names):
    return [float(element.get(name, "0")) for name in names]


def covers(shape, x, y):
    """Say whether a filled shape holds a point."""
    if shape.tag == f"{SVG}rect":
        left, top, width, height = numbers(shape, "x", "y", "width", "height")
        return left <= x <= left + width and top <= y <= top + height
    cx, cy, radius = numbers(shape, "cx", "cy", "r")
    return (x - cx) ** 2 + (y - cy) ** 2 <= radius**2


def extent(text):
    """Return the left, top, right and bottom of a text."""
    x, y = numbers(text, "x", "y")
    classes, width = text.get("class"), width_of(text.text, text.get("class"))
    left = x - {None: 0, "middle": width / 2, "end": width}[text.get("text-anchor")]
    return left, y - 0.75 * size_of(classes), left + width, y + 0.2 * size_of(classes)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_each_text_is_readable_on_its_ground(picture, scheme):
    known = colours(picture)[scheme]
    shapes, poor = [], []
    for element in picture:
        if element.tag in (f"{SVG}rect", f"{SVG}circle") and fill(element, known):
            shapes.append(element)
        elif element.tag == f"{SVG}text":
            left, top, right, bottom = extent(element)
            for x in (left + 2, (left + right) / 2, right - 2):
                ground = [shape for shape in shapes if covers(shape, x, (top + bottom) / 2)][-1]
                if contrast(fill(element, known), fill(ground, known)) < 4.5:
                    poor.append((element.text, ground.get("class")))
    assert poor == []


def test_both_schemes_colour_the_same_classes(picture):
    light, dark = colours(picture).values()
    assert len(light) > 5 and set(light) == set(dark)
    used = {name for element in picture.iter(f"{SVG}text") for name in element.get("class").split()}
    assert used <= set(light) | {"mono", "bold", "small"}


@pytest.mark.parametrize("one, other, ratio", [("#ffffff", "#000000", 21), ("#777777", "#777777", 1)])
def test_the_contrast_is_the_one_of_wcag(one, other, ratio):
    assert contrast(one, other) == pytest.approx(ratio)


# -- the layout -------------------------------------------------------------------------------------------------------


def test_no_text_stands_on_another_or_leaves_the_picture(picture):
    width, height = numbers(picture, "width", "height")
    placed = [(element.text, extent(element)) for element in picture.iter(f"{SVG}text")]
    assert [text for text, (x, y, right, bottom) in placed if x < 0 or y < 0 or right > width or bottom > height] == []
    pairs = itertools.combinations(placed, 2)
    assert [(one, other) for (one, a), (other, b) in pairs if overlap(a, b)] == []


def overlap(one, other):
    """Say whether two extents overlap."""
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
