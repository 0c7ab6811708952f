//! Every spelling of an address that must not be spoken with, and names that change their mind.

use std::sync::atomic::{AtomicUsize, Ordering};

use rstest::rstest;

use super::*;
use crate::http::tests::get;
use crate::http::{HttpClient, HttpSettings, NameIs};
use contract::{ErrorKind, Phase};

const STRICT: Allowed = Allowed { private: false, as_named: false };
const OURS: Allowed = Allowed { private: true, as_named: false };

fn literal(allowed: Allowed, address: &str) -> Result<(), NotAllowed> {
    allowed.check_literal(&Url::parse(address).expect("an address"))
}

#[rstest]
#[case::loopback("http://127.0.0.1")]
#[case::decimal("http://2130706433")]
#[case::octal("http://0177.0.0.1")]
#[case::hexadecimal("http://0x7f.1")]
#[case::short("http://127.1")]
#[case::with_a_dot("http://127.0.0.1.")]
#[case::wide_digits("http://①②⑦.0.0.1")]
#[case::loopback_6("http://[::1]")]
#[case::mapped("http://[::ffff:127.0.0.1]")]
#[case::mapped_in_hexadecimal("http://[::ffff:7f00:1]")]
#[case::translated("http://[64:ff9b::10.1.2.3]")]
#[case::six_to_four("http://[2002:0a01:0203::1]")]
#[case::ten("https://10.1.2.3")]
#[case::hundred_and_seventy_two("https://172.31.255.255")]
#[case::hundred_and_ninety_two("https://192.168.0.1")]
#[case::shared("https://100.64.0.1")]
#[case::unique_local("https://[fd12:3456::1]")]
#[case::site_local("https://[fec0::1]")]
fn an_address_of_our_networks_is_refused_however_it_is_written_unless_configured(#[case] address: &str) {
    assert!(matches!(literal(STRICT, address), Err(NotAllowed::Private { .. })), "{address}");
    assert_eq!(literal(OURS, address), Ok(()));
    assert_eq!(literal(Allowed { private: false, as_named: true }, address), Ok(()), "it is named as it stands");
}

#[rstest]
#[case::metadata("http://169.254.169.254")]
#[case::metadata_in_decimal("http://2852039166")]
#[case::metadata_mapped("http://[::ffff:169.254.169.254]")]
#[case::metadata_translated("http://[64:ff9b::a9fe:a9fe]")]
#[case::metadata_6("http://[fd00:ec2::254]")]
#[case::metadata_elsewhere("http://100.100.100.200")]
#[case::link_local("http://[fe80::1]")]
#[case::everywhere("http://0.0.0.0")]
#[case::everywhere_6("http://[::]")]
#[case::compatible("http://[::127.0.0.1]")]
#[case::multicast("http://224.0.0.1")]
#[case::multicast_6("http://[ff02::1]")]
#[case::everybody("http://255.255.255.255")]
#[case::tunnelled("http://[2001::1]")]
#[case::documents("http://192.0.2.1")]
fn some_addresses_are_never_spoken_with(#[case] address: &str) {
    let configured = Allowed { private: true, as_named: true };
    for allowed in [STRICT, OURS, configured] {
        assert!(matches!(literal(allowed, address), Err(NotAllowed::Never { .. })), "{address} {allowed:?}");
    }
}

#[rstest]
#[case("https://93.184.216.34")]
#[case("https://172.32.0.1")]
#[case("https://[2a00:1450:4002::1]")]
#[case("https://pico.example.it")]
fn anybodys_address_is_allowed_and_a_name_is_asked_for_later(#[case] address: &str) {
    assert_eq!(literal(STRICT, address), Ok(()));
}

/// Whoever answers with these, one after the other and then the last.
fn said(answers: Vec<Vec<&'static str>>) -> LookUp {
    let asked = AtomicUsize::new(0);
    Arc::new(move |_| {
        let turn = asked.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1);
        let found = answers[turn].iter().map(|address| address.parse().expect("an address")).collect();
        Box::pin(async move { Ok(found) })
    })
}

async fn resolved(resolver: &GuardedResolver, name: &str) -> Result<Vec<String>, Option<NotAllowed>> {
    let found = resolver.resolve(name.parse().expect("a name")).await;
    found
        .map(|addresses| addresses.map(|address| address.ip().to_string()).collect())
        .map_err(|error| refusal_under(error.as_ref()))
}

