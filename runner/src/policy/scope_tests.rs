//! Claims about all addresses and names: a target is permitted exactly if an engagement of the
//! principal has it, excludes it not and is open, however it is written.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use proto::{Denial, DenyCode};

use super::compliance_tests::{NOW, request};
use super::{Decision, Policy, SourceFile, Trust, decide, parse};

const TEXT: &str = r#"
version = 1
[engagement.acme]
cidrs = ["10.20.0.0/16", "192.0.2.128/25", "2001:db8:20::/48"]
hosts = ["app.acme.test", "*.lab.acme.test"]
exclude = ["10.20.0.1", "10.20.77.0/24", "2001:db8:20:ff::/64", "db.lab.acme.test", "*.p.lab.acme.test"]
[principal.all]
users = ["*"]
commands = ["*"]
engagements = ["acme"]
[command.scan]
path = "/usr/bin/true"
positional = { name = "target", max = 4, match = { type = "target", max_hosts = 65536 } }
[command.fetch]
path = "/usr/bin/true"
options."-u" = { type = "url", ip = true }
options."-t" = { type = "list", of = { type = "url_or_target" } }
settable_env.PROXIED = { type = "target" }
"#;

static POLICY: LazyLock<Policy> = LazyLock::new(|| load(TEXT));

fn load(text: &str) -> Policy {
    let file = SourceFile { name: "x.toml".to_owned(), text: text.to_owned() };
    parse(&[file], &Trust::root()).map_err(|report| report.to_string()).unwrap().policy
}

fn judge(
    policy: &Policy,
    command: &str,
    words: &[&str],
    now: SystemTime,
) -> Result<String, Denial> {
    let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
    match decide(policy, &request(command, &words), "/w", now) {
        Decision::Permit(plan) => Ok(plan.argv[1..].join(" ")),
        Decision::Deny(denial) => Err(denial),
    }
}

/// By hand, without the code under test.
fn v4_in_scope(bits: u32) -> bool {
    let [a, b, c, d] = bits.to_be_bytes();
    let has = (a, b) == (10, 20) || ((a, b, c) == (192, 0, 2) && d >= 128);
    has && (a, b, c, d) != (10, 20, 0, 1) && (a, b, c) != (10, 20, 77)
}

fn v6_in_scope(bits: u128) -> bool {
    bits >> 80 == 0x2001_0db8_0020 && bits >> 64 != 0x2001_0db8_0020_00ff
}

/// Any address, more often than by chance one about an edge of the engagement.
fn v4() -> impl Strategy<Value = u32> {
    let near = proptest::sample::select(vec![
        0x0a14_0000_u32,
        0x0a14_0001,
        0x0a14_ffff,
        0x0a14_4d00,
        0x0a14_4dff,
        0xc000_0280,
        0xc000_02ff,
        0x7f00_0001,
        0x0000_0000,
        0xffff_ffff,
    ]);
    let about = (near, -3_i32..=3).prop_map(|(bits, by)| bits.wrapping_add_signed(by));
    prop_oneof![any::<u32>(), about, any::<u16>().prop_map(|low| 0x0a14_0000 | u32::from(low)),]
}

fn v6() -> impl Strategy<Value = u128> {
    let near = proptest::sample::select(vec![
        0x2001_0db8_0020_u128 << 80,
        0x2001_0db8_0021 << 80,
        0x2001_0db8_0020_00ff << 64,
        0x2001_0db8_0020_0100 << 64,
        0xffff_0a14_0003,
        1,
    ]);
    let about = (near, -3_i128..=3).prop_map(|(bits, by)| bits.wrapping_add_signed(by));
    prop_oneof![
        any::<u128>(),
        about,
        any::<u64>().prop_map(|low| (0x2001_0db8_0020_00ff << 64) | u128::from(low)),
        (any::<u16>(), any::<u64>()).prop_map(|(net, low)| {
            (0x2001_0db8_0020 << 80) | (u128::from(net) << 64) | u128::from(low)
        }),
    ]
}

