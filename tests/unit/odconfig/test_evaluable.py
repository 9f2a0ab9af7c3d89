"""What CherryPy can evaluate passes, what it can't is refused; nothing is executed."""

from __future__ import annotations

import warnings
from typing import Any, List

import pytest
from cherrypy.lib.reprconf import unrepr
from hypothesis import example, given, reject, settings
from hypothesis import strategies as st

from abcwebrtc.odconfig.evaluable import check_evaluable
from abcwebrtc.odconfig.ini import Budget
from abcwebrtc.odconfig.value_tokens import MAX_NESTING, MAX_OPERATORS, BoundsError, LiteralError


def check(text: str) -> List[int]:
    return list(check_evaluable(tuple(enumerate(text.split("\n"), 1)), Budget()).doubts)


def passes(text: str) -> bool:
    try:
        check(text)
    except BoundsError:
        reject()  # not judged
    except LiteralError:
        return False
    return True


def cherrypy_takes(text: str) -> bool:
    """Evaluate a text for real: only for texts that do no harm."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a call of a text, and the like
        try:
            unrepr(text)
        except Exception:
            return False
    return True


def refusal_of(text: str) -> LiteralError:
    with pytest.raises(LiteralError) as caught:
        check(text)
    assert not isinstance(caught.value, BoundsError)
    return caught.value


TAKEN = [
    *("", "True", "None", "'a'", "b'a'", "1", "-1", "1.5e3", "3j", "...", "0x1F", "1_000"),
    *("[1, 'a', (), {}]", "{'a': {'b': [1]}}", "(1,)", "1, 2", "[]", "{1: 2, 'a': 3}", "()"),
    *("1 + 2 * 3", "'a' + 'b'", "'a' 'b'", "[1] * 3", "-(1 + 2)", "'a' * -1", "-True", "1 + 2j"),
    *("{**{'a': 1}}", "{**1, 'b': 2}", "{(1, 2): 3}", "'a' # note", "[1,\n# note\n2]", "-1.5"),
    *("os", "json", "os.path", "os.path.join", "os.environ", "str", "len", "dict", "id", "list"),
    *("os.path.join('a', 'b')", "dict(a=1)", "str(1)", "int('3')", "len([1])", "dict([(1, 2)])"),
    *("dict(a=1, **{'b': 2})", "max(*[1, 2])", "str(1) + 'a'", "[str(1), {'a': int('2')}]"),
    *("{'a': 1}['a']", "['a'][0]", "'abc'[1]", "['a'][-1]", "{(1, 2): 3}[1, 2]", "'abc'[1][0]"),
    *("'a'.upper", "'a'.upper()", "'a b'.split()[0]", "{}.get", "''.join", "'%s'.format(1)"),
    *("'a'\nb", "'a'; b", "1\n2", "a = 1", "b = c = 'd'", "'a';", "(\n'a'\n'b'\n)"),
    *("__debug__", "__name__", "NotImplemented", "-len([1])", "str(1) * 2", "Ellipsis", "(1)"),
    *("math.pi * 2", "-math.pi", "math.pi + math.e", "string.digits[0]", "'\\\n a'", "u'a'"),
    *("dict(a=1)['a']", "{os: 1}", "[os] * 2", "{str: 1}[str]", "['a'][len([])]", "\\\n'a'"),
]
REFUSED = [
    *("true", "false", "null", "none", "yes", "TRUE", "INFO", "text", "undefined_name", "a b"),
    *("{'a': true}", "['a', b]", "{a: 1}", "(word)", "-word", "word + 'a'", "f(1)", "f('a')()"),
    *("'a", '"a', "'a\"", "['a'", "{'a': 1", "('a'", "'''a", "]", "'a')", "[1}", "{'a': [1}", "{["),
    *("{1}", "{1, 2}", "{'a', 'b'}", "1 < 2", "'a' == 'a'", "1 in [1]", "f'a'", "f'{1}'"),
    *("1 - 2", "1 / 2", "2 ** 3", "7 % 2", "7 // 2", "1 | 2", "1 << 2", "'%s' @ 1", "+1", "~1"),
    *("not True", "True and False", "True or False", "1 if True else 2", "lambda: 1"),
    *("[x for x in []]", "{x: 1 for x in []}", "(x for x in [])", "[*[1]]", "(*[1], 2)"),
    *("'abc'[1:2]", "'abc'[:]", "[1][0:1, 0]", "(a := 1)", "yield", "(yield)", "await x"),
    *("'a' b", "'a' 1", "1 'a'", "[1 2]", "{'a' 1}", "{'a': 1 'b': 2}", "{'a': }", "[1,,2]"),
    *("10.0.0.1", "/usr/bin", "10m", "08", "http://a.b", "a:b", "é'", "\u2018a\u2019", "$A", "?"),
    *("# only a note", "\n'a'", "= 1", "import os", "if", "'a' =", "1 = 2", "pass", "\x00"),
    "'\x00'",
    *("-'a'", "-[1]", "-None", "'a' + 1", "[] + ()", "{} + {}", "'a' * 'b'", "None * 2"),
    "[] * 1.5",
    *("{[]: 1}", "{{}: 1}", "{(1, []): 2}", "'a'()", "1(2)", "['a']('b')", "('a')('b')", "None()"),
    *("'a'.nothing", "1 .nothing", "{}.a", "'a'['b']", "['a'][1]", "{'a': 1}['b']", "1[0]"),
    "[][0]",
    *("os()", "os('a')", "os[0]", "os + 'a'", "-os", "json * 2", "str + 'a'", "-len", "len + len"),
    *("dict(**1)", "dict(**'a')", "str(word)", "str(a=word)", "max(*word)", "dict(**word)"),
    *("os.path.join('a', word)", "word['a']", "str({1})", "'a'\n'b", "'a'\n 'b'", "1;;2", "'a'\n)"),
    *("b'a' 'b'", "b'a' + 'b'", "'\\x1'", "'\\N{nothing like it}'", "r'\\'", "1__0", "0777", "1e"),
]


@pytest.mark.parametrize("text", TAKEN)
def test_what_cherrypy_takes_passes(text: str) -> None:
    assert cherrypy_takes(text)
    check(text)


@pytest.mark.parametrize("text", REFUSED)
def test_what_cherrypy_refuses_is_refused(text: str) -> None:
    assert not cherrypy_takes(text)
    error = refusal_of(text)
    assert 0 <= error.index <= text.count("\n") + 1


@pytest.mark.parametrize(
    ("text", "index", "words"),
    [
        ("{ 'enable': true }", 0, "write True"),
        ("{ 'a: 'b' }", 0, "a quote is not closed"),
        ("{\n'a': [ 1,\n'b': 2 }", 1, "the bracket or quote that opens here is not closed"),
        ("'a' ]", 0, "']' closes no open bracket"),
        ("\n{ }", 0, "must begin on the line of its key"),
        ("{ 'a', 'b' }", 0, "accepts no set; write a list, [ ... ], or a dict with a ':' after"),
        ("[\n'a' if 1 else 2 ]", 1, "accepts no 'if'; write a plain value"),
        ("[ x for x in [1] ]", 0, "accepts no expression of this kind; write a plain value"),
        ("{ 'a': 1 } // text", 0, "'//' does not begin a comment; '#' does"),
        (
            "[\n'C:\\Users\\me' ]",
            1,
            "a '\\' in text begins an escape that Python can't read; write '\\\\'",
        ),
        ("[\n'C:\\Dir\\', 1 ]", 1, "a '\\' right before the closing quote keeps it open; write"),
        ("[\n'a'\u00a0, 1 ]", 1, "an invisible character; write a plain space"),
        ("$HOME", 0, "a character that is only allowed in quotes"),
        ("[ \u2018a\u2019 ]", 0, "not a straight one"),
        ("[ 1,\nf'a' ]", 1, "an f-string"),
        ("[\n7 - 2 ]", 1, "accepts only '+' and '*'"),
        ("[\n+ 1 ]", 1, "accepts only '-'"),
        ("[\n'a'\n'b': 1 ]", 2, "a comma or a quote may be missing"),
        ("[\n'a'\n('b') ]", 1, "a comma is missing"),
        ("[\n-'a' ]", 1, "not a number"),
    ],
)
def test_a_refusal_says_where_and_what_to_write(text: str, index: int, words: str) -> None:
    error = refusal_of(text)
    assert error.index == index
    assert words in error.reason


@pytest.mark.parametrize(
    ("text", "indexes"),
    [
        ("turn.example.net", [0]),
        ("[\nturn.example.net,\n'a',\nmodule.name ]", [1, 3]),
        ("module.call('a').attribute + module.other", [0, 0]),
        ("os.environ['A'] + str(1)", []),
    ],
)
def test_a_module_that_only_pyos_may_have_is_a_doubt(text: str, indexes: List[int]) -> None:
    assert check(text) == indexes


# as CherryPy, whatever it is

NAMES = ["os", "true", "word", "json", "None", "os"]
ATOMS = ["1", "-2", "'a'", "'b'", "True", "1.5", "b'c'", "()", "[]", "{}", "...", *NAMES]
ATOMS += ["'", "f'a'", "", "# a", "*[1]", "2j", "'d' 'e'", "'''f\ng'''"]
SHAPES = ["[{}]", "[{}, {}]", "({})", "({},)", "{{{}: {}}}", "{{{}}}", "{} + {}", "{} * {}", "-{}"]
SHAPES += [
    "{} - {}",
    "not {}",
    "{} {}",
    "{}\n{}",
    "{}[{}]",
    "{}[{}:{}]",
    "{} if {} else {}",
    "{}; {}",
]
SHAPES += ["{{**{}}}", "{} < {}", "+{}", "{} = {}", "[{}\n, {}", "{}, {}", "{}.upper", "{}.keys"]


def expressions(shapes: List[str], atoms: List[str]) -> Any:
    return st.recursive(
        st.sampled_from(atoms),
        lambda inner: st.builds(
            lambda shape, parts: shape.format(*parts),
            st.sampled_from(shapes),
            st.tuples(*[inner] * 3),
        ),
        max_leaves=8,
    )


@settings(max_examples=500)
@given(expressions(SHAPES, ATOMS))
@example("{os: 1}[os]")
@example("[len][0]")
@example("{**{1}}")
def test_what_needs_no_run_is_judged_as_cherrypy_does(text: str) -> None:
    assert passes(text) <= cherrypy_takes(text) or "upper" in text or "keys" in text
    assert passes(text) >= cherrypy_takes(text)


CALLS = ["str({})", "dict({}, a={})", "len({})", "dict(**{})", "str(*{})", "{}.upper()", "{}({})"]


@settings(max_examples=300)
@given(expressions([*SHAPES, *CALLS], [*ATOMS, "len", "str"]))
def test_what_cherrypy_takes_is_never_refused(text: str) -> None:
    assert passes(text) or not cherrypy_takes(text)


@settings(max_examples=300)
@given(st.text(st.sampled_from("aT1'\"[](){}:,.+-*=#\\ \n%;<é\t"), max_size=12))
def test_any_text_is_judged_as_cherrypy_does(text: str) -> None:
    text = "\n".join(line.strip() for line in text.split("\n"))  # as configparser hands it over
    takes = cherrypy_takes(text)
    assert passes(text) >= takes
    assert passes(text) <= takes or check(text), "but for a module that pyos may have"


# bounds


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[" * (MAX_NESTING + 1) + "]" * (MAX_NESTING + 1), "nested"),
        ("os" + ".a" * (MAX_OPERATORS + 1), "operators"),
        ("str" + "()" * (MAX_OPERATORS + 1), "operators"),
        ("str" + "[0]" * (MAX_OPERATORS + 1), "operators"),
        ("not " * (MAX_OPERATORS + 1) + "1", "operators"),
        ("lambda a, b=" * (MAX_OPERATORS + 1) + "1", "operators"),
        ("-" * (MAX_OPERATORS + 1) + "1", "operators"),
        ("[- - " * 40 + "-" * 30 + "1" + "]" * 40, "operators"),
        ("1" * 101, "digits"),
        ("'a' * 1000000000", "large"),
        ("[[0] * 1000] * 1000 * 1000", "large"),
    ],
)
def test_what_is_too_long_or_too_deep_is_not_looked_at(text: str, words: str) -> None:
    with pytest.raises(BoundsError, match=words):
        check(text)


@pytest.mark.parametrize(
    "text",
    [
        "[" + "-1, " * 500 + "]",
        "{" + "'a': os.environ['A'] + 'b', " * 500 + "}",
        "'a' " * 500,
        "[" * MAX_NESTING + "]" * MAX_NESTING,
    ],
)
def test_what_is_long_and_flat_is_looked_at(text: str) -> None:
    assert passes(text)
