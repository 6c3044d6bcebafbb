use super::*;

fn of(kind: Kind) -> ValueType {
    ValueType { kind, max_len: 64, lead: Vec::new(), unicode: false }
}

fn accept(value_type: &ValueType, given: &str) -> Option<String> {
    value_type.accept(given).ok().map(|value| value.as_str().to_owned())
}

fn url(schemes: &[&str]) -> Kind {
    let schemes = schemes.iter().map(|&scheme| scheme.to_owned()).collect();
    Kind::Url { schemes, ip: true, scope: Scope::Engagement }
}

fn each_kind() -> Vec<ValueType> {
    let range = Range { min: 0, max: 100 };
    vec![
        of(Kind::Bool),
        of(Kind::Duration(range, Rendering::Plain)),
        of(Kind::Enum(vec!["a".to_owned()])),
        of(Kind::File(BTreeMap::from([("a".to_owned(), "/a".to_owned())]))),
        of(Kind::Hostname { ip: true }),
        of(Kind::Int(range)),
        of(Kind::List(Box::new(List { of: of(Kind::Text), separator: ",".to_owned(), max: 9 }))),
        of(Kind::Literal("a".to_owned())),
        of(Kind::Path { beneath: "/a".to_owned() }),
        of(Kind::Ports { max: 9 }),
        of(Kind::Regex(Pattern::new("[a-z][a-z-]*").unwrap())),
        of(Kind::Size(range, Rendering::Plain)),
        of(Kind::Text),
        of(Kind::Target { max_hosts: 256, scope: Scope::Engagement }),
        of(url(&["http"])),
        of(Kind::UrlOrTarget {
            schemes: vec!["http".to_owned()],
            max_hosts: 256,
            scope: Scope::Engagement,
        }),
    ]
}

#[test]
fn every_type_refuses_what_no_value_may_be() {
    let long = "a".repeat(65);
    for value_type in each_kind() {
        for given in [
            "",
            "-",
            "-a",
            "--",
            "@a",
            "+a",
            "a\0",
            "a\n",
            "\t",
            "\u{7f}",
            "\u{e9}",
            "a\u{202e}",
            &long,
        ] {
            assert_eq!(accept(&value_type, given), None, "{given:?} as {value_type}");
        }
    }
}

#[test]
fn unicode_lets_letters_in_and_nothing_invisible() {
    let text = ValueType { unicode: true, ..of(Kind::Text) };
    assert_eq!(accept(&text, "gr\u{fc}n"), Some("gr\u{fc}n".to_owned()));
    for hidden in ["\u{200b}", "\u{feff}", "\u{2028}", "\u{e0041}", "\u{85}", "\u{ad}", "\u{2066}"]
    {
        assert_eq!(accept(&text, &format!("a{hidden}")), None, "{hidden:?}");
    }
}

#[test]
fn a_refusal_never_repeats_the_value() {
    for value_type in each_kind() {
        for given in ["hunter2\n", "-hunter2", "hunter2!\u{e9}"] {
            let why = value_type.accept(given).unwrap_err().to_string();
            assert!(!why.contains("hunter2"), "{why}");
        }
    }
}

#[test]
fn patterns_are_anchored_on_both_sides() {
    let pattern = of(Kind::Regex(Pattern::new("a|b").unwrap()));
    assert_eq!(accept(&pattern, "a"), Some("a".to_owned()));
    for given in ["ax", "xb", "a|b", "ab"] {
        assert_eq!(accept(&pattern, given), None, "{given}");
    }
}

#[test]
fn patterns_that_match_what_no_value_may_be_are_refused_at_load() {
    for (pattern, what) in [
        ("a*", "the empty string"),
        ("[ -~]{1,64}", "text with a leading dash"),
        ("-[a-z]{5}", "text with a leading dash"),
        ("(?s)a.", "text with control characters"),
        ("[^a]b?", "text with a leading dash"),
        ("a\\s?", "text with control characters"),
    ] {
        assert_eq!(
            Pattern::new(pattern).unwrap_err(),
            text::BadPattern::Matches(what),
            "{pattern}"
        );
    }
    for pattern in ["a)|(b", "(", "[a-z]{1,1000}{1,1000}", "(?<name>", "\\1"] {
        let refused = Pattern::new(pattern);
        assert!(matches!(refused, Err(text::BadPattern::Compile(_))), "{pattern}: {refused:?}");
    }
    assert_eq!(Pattern::new(&"a".repeat(1025)).unwrap_err(), text::BadPattern::Long(1025));
}

