use std::fs;

use parallax_model::Rule;
use parallax_verdict::TargetSpec;

use super::*;

fn loaded(files: &[(&str, &str)]) -> (tempfile::TempDir, Result<Config, Mistakes>) {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("conf.d")).unwrap();
    for (name, text) in files {
        fs::write(dir.path().join(name), text).unwrap();
    }
    let config = load(&dir.path().join("parallax.toml"));
    (dir, config)
}

/// The mistakes without the folder before the file's name.
fn mistakes(files: &[(&str, &str)]) -> Vec<String> {
    let (dir, config) = loaded(files);
    let folder = format!("{}/", dir.path().display());
    config.unwrap_err().all().iter().map(|m| m.to_string().replace(&folder, "")).collect()
}

fn mistakes_in(text: &str) -> Vec<String> {
    mistakes(&[("parallax.toml", text)])
}

const WHOLE: &str = r#"
[collector]
data_dir = "data"
http = "127.0.0.1:0"
tls_only = true
url = "https://parallax.example"
ca = { certificate = "ca.pem", key = "/etc/ca.key" }
[defaults]
interval = "10s"
[[agents]]
name = "eu-1"
region = "eu"
provider = "hetzner"
asn = 24940
labels = { access = "wifi" }
[[targets]]
name = "shop"
depends_on = ["db"]
http = { url = "https://shop.example/a", method = "HEAD", status = [200, "3xx", "410-411"], body_contains = "ok", redirects = 0 }
[[targets]]
name = "db"
interval = "1s"
sensitivity = "low"
policy = "count:2"
tcp = { address = "[::1]:5432" }
[[targets]]
name = "names"
role = "reference"
timeout = "2s"
dns = { name = "example.com", record = "aaaa", server = "9.9.9.9", answer_contains = "2001:" }
"#;

#[test]
fn a_whole_file_becomes_what_it_says() {
    let (dir, config) = loaded(&[
        ("parallax.toml", WHOLE),
        ("conf.d/10.toml", "[[agents]]\nname = \"us-1\"\n"),
        ("conf.d/.hidden.toml", "nonsense"),
    ]);
    let config = config.unwrap();
    assert_eq!(config.collector.data_dir, Some(dir.path().join("data")));
    assert_eq!(config.collector.http.port(), 0);
    assert_eq!(config.collector.listen.to_string(), "127.0.0.1:7481");
    assert_eq!(config.collector.url.as_deref(), Some("https://parallax.example:7481"));
    assert!(config.collector.tls_only);
    let own = config.collector.ca.unwrap();
    assert_eq!((own.certificate, own.key), (dir.path().join("ca.pem"), "/etc/ca.key".into()));
    let names: Vec<&str> = config.agents.iter().map(|a| a.name.as_str()).collect();
    assert_eq!(names, ["eu-1", "us-1"]);
    assert_eq!(config.agents[0].asn, Some(24940));
    assert_eq!(config.agents[0].labels["access"], "wifi");
    let [shop, db, dns] = &config.targets[..] else { panic!("{:?}", config.targets) };
    assert_eq!((shop.interval, shop.timeout), (Duration::from_secs(10), Duration::from_secs(5)));
    assert_eq!(shop.depends_on[0].as_str(), "db");
    let Check::Http(http) = &shop.check else { panic!("{shop:?}") };
    assert_eq!((http.method.as_str(), http.redirects_max), ("HEAD", 0));
    assert_eq!(http.status.ranges(), [(200, 200), (300, 399), (410, 411)]);
    // the usual timeout never outlasts the interval
    assert_eq!((db.interval, db.timeout), (Duration::from_secs(1), Duration::from_secs(1)));
    assert_eq!(db.check.address(), "[::1]:5432");
    assert_eq!([shop.sensitivity, db.sensitivity], [Sensitivity::Normal, Sensitivity::Low]);
    assert_eq!([shop.policy, db.policy], [None, Some(Rule::Count(2))]);
    assert_eq!((dns.role, dns.timeout), (Role::Reference, Duration::from_secs(2)));
    assert_eq!(dns.check.address(), "AAAA example.com @9.9.9.9:53");
}