fn resolver(allowed: Allowed, host: &str, answers: Vec<Vec<&'static str>>) -> GuardedResolver {
    GuardedResolver { host: host.to_owned(), allowed, look_up: said(answers) }
}

#[tokio::test]
async fn a_name_that_is_public_today_and_ours_tomorrow_is_refused_tomorrow() {
    let resolver = resolver(STRICT, "partner.example", vec![vec!["93.184.216.34"], vec!["127.0.0.1"]]);
    assert_eq!(resolved(&resolver, "partner.example").await, Ok(vec!["93.184.216.34".to_owned()]));
    let refused = resolved(&resolver, "PARTNER.example").await.expect_err("rebound").expect("it says why");
    assert!(matches!(refused, NotAllowed::Private { .. }), "{refused}");
    let told = refused.to_string();
    assert!(told.contains("127.0.0.1") && told.contains("allow_private"), "{told}");
}

#[tokio::test]
async fn of_several_addresses_only_those_that_may_be_spoken_with_are_given() {
    let mixed = vec!["10.0.0.1", "93.184.216.34", "::ffff:169.254.169.254"];
    let strict = resolver(STRICT, "partner.example", vec![mixed.clone()]);
    assert_eq!(resolved(&strict, "partner.example").await, Ok(vec!["93.184.216.34".to_owned()]));
    let ours = resolver(OURS, "partner.example", vec![mixed]);
    assert_eq!(resolved(&ours, "partner.example").await, Ok(vec!["10.0.0.1".to_owned(), "93.184.216.34".to_owned()]));
}

#[tokio::test]
async fn a_client_asks_for_no_other_host() {
    let resolver = resolver(OURS, "partner.example", vec![vec!["93.184.216.34"]]);
    let refused = resolved(&resolver, "evil.example").await.expect_err("another host").expect("it says why");
    assert!(matches!(refused, NotAllowed::OtherHost { .. }), "{refused}");
    let base = Url::parse("https://partner.example/a").expect("an address");
    for other in ["http://partner.example/a", "https://partner.example:8443/a", "https://partner.example.evil/a"] {
        assert!(check_host(&Url::parse(other).expect("an address"), &base).is_err(), "{other}");
    }
    assert_eq!(check_host(&Url::parse("https://partner.example:443/b?c").expect("an address"), &base), Ok(()));
}

#[tokio::test]
async fn localhost_is_this_machine_where_it_is_configured_and_nothing_else() {
    let named = Allowed { private: false, as_named: true };
    let here = resolver(named, "localhost", vec![vec!["127.0.0.1", "::1"], vec!["10.0.0.1"]]);
    assert_eq!(resolved(&here, "localhost").await.map(|found| found.len()), Ok(2));
    assert!(resolved(&here, "localhost").await.is_err(), "a name server that says otherwise is not believed");
    let told = resolver(STRICT, "localhost", vec![vec!["127.0.0.1"]]);
    assert!(resolved(&told, "localhost").await.is_err(), "an address that others gave us");
    let alias = resolver(named, "foo.localhost", vec![vec!["127.0.0.1"]]);
    assert!(resolved(&alias, "foo.localhost").await.is_err());
}

#[tokio::test]
async fn a_refused_address_is_an_error_before_sending_that_says_which_setting_to_change() {
    let settings = HttpSettings { connect_seconds: 1, ..HttpSettings::new("https://pico.example.it/v0") };
    let client = HttpClient::with_names("pico", &settings, NameIs::Configured, said(vec![vec!["10.1.2.3"]]));
    let error = get(&client.expect("a client")).await.expect_err("refused");
    assert_eq!((error.kind, error.phase), (ErrorKind::Unreachable, Phase::BeforeSending));
    let why = std::error::Error::source(&error).expect("a cause").to_string();
    let expected = "pico.example.it is at 10.1.2.3, a private address: write `allow_private = true`";
    assert!(why.starts_with(expected), "{why}");
}

#[tokio::test]
async fn an_address_that_others_gave_us_is_refused_at_once_and_one_of_ours_is_not() {
    let settings = |allow_private| HttpSettings { allow_private, ..HttpSettings::new("http://127.0.0.1:9/hook") };
    assert!(HttpClient::new("system", &settings(false)).is_ok(), "it is named as it stands");
    let refused = HttpClient::of_others("webhook", &settings(false)).expect_err("refused");
    assert!(refused.problem.contains("allow_private"), "{}", refused.problem);
    assert!(HttpClient::of_others("webhook", &settings(true)).is_ok());
}