#[test]
fn one_set_of_ports_has_one_spelling() {
    let ports = of(Kind::Ports { max: 70_000 });
    assert_eq!(accept(&ports, "3,1,2"), Some("1-3".to_owned()));
    assert_eq!(accept(&ports, "65535,1-65535"), Some("1-65535".to_owned()));
    for given in ["", "1,", ",1", "1-", "1-2-3", "0", "65536", "1 2", "T:1", "*", "[1-5]"] {
        assert_eq!(accept(&ports, given), None, "{given}");
    }
}

#[test]
fn times_and_sizes_are_rendered_in_their_base_unit() {
    let time = of(Kind::Duration(Range { min: 1, max: 3_600 }, Rendering::Unit));
    assert_eq!(accept(&time, "1h"), Some("3600s".to_owned()));
    assert_eq!(accept(&time, "90"), Some("90s".to_owned()));
    let size = of(Kind::Size(Range { min: 1, max: 1 << 20 }, Rendering::Plain));
    assert_eq!(accept(&size, "1M"), Some("1048576".to_owned()));
    for given in ["0", "61m", "2h", "1.5h", "1hh", "h", "99999999999999999999h"] {
        assert_eq!(accept(&time, given), None, "{given}");
    }
    assert_eq!(accept(&size, "18446744073709551615T"), None);
}

#[test]
fn addresses_have_one_strict_spelling() {
    let host = of(Kind::Hostname { ip: true });
    assert_eq!(accept(&host, "192.0.2.1"), Some("192.0.2.1".to_owned()));
    assert_eq!(accept(&host, "2001:DB8:0:0::1"), Some("2001:db8::1".to_owned()));
    for given in [
        "192.0.2",
        "192.0.2.256",
        "0300.0.2.1",
        "0xc0.0.2.1",
        "3221225985",
        "192.0.2.1.",
        "::ffff:192.0.2.1",
        "[2001:db8::1]",
        "fe80::1%eth0",
        "192.0.2.0/24",
        "192.0.2.1-9",
        "1.2.3.4:80",
    ] {
        assert_eq!(accept(&host, given), None, "{given}");
    }
    assert_eq!(accept(&of(Kind::Hostname { ip: false }), "192.0.2.1"), None);
}

#[test]
fn host_names_follow_rfc_1123() {
    let host = ValueType { max_len: 300, ..of(Kind::Hostname { ip: false }) };
    let label = "a".repeat(63);
    assert_eq!(accept(&host, "LocalHost"), Some("localhost".to_owned()));
    assert_eq!(accept(&host, "3com.example"), Some("3com.example".to_owned()));
    assert!(accept(&host, &format!("{label}.{label}.{label}.com")).is_some());
    for given in [
        "a..b",
        ".a",
        "a.",
        "a-.b",
        "a.-b",
        "a_b.c",
        "a b",
        "a*.b",
        "a.0x1",
        &format!("{label}a.com"),
        &format!("{label}.{label}.{label}.{label}"),
    ] {
        assert_eq!(accept(&host, given), None, "{given}");
    }
}

#[test]
fn urls_have_a_host_and_nothing_that_hides_another() {
    let url = of(url(&["http", "https"]));
    assert_eq!(accept(&url, "http://A.test"), Some("http://a.test/".to_owned()));
    assert_eq!(accept(&url, "http://a.test?q"), Some("http://a.test/?q".to_owned()));
    assert_eq!(
        accept(&url, "http://[2001:DB8::1]:80/"),
        Some("http://[2001:db8::1]:80/".to_owned())
    );
    for given in [
        "http:a.test",
        "http:///a",
        "//a.test",
        "http://",
        "http://a.test:",
        "http://a.test:0/",
        "http://a.test:65536/",
        "http://a.test:080/",
        "http://u:p@a.test/",
        "http://a.test\\@b.test/",
        "http://a.test/#x",
        "http://a.test/%2",
        "http://a.test/<x>",
        "http://a.test/ x",
        "http://[::1/",
        "http://[a.test]/",
        "http://[::1]x/",
        "http://a.test:80:80/",
        "javascript://a.test/",
        "http://2130706433/",
    ] {
        assert_eq!(accept(&url, given), None, "{given}");
    }
}