/// What is written of a fleet is read as the same fleet, but for what is looked at.
#[test]
fn agents_and_targets_are_written_as_they_are_read() {
    let more = "[[targets]]\nname = \"some \\\"quoted\\\"\"\nsensitivity = \"high\"\nhttp = { url = \"https://a/?k=secret\" }\n\
                agents = { name = [\"eu-1\"], region = \"eu\", site = [\"s\"], labels = { tier = [\"edge\", \"core\"] } }\n\
                [[agents]]\nname = \"us-1\"\nregion = \"us\"\nsite = \"s\"\n";
    let (_folder, config) = loaded(&[("parallax.toml", &(WHOLE.to_owned() + more))]);
    let config = config.unwrap();
    let written = fleet_of(&config.agents, &config.targets);
    assert!(!written.contains("secret"), "{written}");
    let (_folder, again) = loaded(&[("parallax.toml", &written)]);
    let again = again.unwrap_or_else(|why| panic!("{why}\n{written}"));
    assert_eq!(again.agents, config.agents);
    let specs =
        |targets: &[Target]| -> Vec<TargetSpec> { targets.iter().map(Into::into).collect() };
    assert_eq!(specs(&again.targets), specs(&config.targets));
}

#[test]
fn where_agents_find_the_collector_is_written_in_full() {
    let port = |text: &str| agents_url(text);
    assert_eq!(port("https://a.example").as_deref(), Ok("https://a.example:7481"));
    assert_eq!(port("https://a.example:443/").as_deref(), Ok("https://a.example:443"));
    assert_eq!(port("https://[2001:db8::1]:99").as_deref(), Ok("https://[2001:db8::1]:99"));
    for wrong in ["http://a.example", "a.example:7481", "https://a.example/x", "https://"] {
        let why = port(wrong).unwrap_err();
        assert!(why.contains("https://parallax.example:7481"), "{wrong}: {why}");
    }
}

#[test]
fn an_empty_file_is_a_collector_with_nothing_to_do() {
    let (_dir, config) = loaded(&[("parallax.toml", "")]);
    assert_eq!(config.unwrap(), Config::default());
}

#[test]
fn every_mistake_is_told_at_once_with_its_line() {
    let text = r#"colector = 1
[defaults]
timeout = "5 parsecs"
[[agents]]
name = "a"
asn = -1
regoin = "eu"
[[agents]]
name = "a"
[[targets]]
name = "x"
interval = "0s"
http = { url = "nonsense" }
[[targets]]
name = "yy"
interval = "1s"
timeout = "2s"
depends_on = ["zz"]
tcp = { address = "nohost" }
"#;
    assert_eq!(
        mistakes_in(text),
        [
            "parallax.toml:1: unknown key \"colector\" in the file; did you mean \"collector\"?",
            "parallax.toml:3: timeout: \"5 parsecs\" is no length of time: unknown time unit \
             \"parsecs\", supported units: ns, us/µs, ms, sec, min, hours, days, weeks, months, \
             years (and few variations); write \"30s\" or \"1m\"",
            "parallax.toml:6: asn: must be a whole number from 1 to 4294967295",
            "parallax.toml:7: unknown key \"regoin\" in an agent; did you mean \"region\"?",
            "parallax.toml:9: agent \"a\" is already at parallax.toml:5; rename one",
            "parallax.toml:12: interval: 0s is not within 100ms and 24h; 30s is usual",
            "parallax.toml:13: url: \"nonsense\" is no URL: relative URL without a base; \
             write it like \"https://example.com/\"",
            "parallax.toml:17: timeout: 2s is longer than the interval of 1s; looks would overlap: \
             shorten it",
            "parallax.toml:18: depends_on: unknown target zz; declare it as a target or remove it \
             from yy",
            "parallax.toml:19: address: \"nohost\" is no host:port; write \"example.com:5432\" or \
             \"[::1]:53\"",
        ]
    );
}

