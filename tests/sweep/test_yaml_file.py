"""Strict YAML: plain data with lines, or one message."""

import pytest

from sweep.yaml_file import MAX_BYTES, MAX_DEPTH, MAX_VALUES, parse_value, parse_yaml, read_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12", 12),
        ("-3", -3),
        ("0.5", 0.5),
        ("1e-3", 0.001),
        (".5", 0.5),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("text", "text"),
        ("'12'", "12"),
        ('"true"', "true"),
        ("[0, 1.5, x]", [0, 1.5, "x"]),
        ("{a: [1]}", {"a": [1]}),
        ("yes", "yes"),
        ("off", "off"),
        ("010", 10),
        ("1:30", "1:30"),
        ("2024-01-01", "2024-01-01"),
        ("0x10", "0x10"),
        ("1_000", "1_000"),
    ],
)
def test_scalars_mean_what_they_look_like(text, value):
    found = parse_value(text, name="--set x")
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb:\n  c: 1\n  c: 2", "s.yaml:4: b/c: this key is here twice, first in line 3"),
        ("a: 1\na: 1", "s.yaml:2: a: this key is here twice, first in line 1; keep one."),
        ("a:\n- {x: 1, x: 2}", "s.yaml:2: a/0/x: this key is here twice, first in line 2"),
        ("a: !!python/object/apply:os.system [ls]", "s.yaml:1: tags are not plain data, got 'tag:"),
        ("a: !include b.yaml", "s.yaml:1: tags are not plain data, got '!include'; leave it out."),
        ("a: !!str 5", "s.yaml:1: tags are not plain data"),
        ("a: &x 1\nb: *x", "s.yaml:1: anchors and aliases (&, *) are not plain data; write it"),
        ("a: [1", "s.yaml:1: this is not YAML: while parsing a flow sequence"),
        ("a: b: c", "s.yaml:1: this is not YAML: mapping values are not allowed here."),
        ("a:\n\tb: 1", "s.yaml:2: this is not YAML: while scanning for the next token"),
        ("a: \x01", "s.yaml: this is not YAML: unacceptable character"),
        ("- 1", "s.yaml: the top of the file must be `key: value` lines."),
        ("text", "s.yaml: the top of the file must be `key: value` lines."),
        ("", "s.yaml: there is nothing in it."),
        ("# only a comment", "s.yaml: there is nothing in it."),
        ("a: 1\n---\nb: 2", "s.yaml:2: a file holds one document, here starts another."),
        ("1: x", "s.yaml:1: keys must be text, got '1'; quote it."),
        ("a: {true: x}", "s.yaml:1: a: keys must be text, got 'true'; quote it."),
        ("? [a]\n: b", "s.yaml:1: keys must be text, got a collection."),
        ("a: .nan", "s.yaml:1: numbers must be finite, got .nan."),
        ("a: -.inf", "s.yaml:1: numbers must be finite, got -.inf."),
        ("a: 1e999", "s.yaml:1: numbers must be finite, got 1e999."),
        ("a: " + "9" * 50, "s.yaml:1: numbers have at most 40 digits."),
        ("a: " + "[" * 5000, f"s.yaml:1: values nest at most {MAX_DEPTH} deep."),
        (
            "a: [" + "1," * MAX_VALUES + "]",
            f"s.yaml:1: a file holds at most {MAX_VALUES:,} values.",
        ),
    ],
)
def test_what_is_not_plain_data_is_refused_with_its_line(text, message):
    with pytest.raises(ValueError) as refusal:
        parse_yaml(text, name="s.yaml")
    assert str(refusal.value).startswith(message)


def test_a_value_has_the_line_of_its_key_or_of_what_holds_it():
    file = parse_yaml("a: 1\nb:\n  c: 2\n  d: [5,\n 6]\n", name="s.yaml")
    assert file.place(("a",)) == "s.yaml:1"
    assert file.place(("b", "c")) == "s.yaml:3"
    assert file.place(("b", "d", 1)) == "s.yaml:5"
    assert file.place(("b", "missing")) == "s.yaml:2"
    assert file.place(("missing",)) == "s.yaml"


def test_a_value_alone_is_refused_without_a_line():
    with pytest.raises(ValueError, match=r"^--set x: tags are not plain data"):
        parse_value("!x 1", name="--set x")


def test_a_file_must_be_a_small_text_file(tmp_path):
    path = tmp_path / "s.yaml"
    with pytest.raises(ValueError, match="this is not a file"):
        read_yaml(tmp_path)
    path.write_bytes(b"a: \xff")
    with pytest.raises(ValueError, match=r"s\.yaml: the file is not UTF-8 text \(byte 3\)"):
        read_yaml(path)
    path.write_text("#" * (MAX_BYTES + 1))
    with pytest.raises(ValueError, match=r"the file may have 262,144 bytes, it has 262,145"):
        read_yaml(path)


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path):
    path = tmp_path / "s.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert read_yaml(path).data == {"a": 1}
