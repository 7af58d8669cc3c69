//! The syntax of RE2, as listed in its wiki and in Go's `regexp/syntax`: a match and a mismatch for each construct, or the error
//! for a construct that Go rejects. Every row was tried on Go 1.26.

use super::Expression;

/// Pattern, a name that matches, a name that does not match; `-` if there is none.
type Row = (&'static str, &'static str, &'static str);

const SINGLE_CHARACTERS: &[Row] = &[
    (r"^.$", "é", "\n"),
    (r"^[xyz]$", "y", "a"),
    (r"^[^xyz]$", "a", "y"),
    (r"^\d$", "1", "٣"),
    (r"^\D$", "٣", "1"),
    (r"^[[:alpha:]]$", "a", "é"),
    (r"^[[:^alpha:]]$", "é", "a"),
    (r"^\pN$", "٣", "a"),
    (r"^\PN$", "a", "٣"),
    (r"^\p{Greek}$", "α", "a"),
    (r"^\P{Greek}$", "a", "α"),
    (r"^\p{^Greek}$", "a", "α"),
    (r"^\P{^Greek}$", "α", "a"),
];

const COMPOSITES: &[Row] = &[
    ("^xy$", "xy", "yx"),
    ("^x|y$", "ay", "ax"),
    ("^(x|)$", "", "y"),
    ("^(|x)$", "x", "y"),
    ("", "", "-"),
    ("|", "a", "-"),
    ("^()$", "", "a"),
];

const REPETITIONS: &[Row] = &[
    ("^x*$", "", "y"),
    ("^x+$", "xx", ""),
    ("^x?$", "x", "xx"),
    ("^x{2,3}$", "xxx", "xxxx"),
    ("^x{2,}$", "xxxx", "x"),
    ("^x{2}$", "xx", "x{2}"),
    ("^x{0}$", "", "x"),
    ("^x*?$", "xx", "y"),
    ("^x+?$", "xx", ""),
    ("^x??$", "x", "xx"),
    ("^x{2,3}?$", "xx", "x"),
    ("^x{2,}?$", "xxx", "x"),
    ("^x{2}?$", "xx", "x"),
    ("^x{1000}", "-", "x"),
    // A brace without a valid repetition is text.
    ("^x{}$", "x{}", "x"),
    ("^x{,2}$", "x{,2}", "x"),
    ("^x{a}$", "x{a}", "x"),
    ("^x{02}$", "x{02}", "xx"),
    ("^x{2,03}$", "x{2,03}", "xx"),
    ("^x{ 2}$", "x{ 2}", "xx"),
    ("^{$", "{", "}"),
    ("^}$", "}", "{"),
    ("^(?:x*)*$", "xx", "y"),
    ("^^*x$$", "x", "y"),
];

const GROUPS: &[Row] = &[
    ("^(x)$", "x", "y"),
    ("^(?P<name>x)$", "x", "y"),
    ("^(?<name>x)$", "x", "y"),
    ("^(?P<1a>x)(?P<1a>y)$", "xy", "x"),
    ("^(?:x)$", "x", "y"),
    ("^(?i)x$", "X", "y"),
    ("^(?i:x)y$", "Xy", "XY"),
    ("^(?i)x(?-i)y$", "Xy", "XY"),
    ("^(?i:é)$", "É", "e"),
    ("^(?i)k$", "\u{212a}", "x"),
    ("(?m)^b$", "a\nb\nc", "abc"),
    ("^(?s).$", "\n", ""),
    ("^(?s-s).$", "a", "\n"),
    ("^(?imsU)x+$", "XX", "y"),
    ("^(?ii-m)x$", "X", "y"),
    ("^(?)x$", "x", "y"),
];

const EMPTY: &[Row] = &[
    ("^a", "ab", "ba"),
    ("a$", "ba", "ab"),
    (r"\Aa", "ab", "ba"),
    (r"a\z", "ba", "a\n"),
    (r"a\b", "a-b", "ab"),
    (r"é\b", "éa", "é"),
    (r"a\B", "ab", "a-b"),
    (r"\B", "aé", "aéb"),
    (r"^a\B\Bb$", "ab", "a b"),
];

const ESCAPES: &[Row] = &[
    (r"^\a\f\t\n\r\v$", "\u{7}\u{c}\t\n\r\u{b}", "afnrtv"),
    (r"^\*\.\-\_\/\<\>\:\ \#\@\&\~$", "*.-_/<>: #@&~", "-"),
    (r"^\123\01\0\101$", "S\u{1}\0A", "S"),
    (r"^\x7F\x41\x{42}\x{0000e9}\x{10FFFF}$", "\u{7f}ABé\u{10ffff}", "A"),
    (r"^\x{D800}?a$", "a", "b"),
    (r"\x{D800}", "-", "a"),
    (r"\Qa.b\E", "a.b", "axb"),
    (r"^\Qa.b\Ec.$", "a.bcd", "axbcd"),
    (r"^\Qa.b", "a.b", "axb"),
    (r"^\Qa|(\E$", "a|(", "a"),
    (r"^\Qab\E+$", "abb", "abab"),
    (r"^\Q\Ea\Q\\E$", r"a\", "a"),
    (r"^(?i)\Qé.\E\d$", "É.1", "Éx1"),
];

const CLASSES: &[Row] = &[
    (r"^[A-Fx]$", "B", "X"),
    (r"^[\d]$", "1", "a"),
    (r"^[^\d]$", "a", "1"),
    (r"^[\D]$", "a", "1"),
    (r"^[^\D]$", "1", "a"),
    (r"^[[:digit:]_]$", "_", "a"),
    (r"^[^[:digit:]_]$", "a", "_"),
    (r"^[\p{Greek}]$", "α", "a"),
    (r"^[^\pL]$", "1", "a"),
    (r"^[\s]$", "\t", "\u{a0}"),
    (r"^[\S]$", "\u{a0}", "\t"),
    (r"^[\w.-]$", "-", ","),
    (r"^[\W]$", "é", "a"),
    (r"^[\d-z]$", "-", "5x"),
    (r"^[\pL-.]$", "-", "1"),
    (r"^[\d--/]$", ".", ":"),
    (r"^[]a]$", "]", "["),
    (r"^[^]a]$", "b", "]"),
    (r"^[a-]$", "-", "b"),
    (r"^[-a]$", "-", "b"),
    (r"^[+--]$", ",", "."),
    (r"^[[]$", "[", "]"),
    (r"^[[a]$", "[", "b"),
    (r"^[[:alpha]$", ":", "b"),
    (r"^[:alpha:]$", ":", "b"),
    (r"^[a&&b~~c]+$", "a&b~c", "d"),
    (r"^[\]\-\^\\\n]$", "^", "n"),
    (r"^[\x41-\x{43}\104]+$", "ABCD", "E"),
    (r"^[\x{D000}-\x{E000}]$", "\u{d001}", "a"),
    (r"^[^\x{D800}]$", "a", "ab"),
    (r"[\x{D800}-\x{DFFF}]", "-", "a"),
    (r"^[.$^*|()#/ ]+$", ".$^*|()#/ ", "a"),
];

/// Each named class, a character in it, and a character that is not in it.
const NAMES: &[(&str, &str, &str)] = &[
    ("alnum", "z", "_"),
    ("alpha", "z", "1"),
    ("ascii", "\u{7f}", "é"),
    ("blank", "\t", "\n"),
    ("cntrl", "\u{1f}", " "),
    ("digit", "0", "a"),
    ("graph", "!", " "),
    ("lower", "a", "A"),
    ("print", " ", "\t"),
    ("punct", "_", "a"),
    ("space", "\u{b}", "a"),
    ("upper", "A", "a"),
    ("word", "_", "-"),
    ("xdigit", "F", "g"),
];

const CATEGORIES: &[&str] = &[
    "C",
    "Cc",
    "Cf",
    "Cn",
    "Co",
    "Cs",
    "L",
    "LC",
    "Ll",
    "Lm",
    "Lo",
    "Lt",
    "Lu",
    "M",
    "Mc",
    "Me",
    "Mn",
    "N",
    "Nd",
    "Nl",
    "No",
    "P",
    "Pc",
    "Pd",
    "Pe",
    "Pf",
    "Pi",
    "Po",
    "Ps",
    "S",
    "Sc",
    "Sk",
    "Sm",
    "So",
    "Z",
    "Zl",
    "Zp",
    "Zs",
    "Any",
    "ASCII",
    "Assigned",
    "Letter",
    "uppercase_letter",
    "Latin",
    "Cyrillic",
    "Han",
    "Arabic",
    "Hebrew",
    "Thai",
    "Common",
    "Inherited",
];

/// Patterns that Go rejects, and the error.
const REJECTED: &[(&str, &str)] = &[
    // Single characters, and Unicode classes that do not exist.
    (r"\C", "no single bytes; write `.`"),
    (r"[\C]", "no single bytes"),
    (r"\p{Foo}", "`Foo` is not a Unicode class"),
    (r"\pA", "`A` is not a Unicode class"),
    (r"\p{L&}", "`L&` is not a Unicode class"),
    (r"\p{Greek", "not closed by `}`"),
    (r"\p{}", "is not a Unicode class"),
    (r"\p", "is not a Unicode class"),
    // Repetitions.
    ("x**", "repeats a repetition"),
    ("x*+", "repeats a repetition"),
    ("x++", "repeats a repetition"),
    ("x?+", "repeats a repetition"),
    ("x{2}+", "repeats a repetition"),
    ("x{2}{3}", "repeats a repetition"),
    ("x{1001}", "exceeds 1000"),
    ("x{1001,}", "exceeds 1000"),
    ("x{2,1}", "larger number first"),
    ("*.foo", "nothing before `*`"),
    ("(+a)", "nothing before `+`"),
    ("a|?", "nothing before `?`"),
    ("{2}", "nothing before `{2}`"),
    ("(*UTF8)", "nothing before `*`"),
    // Groups.
    ("(?#text)", "only the groups"),
    ("(?|x|y)", "only the groups"),
    ("(?>x)", "only the groups"),
    ("(?(1)x|y)", "only the groups"),
    ("(?C)", "only the groups"),
    ("(?'name'x)", "`(?P<name>...)`"),
    ("(?P<a-b>x)", "`a-b` is not a valid group name"),
    ("(?P<é>x)", "is not a valid group name"),
    ("(?<a.b>x)", "is not a valid group name"),
    ("(?<>x)", "is not a valid group name"),
    ("(?P<name", "not closed by `>`"),
    ("(?P=name)", "cannot refer to another"),
    ("(?P>name)", "cannot refer to another"),
    ("(?&name)", "cannot refer to another"),
    ("(?R)", "cannot refer to another"),
    ("(?1)", "cannot refer to another"),
    ("(?x)a b", "only the flags i, m, s and U"),
    ("(?u:a)", "only the flags i, m, s and U"),
    ("(?n)a", "only the flags i, m, s and U"),
    ("(?i-)a", "a `-` without a flag"),
    ("(?", "not closed by `)`"),
    ("(a", "a `(` is not closed"),
    ("a)", "a `)` closes no `(`"),
    // Empty strings.
    ("x(?=y)", "no look-ahead and no look-behind"),
    ("x(?!y)", "no look-ahead and no look-behind"),
    ("(?<=y)x", "no look-ahead and no look-behind"),
    ("(?<!y)x", "no look-ahead and no look-behind"),
    (r"x\Z", "write `\\z`"),
    (r"\Gx", "`\\G` is not an escape"),
    (r"a\Kb", "`\\K` is not an escape"),
    // Escapes.
    (r"(a)\1", "no backreferences"),
    (r"\8", "no backreferences"),
    (r"(?P<n>a)\k<n>", "no backreferences"),
    (r"(a)\g1", "no backreferences"),
    (r"\cA", "`\\x01`"),
    (r"\e", "`\\x1b`"),
    (r"\h", "`[ \\t]`"),
    (r"\R", "`\\n`"),
    (r"\X", "`\\X` is not an escape"),
    (r"\N{LATIN SMALL LETTER A}", "`\\N` is not an escape"),
    (r"\u0041", "`\\x{00e9}`"),
    (r"\E", "no `\\Q` before it"),
    (r"\q", "remove the backslash"),
    (r"\é", "remove the backslash"),
    (r"\x", "two digits"),
    (r"\x4", "two digits"),
    (r"\x{}", "two digits"),
    (r"\x{4 1}", "two digits"),
    (r"\x{110000}", "two digits"),
    ("a\\", "ends with a backslash"),
    // Classes.
    ("[a", "not closed by `]`"),
    ("[]", "not closed by `]`"),
    ("[^]", "not closed by `]`"),
    ("[z-a]", "`z-a` is in the wrong order"),
    ("[a--]x]", "`a--` is in the wrong order"),
    (r"[a-\d]", "a range ends with a character"),
    (r"[\b]", "a class contains only characters"),
    (r"[\A]", "a class contains only characters"),
    (r"[\Qa\E]", "a class cannot contain `\\Q..\\E`"),
    ("[[:foo:]]", "`[:foo:]` is not a class; write one of alnum,"),
    ("[[:Alpha:]]", "is not a class"),
];

#[test]
fn each_construct_of_re2_finds_what_go_finds() {
    let all = [SINGLE_CHARACTERS, COMPOSITES, REPETITIONS, GROUPS, EMPTY, ESCAPES, CLASSES];
    for (pattern, yes, no) in all.into_iter().flatten() {
        let expression = Expression::compile(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"));
        assert!(*yes == "-" || expression.fits(yes), "{pattern} is not found in {yes:?}");
        assert!(*no == "-" || !expression.fits(no), "{pattern} is found in {no:?}");
    }
    for (name, yes, no) in NAMES {
        let fits = |pattern: &str, text: &str| Expression::compile(pattern).expect(pattern).fits(text);
        for (pattern, negated) in
            [(format!("^[[:{name}:]]$"), format!("^[[:^{name}:]]$")), (format!("^[x[:{name}:]x]$"), format!("^[^[:{name}:]]$"))]
        {
            assert!(fits(&pattern, yes) && !fits(&pattern, no) && !fits(&negated, yes) && fits(&negated, no), "{name}");
        }
    }
    for category in CATEGORIES {
        let both =
            Expression::compile(&format!(r"^(\p{{{category}}}|\P{{{category}}})$")).unwrap_or_else(|error| panic!("{category}: {error}"));
        assert!(both.fits("a") && both.fits("é"), "{category}");
    }
}

#[test]
fn patterns_that_go_rejects_are_rejected_with_advice() {
    for (pattern, says) in REJECTED {
        let Err(error) = Expression::compile(pattern) else { panic!("{pattern} must not compile") };
        assert!(error.contains(says) && error.ends_with('.') && !error.contains('\n'), "{pattern}: {error}");
    }
}

/// Known differences: patterns that only one of the two accepts.
#[test]
fn known_differences_from_go() {
    assert!(Expression::compile("(x{100}){100}").is_ok(), "bounded by its size only");
    assert!(Expression::compile(r"\p{Emoji}").is_ok(), "all classes of Unicode");
    let error = Expression::compile("a(?s)*").expect_err("Go repeats what stands before the flags");
    assert!(error.contains("write `*` before them"), "{error}");
    let error = Expression::compile("(?:a{999}b{999}){999}").expect_err("as in Go, by its size");
    assert!(error.contains("too big"), "{error}");
}

#[test]
fn captures_are_those_of_go() {
    for (pattern, name, wanted) in [
        ("(a+)(b+)", "xaabb", &["aabb", "aa", "bb"][..]),
        ("(a+?)(a*)", "aaa", &["aaa", "a", "aa"]),
        ("(?U)(a+)(a*)", "aaa", &["a", "a", ""]),
        ("(a|ab)(c|bcd)", "abcd", &["abcd", "a", "bcd"]),
        ("(a)|(b)", "b", &["b", "", "b"]),
        (r"\Qa.\E(.*)", "a.b", &["a.b", "b"]),
        (r"^(?:x)(?P<n>\d+)", "x12", &["x12", "12"]),
    ] {
        let expression = Expression::compile(pattern).expect(pattern);
        let taken: Vec<&str> = expression.captures(name).expect(pattern).into_iter().map(|range| &name[range]).collect();
        assert_eq!(taken, wanted, "{pattern}");
    }
    let names = |pattern: &str| {
        let expression = Expression::compile(pattern).expect(pattern);
        expression.names().into_iter().map(|name| name.unwrap_or("-").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(r"(?P<n>a)(b)(?<n>c)(?:d)\Q(\E(?P<1>e)"), ["-", "n", "-", "n", "1"]);
}