#[test]
fn syntax_errors_and_unreadable_files_are_mistakes() {
    let told = mistakes_in("[[agents]]\nname = \n[oops\n");
    assert!(told[0].starts_with("parallax.toml:2: not TOML: "), "{told:?}");
    let told = mistakes(&[]);
    assert_eq!(told.len(), 1);
    assert!(told[0].starts_with("parallax.toml: cannot be read: No such file"), "{told:?}");
    let told = mistakes(&[("parallax.toml", ""), ("conf.d/a.toml", "[collector]\n")]);
    assert_eq!(
        told,
        [
            "conf.d/a.toml:1: unknown key \"collector\" in the file; known here: agents, targets, webhooks"
        ]
    );
}

#[test]
fn a_value_of_another_kind_says_what_is_wanted() {
    let target = |rest: &str| mistakes_in(&format!("[[targets]]\nname = \"x\"\n{rest}\n"));
    for (rest, what) in [
        ("http = 3", "http: must be a table, not a TOML integer"),
        (
            "sensitivity = \"hihg\"\ntcp = { address = \"a:1\" }",
            "sensitivity: unknown level \"hihg\"; did you mean \"high\"?",
        ),
        (
            "sensitivity = \"max\"\ntcp = { address = \"a:1\" }",
            "unknown level \"max\"; use \"low\", \"normal\" or \"high\"",
        ),
        (
            "sensitivity = 3\ntcp = { address = \"a:1\" }",
            "sensitivity: must be text in quotes, not a TOML integer",
        ),
        (
            "role = \"reference\"\nsensitivity = \"low\"\ntcp = { address = \"a:1\" }",
            "a reference is never told of; remove the line",
        ),
        ("http = {}", "http has no \"url\"; add url = \"https://example.com/\""),
        ("", "a target says nothing of how to look"),
        ("tcp = { address = \"a:1\" }\ndns = { name = \"a\" }", "more than one of http, tcp, dns"),
        ("http = { url = \"ftp://a/\" }", "is neither http:// nor https://"),
        ("http = { url = \"http://u:p@a/\" }", "remove it"),
        ("http = { url = \"http://a/\", method = \"GTE\" }", "did you mean \"GET\"?"),
        ("http = { url = \"http://a/\", status = [\"9xx\"] }", "no status within 100 and 599"),
        ("http = { url = \"http://a/\", status = [] }", "no status would be fine"),
        ("http = { url = \"http://a/\", redirects = 11 }", "a whole number from 0 to 10"),
        ("dns = { name = \"a\", record = \"AAA\" }", "unknown record type \"AAA\""),
        ("dns = { name = \"a\", record = \"AXFR\" }", "unknown record type \"AXFR\""),
        ("dns = { name = \"a\", rcode = \"NXD\" }", "use one of NOERROR, FORMERR"),
        ("dns = { name = \"a\", transport = \"doh\" }", "use \"udp\" or \"tcp\""),
        ("dns = { name = \"a\", ttl_min = 9, ttl_max = 8 }", "ttl_min is more than ttl_max"),
        ("dns = { name = \"a\", authenticated = 1 }", "must be true or false"),
        ("tcp = { address = \"a:1\", expect = \"(\" }", "\"(\" is no regular expression"),
        ("tcp = { address = \"a:1\", send = \"\" }", "must have 1 to 4096 bytes"),
        ("tcp = { address = \"a:1\", talk = [{}] }", "either sends or expects"),
        ("tcp = { address = \"a:1\", send = \"x\", talk = [] }", "put all steps into talk"),
        ("icmp = {}", "icmp has no \"host\""),
        ("icmp = { host = \"a\", count = 0 }", "a whole number from 1 to 100"),
        ("icmp = { host = \"a\", loss_max = \"100%\" }", "write \"20%\""),
        ("icmp = { host = \"a\", family = \"4\" }", "use \"any\", \"ipv4\" or \"ipv6\""),
        ("grpc = { address = \"a\" }", "is no host:port"),
        ("tls = { address = \"a:1\", ca = \"/etc/ca.pem\" }", "that of a [authorities.NAME]"),
        ("http = { url = \"http://a/\", proxy = \"p.test\" }", "that of a [proxies.NAME]"),
        ("llm = { url = \"https://a/\" }", "llm has no \"model\""),
        (
            "llm = { url = \"https://a/\", model = \"m\", api = \"x\" }",
            "use \"openai\" or \"anthropic\"",
        ),
        (
            "llm = { url = \"https://a/\", model = \"m\", max_tokens = 9999 }",
            "a whole number from 1 to 256",
        ),
        ("dns = { name = \"a\", server = \"x y\" }", "is no server"),
        ("tcp = { address = \"a:0\" }", "is no host:port"),
        ("role = \"referense\"\ntcp = { address = \"a:1\" }", "did you mean \"reference\"?"),
        ("interval = 30\ntcp = { address = \"a:1\" }", "a length of time in quotes"),
    ] {
        let told = target(rest);
        assert_eq!(told.len(), 1, "{rest}: {told:?}");
        assert!(told[0].contains(what), "{rest}: {told:?}");
    }
    assert_eq!(
        mistakes_in("targets = 3")[0],
        "parallax.toml:1: targets: must be a list: [[targets]], not a TOML integer"
    );
}