/// What programs take for the same address, and we for none.
fn odd_spellings(bits: u32) -> Vec<String> {
    let [a, b, c, d] = bits.to_be_bytes();
    vec![
        format!("0x{bits:x}"),
        format!("0X{bits:08X}"),
        format!("{bits}"),
        format!("0{bits:o}"),
        format!("0x{a:x}.{b}.{c}.{d}"),
        format!("{a}.0x{b:x}.{c}.{d}"),
        format!("0{a:o}.0{b:o}.0{c:o}.0{d:o}"),
        format!("{a:03}.{b:03}.{c:03}.0{d}"),
        format!("{a}.{b}.{}", bits & 0xffff),
        format!("{a}.{}", bits & 0x00ff_ffff),
        format!("{a}.{b}.{c}.{d}."),
        format!("{a}.{b}.{c}.{d}-{d}"),
        format!("::ffff:{a}.{b}.{c}.{d}"),
        format!("::ffff:{:x}:{:x}", bits >> 16, bits & 0xffff),
        format!("0:0:0:0:0:FFFF:{a}.{b}.{c}.{d}"),
        format!("[{a}.{b}.{c}.{d}]"),
        format!("{a}.{b}.{c}.{d}%eth0"),
        format!("{a}%2e{b}.{c}.{d}"),
        format!("x@{a}.{b}.{c}.{d}"),
        format!("{a}.{b}.{c}.{d}\u{2024}test"),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2048) })]

    #[test]
    fn an_ipv4_address_is_permitted_exactly_if_it_is_in_scope(bits in v4()) {
        let shown = Ipv4Addr::from_bits(bits).to_string();
        let expected = v4_in_scope(bits);
        prop_assert_eq!(judge(&POLICY, "scan", &[&shown], NOW).is_ok(), expected);
        prop_assert_eq!(judge(&POLICY, "scan", &[&format!("{shown}/32")], NOW), judge(&POLICY, "scan", &[&shown], NOW));
        for url in [format!("http://{shown}/"), format!("HTTP://{shown}:8080?q=app.acme.test")] {
            prop_assert_eq!(judge(&POLICY, "fetch", &["-u", &url], NOW).is_ok(), expected);
            prop_assert_eq!(judge(&POLICY, "fetch", &["-t", &url], NOW).is_ok(), expected);
        }
        for odd in odd_spellings(bits) {
            prop_assert!(judge(&POLICY, "scan", &[&odd], NOW).is_err(), "{odd}");
            prop_assert!(judge(&POLICY, "fetch", &["-t", &odd], NOW).is_err(), "{odd}");
            let url = format!("http://{odd}/");
            prop_assert!(judge(&POLICY, "fetch", &["-u", &url], NOW).is_err(), "{url}");
        }
    }

    #[test]
    fn an_ipv6_address_is_permitted_exactly_if_it_is_in_scope_however_it_is_written(bits in v6()) {
        let expected = v6_in_scope(bits);
        let groups: Vec<u16> = Ipv6Addr::from_bits(bits).segments().to_vec();
        let join = |one: &dyn Fn(&u16) -> String| {
            groups.iter().map(one).collect::<Vec<_>>().join(":")
        };
        let [.., a, b, c, d] = bits.to_be_bytes();
        let spellings = [
            Ipv6Addr::from_bits(bits).to_string(),
            join(&|group| format!("{group:x}")),
            join(&|group| format!("{group:04X}")),
            format!("{}:{a}.{b}.{c}.{d}", join(&|group| format!("{group:x}")).rsplitn(3, ':').last().unwrap()),
        ];
        for shown in spellings {
            let verdict = judge(&POLICY, "scan", &[&shown], NOW);
            prop_assert_eq!(verdict.is_ok(), expected, "{}", shown);
            if let Ok(written) = verdict {
                prop_assert_eq!(written, Ipv6Addr::from_bits(bits).to_string());
            }
            let url = format!("http://[{shown}]:8443/");
            prop_assert_eq!(judge(&POLICY, "fetch", &["-u", &url], NOW).is_ok(), expected);
            for odd in [format!("{shown}%eth0"), format!("{shown}%25eth0"), format!("[{shown}]")] {
                prop_assert!(judge(&POLICY, "scan", &[&odd], NOW).is_err(), "{odd}");
            }
        }
    }

    #[test]
    fn a_network_is_permitted_exactly_if_every_address_of_it_is(bits in v4(), prefix in 20_u32..=32) {
        let size = 1_u64 << (32 - prefix);
        let first = bits & u32::MAX.checked_shl(32 - prefix).unwrap_or(0);
        let shown = format!("{}/{prefix}", Ipv4Addr::from_bits(first));
        let all = (u64::from(first)..u64::from(first) + size).all(|one| v4_in_scope(u32::try_from(one).unwrap()));
        prop_assert_eq!(judge(&POLICY, "scan", &[&shown], NOW).is_ok(), all, "{}", shown);
        if first != bits {
            let skewed = format!("{}/{prefix}", Ipv4Addr::from_bits(bits));
            prop_assert!(judge(&POLICY, "scan", &[&skewed], NOW).is_err(), "{skewed}");
        }
    }

    #[test]
    fn a_name_is_permitted_exactly_if_its_labels_are_in_scope(
        labels in proptest::collection::vec(
            prop_oneof![
                proptest::sample::select(vec!["app", "db", "p", "lab", "acme", "test", "LAB", "Acme"]).prop_map(str::to_owned),
                "[a-z]{1,4}(-?[a-z0-9]){0,2}",
            ],
            0..4,
        ),
        tail in proptest::sample::select(vec![
            "", "lab.acme.test", "acme.test", "app.acme.test", "badlab.acme.test", "lab.acme.test.evil",
            "p.lab.acme.test", "db.lab.acme.test", "LAB.acme.TEST", "xlab.acme.test", "labxacme.test",
        ]),
    ) {
        let mut all: Vec<String> = labels;
        all.extend(tail.split('.').filter(|label| !label.is_empty()).map(str::to_owned));
        prop_assume!(!all.is_empty());
        let name = all.join(".");
        let low: Vec<String> = all.iter().map(|label| label.to_lowercase()).collect();
        let low: Vec<&str> = low.iter().map(String::as_str).collect();
        let expected = match low.as_slice() {
            ["db", "lab", "acme", "test"] | [_, .., "p", "lab", "acme", "test"] => false,
            ["app", "acme", "test"] | [_, .., "lab", "acme", "test"] => true,
            _ => false,
        };
        prop_assert_eq!(judge(&POLICY, "scan", &[&name], NOW).is_ok(), expected, "{}", name);
        let url = format!("https://{name}:8443/x?y=@app.acme.test");
        prop_assert_eq!(judge(&POLICY, "fetch", &["-u", &url], NOW).is_ok(), expected, "{}", url);
        let rooted = format!("{name}.");
        prop_assert!(judge(&POLICY, "scan", &[&rooted], NOW).is_err());
    }
}

