use std::os::unix::fs::PermissionsExt;

use parallax_model::{Provider, Region};
use rcgen::{CertificateParams, KeyPair};

use super::*;

#[test]
fn revoked_agents_and_used_tokens_make_room() {
    let mut register = Register::default();
    for n in 0..10_000_u32 {
        let mut key = [0; 32];
        key[..4].copy_from_slice(&n.to_be_bytes());
        register.add_member(&name(&format!("vm-{n}")), place(), key, NOW, NOW).unwrap();
    }
    let full = register.add_member(&name("more"), place(), [9; 32], NOW, NOW);
    assert!(matches!(full, Err(Refusal::TooMany(_))), "{full:?}");
    register.revoke_agent(&name("vm-7"), NOW).unwrap();
    register.add_member(&name("more"), place(), [9; 32], NOW, NOW).unwrap();
    assert!(!register.has_joined(&name("vm-7")) && register.has_joined(&name("more")));
}

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const HOUR: Duration = Duration::from_hours(1);

struct World {
    data: tempfile::TempDir,
    identity: Arc<Identity>,
}

fn world() -> World {
    let data = tempfile::tempdir().unwrap();
    let identity = Identity::open(data.path(), None, LIFETIME, NOW).unwrap();
    World { data, identity }
}

fn name(text: &str) -> AgentName {
    AgentName::new(text).unwrap()
}

fn place() -> Place {
    Place { region: "eu".into(), provider: "aws".into(), site: Some("hall-2".into()) }
}

/// A certificate request, and the key that signed it.
fn request() -> (Vec<u8>, KeyPair) {
    let key = KeyPair::generate().unwrap();
    // whatever it says of itself is not believed
    let params = CertificateParams::new(["root.example".to_owned()]).unwrap();
    (params.serialize_request(&key).unwrap().der().to_vec(), key)
}

impl World {
    fn token(&self, uses: u32) -> JoinToken {
        self.identity.create_token(place(), None, HOUR, uses, NOW).unwrap()
    }

    fn apply(&self, token: &JoinToken, wish: &str, csr: &[u8]) -> Result<Granted, Refusal> {
        let token = token.clone();
        let application = Application { token, csr, name: Some(name(wish)), now: NOW };
        self.identity.enroll(&application, |_| None, NOW)
    }

    fn join(&self, wish: &str) -> Granted {
        self.apply(&self.token(1), wish, &request().0).unwrap()
    }

    fn reopened(&self) -> Arc<Identity> {
        Identity::open(self.data.path(), None, LIFETIME, NOW).unwrap()
    }
}

#[test]
fn whoever_has_a_token_joins_as_the_token_says_and_is_known_after_a_restart() {
    let world = world();
    let granted = world.join("vm-1");
    assert_eq!((granted.name.as_str(), &granted.place), ("vm-1", &place()));
    assert_eq!(granted.until, NOW + LIFETIME);
    for identity in [Arc::clone(&world.identity), world.reopened()] {
        let member = identity.judge(&granted.certificate, NOW).unwrap();
        assert_eq!((member.name, member.until), (name("vm-1"), NOW + LIFETIME));
        let [spec] = &identity.agents()[..] else { panic!() };
        assert_eq!(spec.region.as_ref().map(Region::as_str), Some("eu"));
        assert_eq!(spec.provider.as_ref().map(Provider::as_str), Some("aws"));
    }
}

#[test]
fn nobody_else_reads_what_is_kept_and_no_secret_is() {
    let world = world();
    let token = world.token(1);
    let folder = world.data.path().join("identity");
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    for file in ["ca.pem", "ca.key", "register.json"] {
        assert_eq!(mode(&folder.join(file)), 0o600, "{file}");
    }
    let kept = std::fs::read_to_string(folder.join("register.json")).unwrap();
    let hex = register::hex(&token.secret);
    assert!(!kept.contains(&hex), "{kept}");
}

#[test]
fn what_must_not_join_does_not_and_uses_nothing_up() {
    let world = world();
    let token = world.token(1);
    let csr = request().0;
    let refused = |token: &JoinToken, wish, csr: &[u8]| world.apply(token, wish, csr).unwrap_err();

    let other = JoinToken { secret: [7; 16], ..token };
    assert_eq!(refused(&other, "vm-1", &csr), Refusal::UnknownToken);
    let other = JoinToken { id: [7; 8], ..token };
    assert_eq!(refused(&other, "vm-1", &csr), Refusal::UnknownToken);
    assert!(matches!(refused(&token, "vm-1", b"tea"), Refusal::Request(_)));
    assert!(matches!(refused(&token, "vm-1", &[0x30; 9000]), Refusal::Request(_)));
    let mut altered = csr.clone();
    // the last byte belongs to the signature
    *altered.last_mut().unwrap() ^= 1;
    assert!(matches!(refused(&token, "vm-1", &altered), Refusal::Request(_)));

    // none of these counted
    world.apply(&token, "vm-1", &csr).unwrap();
    assert_eq!(refused(&token, "vm-2", &request().0), Refusal::UsedToken);
    assert_eq!(refused(&world.token(1), "vm-2", &csr), Refusal::KnownKey);
    assert_eq!(refused(&world.token(1), "vm-1", &request().0), Refusal::Taken(name("vm-1")));
}