#[test]
fn what_is_no_rule_is_told_with_those_that_are() {
    for (rest, what) in [
        (
            "policy = \"count:0\"\ntcp = { address = \"a:1\" }",
            "policy: \"count:0\" is no rule: any, majority, all, or count:N with N from 1 on",
        ),
        (
            "policy = 2\ntcp = { address = \"a:1\" }",
            "policy: must be text in quotes, not a TOML integer",
        ),
        (
            "role = \"reference\"\npolicy = \"any\"\ntcp = { address = \"a:1\" }",
            "policy: a reference is not voted on; remove the line",
        ),
    ] {
        let told = mistakes_in(&format!("[[targets]]\nname = \"x\"\n{rest}\n"));
        assert_eq!(told.len(), 1, "{rest}: {told:?}");
        assert!(told[0].contains(what), "{rest}: {told:?}");
    }
}

/// Nothing is wrong with it, so that it goes into force; who joins is not known to the file.
#[test]
fn a_rule_that_the_declared_agents_cannot_meet_is_doubted_at_its_line() {
    let agent = |name, region| format!("[[agents]]\nname = \"{name}\"\nregion = \"{region}\"\n");
    let agents = agent("a", "r1") + &agent("b", "r1") + &agent("c", "r2");
    let rule = |n: u32| {
        format!(
            "[[targets]]\nname = \"shop\"\npolicy = \"count:{n}\"\nhttp = {{ url = \"https://shop/\" }}\n"
        )
    };
    let doubts = |text: String| {
        let (_folder, config) = loaded(&[("parallax.toml", &text)]);
        config.unwrap().doubts.iter().map(|d| (d.line, d.what.clone())).collect::<Vec<_>>()
    };
    assert_eq!(doubts(agents.clone() + &rule(2)), []);
    assert_eq!(doubts(rule(9)), [], "all of its agents join");
    let what = "policy: count:3 takes 3 places, and the agents declared here look at shop from 2: unless others \
                join, it never says down; lower it, or add agents elsewhere";
    assert_eq!(doubts(agents + &rule(3)), [(Some(12), what.to_owned())]);
}