#[test]
fn every_value_of_a_request_is_asked_about() {
    let code = |words: &[&str]| judge(&POLICY, "fetch", words, NOW).unwrap_err();
    let denial = code(&["-t", "10.20.3.4,http://app.acme.test,8.8.8.8"]);
    assert_eq!((denial.code, denial.argument), (DenyCode::Scope, Some(1)));
    let denial =
        judge(&POLICY, "scan", &["10.20.3.4", "app.acme.test", "8.8.8.8"], NOW).unwrap_err();
    assert_eq!((denial.code, denial.argument), (DenyCode::Scope, Some(2)));
    assert!(!denial.reason.contains("8.8.8.8"), "{denial:?}");
    let with = |value: &str| {
        let mut request = request("fetch", &[]);
        request.env = proto::List::new(vec![proto::EnvVar {
            name: proto::Text::new("PROXIED").unwrap(),
            value: proto::Text::new(value).unwrap(),
        }])
        .unwrap();
        decide(&POLICY, &request, "/w", NOW)
    };
    assert!(matches!(with("10.20.3.4"), Decision::Permit(_)));
    let Decision::Deny(denial) = with("8.8.8.8") else { panic!("a variable led out of scope") };
    assert_eq!((denial.code, denial.argument), (DenyCode::Scope, None));
}