#[test]
fn time_ends_a_token_and_a_clock_that_is_off_is_told_by_how_much() {
    let world = world();
    let token = world.token(1);
    let csr = request().0;
    let at = |theirs: Timestamp, ours: Timestamp| {
        let token = token.clone();
        let who = Application { token, csr: &csr, name: Some(name("vm-1")), now: theirs };
        world.identity.enroll(&who, |_| None, ours)
    };
    let day = Duration::from_hours(24);
    let said = at(NOW - day, NOW).unwrap_err().to_string();
    assert!(said.contains("1 day behind the collector's"), "{said}");
    assert!(
        said.contains("2023-11-13T22:13:20Z") && said.contains("2023-11-14T22:13:20Z"),
        "{said}"
    );
    let said = at(NOW + 11 * (HOUR / 60), NOW).unwrap_err().to_string();
    assert!(said.contains("11 minutes ahead of the collector's"), "{said}");
    assert_eq!(at(NOW + HOUR, NOW + HOUR), Err(Refusal::ExpiredToken));
    assert!(at(NOW - 9 * (HOUR / 60), NOW).is_ok());
}

#[test]
fn a_name_that_cannot_be_typed_is_for_declared_agents_only() {
    let world = world();
    let token = world.token(2);
    for odd in ["bad name!", "a/../b", "ü"] {
        let said = world.apply(&token, odd, &request().0).unwrap_err().to_string();
        let expected = format!("the name {odd:?}: use letters, digits, dots, - and _");
        assert_eq!(said, format!("the request is of no use: {expected}"));
    }
    assert!(world.apply(&token, "eu-west_1.example", &request().0).is_ok());
    let mut declared = AgentSpec::unlabelled(name("eu west"));
    declared.region = Some(Region::new("eu").unwrap());
    declared.provider = Some(Provider::new("aws").unwrap());
    declared.site = Some(parallax_model::Site::new("hall-2").unwrap());
    let csr = request().0;
    let who = Application { token, csr: &csr, name: Some(name("eu west")), now: NOW };
    assert!(world.identity.enroll(&who, |_| Some(declared.clone()), NOW).is_ok());
}

#[test]
fn a_declared_name_is_taken_over_only_where_it_stands() {
    let world = world();
    let mut declared = AgentSpec::unlabelled(name("vm-1"));
    let csr = request().0;
    let token = world.token(1);
    let ask = |declared: &AgentSpec| {
        let who =
            Application { token: token.clone(), csr: &csr, name: Some(name("vm-1")), now: NOW };
        world.identity.enroll(&who, |_| Some(declared.clone()), NOW)
    };
    assert!(matches!(ask(&declared), Err(Refusal::Elsewhere { .. })));
    declared.region = Some(Region::new("eu").unwrap());
    declared.provider = Some(Provider::new("aws").unwrap());
    declared.site = Some(parallax_model::Site::new("hall-2").unwrap());
    assert!(ask(&declared).is_ok());
}

#[test]
fn a_renewed_certificate_replaces_the_old_one_when_it_is_first_shown() {
    let world = world();
    let first = world.join("vm-1").certificate;
    let later = NOW + Duration::from_hours(20 * 24);
    let renew = || {
        let member = world.identity.judge(&first, later).unwrap();
        world.identity.renew(&member, &request().0, later).unwrap()
    };
    let next = renew();
    assert_eq!((next.until, &next.place), (later + LIFETIME, &place()));
    // the answer may be lost on the way: the old one goes on
    assert!(world.identity.judge(&first, later).is_ok());
    let again = renew();
    let (lost, next) = (next.certificate, again.certificate);
    // and a third that was asked for drops the oldest that nobody showed
    let third = renew().certificate;
    assert_eq!(world.identity.judge(&lost, later), Err(Refusal::Replaced));
    drop(third);
    assert_eq!(world.identity.judge(&next, later).unwrap().until, later + LIFETIME);
    assert_eq!(world.identity.judge(&first, later), Err(Refusal::Replaced));
    assert_eq!(world.reopened().judge(&first, later), Err(Refusal::Replaced));
    assert!(world.reopened().judge(&next, later).is_ok());
}