#[test]
fn paths_stay_beneath_their_directory() {
    let path = of(Kind::Path { beneath: "/srv/data".to_owned() });
    assert_eq!(accept(&path, "/srv/data/"), Some("/srv/data".to_owned()));
    assert_eq!(accept(&path, "/srv/data/a"), Some("/srv/data/a".to_owned()));
    for given in [
        "/",
        "/srv",
        "/srv/database",
        "/srv/data/..",
        "/srv/data/./a",
        "/srv/data//a",
        "srv/data",
        "a",
        "/srv/data/a/../../../etc/shadow",
        "/srv/data/a//",
    ] {
        assert_eq!(accept(&path, given), None, "{given}");
    }
}

#[test]
fn a_list_holds_its_items_to_their_type() {
    let item = of(Kind::Int(Range { min: 1, max: 9 }));
    let list = of(Kind::List(Box::new(List { of: item, separator: ",".to_owned(), max: 2 })));
    assert_eq!(accept(&list, "1,9"), Some("1,9".to_owned()));
    for given in ["1,2,3", "1,10", "1,", ",1", "1,-1", "1;2"] {
        assert_eq!(accept(&list, given), None, "{given}");
    }
}

#[test]
fn targets_are_written_in_one_way_and_each_leads_to_one_place() {
    let target = of(Kind::Target { max_hosts: 256, scope: Scope::Engagement });
    for (given, written) in [
        ("10.20.3.4", "10.20.3.4"),
        ("10.20.3.4/32", "10.20.3.4"),
        ("10.20.3.0/24", "10.20.3.0/24"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("2001:DB8::/120", "2001:db8::/120"),
        ("App.Example", "app.example"),
    ] {
        let value = target.accept(given).unwrap();
        assert_eq!(value.as_str(), written);
        let targets: Vec<String> = value.targets().iter().map(ToString::to_string).collect();
        assert_eq!(targets, [written]);
    }
    for given in [
        "0x7f.1",
        "0x7f000001",
        "2130706433",
        "012.20.0.5",
        "10.20.5",
        "10.20",
        "10.20.3.4.",
        "10.20.3.0-255",
        "10.20.3.*",
        "10.20.3.4/33",
        "10.20.3.4/08",
        "10.20.3.4/+8",
        "10.20.3.4/",
        "10.20.3.4/24",
        "10.20.0.0/16",
        "10.20.3.0/24/24",
        "10.20.3.4/255.255.255.0",
        "::ffff:10.20.3.4",
        "::ffff:10.20.3.0/120",
        "fe80::1%eth0",
        "fe80::1%25eth0",
        "[2001:db8::1]",
        "2001:db8::/0",
        "2001:db8::1::2",
        "app.example.",
        "app.example/24",
        "app.example:80",
        "user@app.example",
        "http://app.example/",
        "*.example",
        "app..example",
        "app%2eexample",
        "app_.example",
        "10.20.3.4,10.20.3.5",
        "10.20.3.4 8.8.8.8",
    ] {
        assert_eq!(accept(&target, given), None, "{given}");
    }
}

#[test]
fn a_network_counts_its_addresses_against_max_hosts() {
    let target = |max_hosts| of(Kind::Target { max_hosts, scope: Scope::Engagement });
    assert!(accept(&target(256), "10.20.3.0/24").is_some());
    assert!(accept(&target(255), "10.20.3.0/24").is_none());
    assert!(accept(&target(u64::MAX), "2001:db8::/65").is_some());
    assert!(accept(&target(u64::MAX), "2001:db8::/64").is_none());
    assert!(accept(&target(u64::MAX), "::/0").is_none());
}

#[test]
fn a_public_value_leads_nowhere_that_an_engagement_is_asked_about() {
    let schemes = || vec!["http".to_owned()];
    for scope in [Scope::Engagement, Scope::Public] {
        let all = [
            (Kind::Target { max_hosts: 1, scope }, "a.example"),
            (Kind::Url { schemes: schemes(), ip: false, scope }, "http://a.example/"),
            (Kind::UrlOrTarget { schemes: schemes(), max_hosts: 1, scope }, "http://a.example/"),
            (Kind::UrlOrTarget { schemes: schemes(), max_hosts: 1, scope }, "a.example"),
        ];
        for (kind, given) in all {
            let n = of(kind.clone()).accept(given).unwrap().targets().len();
            let of_list =
                Kind::List(Box::new(List { of: of(kind), separator: ",".to_owned(), max: 2 }));
            let twice = of(of_list).accept(&format!("{given},{given}")).unwrap().targets().len();
            let expected = usize::from(scope == Scope::Engagement);
            assert_eq!((n, twice), (expected, 2 * expected), "{given}");
        }
    }
}