#[test]
fn a_default_of_an_option_is_asked_about_like_a_value() {
    let text = TEXT.replace(
        "options.\"-u\" = { type = \"url\", ip = true }",
        "options.\"-u\" = { type = \"url\", default = \"http://other.test/\" }",
    );
    assert_ne!(text, TEXT);
    let policy = load(&text);
    let denial = judge(&policy, "fetch", &[], NOW).unwrap_err();
    assert_eq!((denial.code, denial.argument), (DenyCode::Scope, None));
    judge(&policy, "fetch", &["-u", "http://app.acme.test/"], NOW).unwrap();
}

#[test]
fn an_engagement_is_open_from_its_first_to_its_last_moment() {
    let window =
        "not_before = 2026-10-01T02:00:00+02:00\nnot_after = 2026-12-31T23:59:59Z\nexclude";
    let policy = load(&TEXT.replacen("exclude", window, 1));
    let at = |text: &str| humantime::parse_rfc3339(text).unwrap();
    let (first, last) = (at("2026-10-01T00:00:00Z"), at("2026-12-31T23:59:59Z"));
    let nano = Duration::from_nanos(1);
    for now in [first, first + nano, last - nano, last] {
        judge(&policy, "scan", &["10.20.3.4"], now).unwrap();
    }
    for now in [NOW, first - nano, last + nano, at("2030-01-01T00:00:00Z")] {
        let denial = judge(&policy, "scan", &["10.20.3.4"], now).unwrap_err();
        assert_eq!(denial.code, DenyCode::Window);
        assert!(denial.reason.contains("2026-10-01T00:00:00Z"), "{denial:?}");
        // What is nobody's is out of scope at any time.
        let denial = judge(&policy, "scan", &["8.8.8.8"], now).unwrap_err();
        assert_eq!(denial.code, DenyCode::Scope);
    }
}

#[test]
fn a_run_is_given_no_more_time_than_its_engagement_has() {
    let policy = load(&TEXT.replacen("exclude", "not_after = 2026-12-31T23:59:59Z\nexclude", 1));
    let last = humantime::parse_rfc3339("2026-12-31T23:59:59Z").unwrap();
    let wall = |before: Duration| {
        let words = ["10.20.3.4".to_owned()];
        match decide(&policy, &request("scan", &words), "/w", last - before) {
            Decision::Permit(plan) => plan.limits.wall,
            Decision::Deny(denial) => panic!("{denial:?}"),
        }
    };
    assert_eq!(wall(Duration::from_hours(1)), Duration::from_mins(1));
    assert_eq!(wall(Duration::from_secs(20)), Duration::from_secs(20));
    assert_eq!(wall(Duration::ZERO), Duration::from_millis(1));
}

#[test]
fn the_targets_of_a_request_are_of_one_engagement() {
    let text = TEXT.replace("engagements = [\"acme\"]", "engagements = [\"acme\", \"zeta\"]")
        + "[engagement.zeta]\ncidrs = [\"203.0.113.0/24\", \"10.20.77.0/24\"]\n";
    let policy = load(&text);
    judge(&policy, "scan", &["203.0.113.9", "10.20.77.1"], NOW).unwrap();
    judge(&policy, "scan", &["10.20.3.4"], NOW).unwrap();
    let denial = judge(&policy, "scan", &["203.0.113.9", "10.20.3.4"], NOW).unwrap_err();
    assert_eq!((denial.code, denial.argument), (DenyCode::Scope, None));
    assert!(denial.reason.contains("alone"), "{denial:?}");
}