/// Each target is held against those who look at it.
#[test]
fn of_many_doubts_the_first_are_told() {
    let agents =
        ["r1", "r2", "r3"].map(|r| format!("[[agents]]\nname = \"{r}\"\nregion = \"{r}\"\n"));
    let target = |n: usize| {
        let regions = ["\"r1\"", "\"r1\", \"r2\"", "\"r1\", \"r2\", \"r3\""][n % 3];
        format!(
            "[[targets]]\nname = \"t-{n}\"\nagents = {{ region = [{regions}] }}\npolicy = \"count:3\"\ntcp = {{ address = \"a:1\" }}\n"
        )
    };
    let few = |targets: usize| {
        let text = agents.concat() + &(0..targets).map(target).collect::<String>();
        let (_folder, config) = loaded(&[("parallax.toml", &text)]);
        few_of(&config.unwrap().doubts)
    };
    let of = |line: &String| {
        let (_, of) = line.split_once("look at ").unwrap_or(("", line));
        of.split(':').next().unwrap_or_default().to_owned()
    };
    let told = |targets| few(targets).iter().map(of).collect::<Vec<_>>();
    let first = ["t-0 from 1", "t-1 from 2", "t-3 from 1", "t-4 from 2", "t-6 from 1"];
    assert_eq!(told(7), first);
    assert_eq!(told(10), [&first[..], &["and 2 more like these"]].concat());
}

#[test]
fn circles_of_dependencies_are_told_once_each() {
    let target = |name: &str, on: &str| {
        format!(
            "[[targets]]\nname = \"{name}\"\ndepends_on = [{on}]\ntcp = {{ address = \"a:1\" }}\n"
        )
    };
    let text = [
        target("a", "\"b\""),
        target("b", "\"c\", \"d\""),
        target("c", "\"a\""),
        target("d", ""),
        target("e", "\"e\""),
        target("f", "\"a\""),
    ];
    assert_eq!(
        mistakes_in(&text.concat()),
        [
            "parallax.toml:2: dependencies run in a circle: a -> b -> c -> a; remove one of them",
            "parallax.toml:18: dependencies run in a circle: e -> e; remove one of them",
        ]
    );
}

#[test]
fn an_address_alone_makes_a_target() {
    let second = Duration::from_secs(1);
    let target = target_of_url("https://shop.example:8443/a/b/", Role::Service, second).unwrap();
    assert_eq!(target.name.as_str(), "shop.example:8443/a/b");
    assert_eq!((target.interval, target.timeout), (second, second));
    assert_eq!(target.check.address(), "https://shop.example:8443/a/b/");
    let wrong = target_of_url("shop.example", Role::Service, second).unwrap_err();
    assert!(wrong.contains("\"shop.example\" is no URL"), "{wrong}");
}

#[test]
fn a_target_selects_its_agents() {
    let target = |name: &str, agents: &str| {
        format!(
            "[[targets]]\nname = \"{name}\"\nagents = {agents}\ntcp = {{ address = \"a:1\" }}\n"
        )
    };
    let text = target("a", "{ region = \"eu\", provider = [\"aws\", \"hetzner\"] }")
        + &target(
            "b",
            "{ name = [\"x\"], site = \"s\", labels = { tier = [\"edge\", \"core\"] } }",
        );
    let (_dir, config) = loaded(&[("parallax.toml", &text)]);
    let [a, b] = &config.unwrap().targets[..] else { panic!("two targets") };
    assert_eq!(a.agents.regions, ["eu".parse().unwrap()]);
    assert_eq!(a.agents.providers.len(), 2);
    assert_eq!(b.agents.labels["tier"], ["edge", "core"]);
    assert_eq!((b.agents.names.len(), b.agents.sites.len()), (1, 1));

    let wrong = target("a", "{ regoin = \"eu\" }") + &target("b", "{ region = [] }");
    assert_eq!(
        mistakes_in(&wrong),
        [
            "parallax.toml:3: unknown key \"regoin\" in a target's agents; did you mean \"region\"?",
            "parallax.toml:3: agents: names no agents; write { region = [\"eu-west\"] }, or leave it \
             out for all",
            "parallax.toml:7: region: 0 entries, at least 1 and at most 1000",
            "parallax.toml:7: agents: names no agents; write { region = [\"eu-west\"] }, or leave it \
             out for all",
        ]
    );
}