#[test]
fn who_is_revoked_between_judging_and_renewing_gets_nothing_also_not_under_a_new_owner_of_the_name()
{
    let world = world();
    let member = world.identity.judge(&world.join("vm-1").certificate, NOW).unwrap();
    let renew = || world.identity.renew(&member, &request().0, NOW).map(|granted| granted.name);
    world.identity.revoke_agent(&name("vm-1"), NOW).unwrap();
    assert!(matches!(renew(), Err(Refusal::Revoked { .. })));
    world.join("vm-1");
    assert_eq!(renew(), Err(Refusal::Replaced));
}

#[test]
fn a_certificate_is_refused_in_words_when_it_is_over_foreign_or_revoked() {
    let (world, other) = (world(), world());
    let mine = world.join("vm-1").certificate;
    let said = world.identity.judge(&mine, NOW + LIFETIME + HOUR).unwrap_err().to_string();
    assert!(said.contains("certificate of vm-1 expired at 2023-12-14T22:13:20Z"), "{said}");
    assert_eq!(other.identity.judge(&mine, NOW), Err(Refusal::Foreign));
    assert_eq!(world.identity.judge(b"tea", NOW), Err(Refusal::Foreign));
    // an authority's key signs many things; the collector's own certificate is no agent's
    let (server, _) = world.identity.authority.server(NOW, NOW + HOUR).unwrap();
    assert_eq!(world.identity.judge(&server[0], NOW), Err(Refusal::Foreign));

    world.identity.revoke_agent(&name("vm-1"), NOW).unwrap();
    let revoked = world.identity.judge(&mine, NOW).unwrap_err();
    assert_eq!(
        revoked.to_string(),
        "vm-1 was revoked at 2023-11-14T22:13:20Z: it may join again with a new token (enroll --force)"
    );
    assert!(world.identity.agents().is_empty() && world.identity.has_joined(&name("vm-1")));
    let twice = world.identity.revoke_agent(&name("vm-1"), NOW);
    assert_eq!(twice, Err(Refusal::AlreadyRevoked(name("vm-1"))));
    // and joins again, as somebody new
    let anew = world.join("vm-1").certificate;
    assert!(world.identity.judge(&anew, NOW).is_ok());
    assert_eq!(world.identity.judge(&mine, NOW), Err(Refusal::Replaced));
}

#[test]
fn tokens_are_listed_while_they_can_be_used() {
    let world = world();
    let named = world.identity.create_token(place(), Some(name("x")), HOUR, 3, NOW).unwrap();
    world.token(1);
    assert_eq!(world.identity.tokens(NOW).len(), 2);
    let row = world.identity.tokens(NOW).into_iter().find(|t| t.uses_left == 3).unwrap();
    assert_eq!((row.name.as_deref(), row.expires_ms), (Some("x"), (NOW + HOUR).millis()));
    let granted = world.apply(&named, "wish", &request().0).unwrap();
    assert_eq!(granted.name, name("x"));
    world.identity.revoke_token(&row.id).unwrap();
    assert_eq!(world.identity.revoke_token(&row.id), Err(Refusal::NoToken(row.id)));
    assert_eq!(world.identity.tokens(NOW).len(), 1);
    assert_eq!(world.identity.tokens(NOW + HOUR), []);
}

#[test]
fn damaged_files_are_named_and_nothing_is_made_anew() {
    let world = world();
    let folder = world.data.path().join("identity");
    let open = || Identity::open(world.data.path(), None, LIFETIME, NOW).unwrap_err().to_string();
    for (file, says) in [("register.json", "is damaged"), ("ca.key", "is damaged")] {
        let kept = std::fs::read(folder.join(file)).ok();
        std::fs::write(folder.join(file), "tea").unwrap();
        let said = open();
        assert!(said.contains(file) && said.contains(says), "{said}");
        if let Some(kept) = kept {
            std::fs::write(folder.join(file), kept).unwrap();
        } else {
            std::fs::remove_file(folder.join(file)).unwrap();
        }
    }
    // a key that is gone is not replaced by another: every agent would be a stranger
    std::fs::remove_file(folder.join("ca.key")).unwrap();
    let said = open();
    assert!(said.contains("cannot find") && said.contains("ca.key"), "{said}");
}

#[test]
fn an_authority_of_the_owners_signs_instead() {
    let elsewhere = world();
    let folder = elsewhere.data.path().join("identity");
    let own = Own { certificate: folder.join("ca.pem"), key: folder.join("ca.key") };
    let data = tempfile::tempdir().unwrap();
    let identity = Identity::open(data.path(), Some(&own), LIFETIME, NOW).unwrap();
    let token = identity.create_token(place(), None, HOUR, 1, NOW).unwrap();
    assert_eq!(token.authority, elsewhere.token(1).authority);
    assert!(!data.path().join("identity/ca.key").exists());
}
