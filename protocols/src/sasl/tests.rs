//! Whole exchanges, with the vectors of the standards, and what an attacker would try.

use super::password::derive;
use super::*;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

const SECRET: [u8; 32] = [7; 32];

fn surroundings(tls: Option<&Tls>) -> Surroundings<'_> {
    let (domain, salt_secret) = ("example.org", &SECRET);
    Surroundings { domain, tls, plus_advertised: tls.is_some(), salt_secret, offered: None, tokens: None }
}

fn exchange(mechanism: Mechanism, nonce: &str) -> Exchange {
    Exchange::new(mechanism, surroundings(None), nonce.to_owned())
}

fn account(name: &str) -> AccountName {
    AccountName::new(name).unwrap()
}

/// The credentials of both vectors: password `pencil`, 4096 rounds, each hash with the salt of its standard.
fn pencil() -> Credentials {
    let salt = |text| STANDARD.decode(text).unwrap();
    Credentials {
        sha1: derive(Hash::Sha1, b"pencil", &salt("QSXCR+Q6sek8bf92"), 4096),
        sha256: derive(Hash::Sha256, b"pencil", &salt("W22ZaJ0SNY7soEsUEjb6gQ=="), 4096),
    }
}

fn text(step: Step) -> String {
    match step.clone() {
        Step::Challenge(data) | Step::Success { data, .. } => String::from_utf8(data).unwrap(),
        Step::LookUp(_) | Step::Failure(_) => format!("{step:?}"),
    }
}

#[test]
fn scram_sha_1_follows_the_vector_of_rfc_5802_section_5() {
    let mut exchange = exchange(Mechanism::ScramSha1, "3rfcNHYJY1ZVvWVs7j");
    let step = exchange.handle_response(b"n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL");
    assert_eq!(step, Step::LookUp(account("user")));
    let first = text(exchange.handle_credentials(Some(pencil())));
    assert_eq!(first, "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096");
    let last =
        exchange.handle_response(b"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=");
    assert_eq!(text(last), "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=");
}

#[test]
fn scram_sha_256_follows_the_vector_of_rfc_7677_section_3() {
    let mut exchange = exchange(Mechanism::ScramSha256, "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0");
    exchange.handle_response(b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
    let first = text(exchange.handle_credentials(Some(pencil())));
    assert_eq!(first, "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
    let last = exchange.handle_response(
        b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
    );
    let Step::Success { account: who, data } = last else { panic!("{last:?}") };
    assert_eq!(who, account("user"));
    assert_eq!(data, b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
}

/// A client of SCRAM-SHA-256, to try what the vectors do not.
pub(crate) fn client_final(header_and_binding: &[u8], bare: &str, server_first: &str, password: &str) -> String {
    let part = |key: &str| server_first.split(',').find_map(|part| part.strip_prefix(key)).unwrap().to_owned();
    let salt = STANDARD.decode(part("s=")).unwrap();
    let rounds = part("i=").parse().unwrap();
    let salted = pbkdf2::pbkdf2_hmac_array::<sha2::Sha256, 32>(password.as_bytes(), &salt, rounds);
    let client_key = password::hmac(Hash::Sha256, &salted, b"Client Key");
    let stored_key = password::digest(Hash::Sha256, &client_key);
    let without_proof = format!("c={},r={}", STANDARD.encode(header_and_binding), part("r="));
    let message = format!("{bare},{server_first},{without_proof}");
    let signature = password::hmac(Hash::Sha256, &stored_key, message.as_bytes());
    let proof: Vec<u8> = client_key.iter().zip(&signature).map(|(key, signature)| key ^ signature).collect();
    format!("{without_proof},p={}", STANDARD.encode(proof))
}

fn scram_256_plus(tls: &Tls, flag: &str, bound_to: &[u8]) -> Step {
    let mut exchange = Exchange::new(Mechanism::ScramSha256Plus, surroundings(Some(tls)), "server".to_owned());
    let step = exchange.handle_response(format!("{flag},,n=user,r=client").as_bytes());
    if matches!(step, Step::Failure(_)) {
        return step;
    }
    let first = text(exchange.handle_credentials(Some(pencil())));
    let binding = [format!("{flag},,").as_bytes(), bound_to].concat();
    exchange.handle_response(client_final(&binding, "n=user,r=client", &first, "pencil").as_bytes())
}

#[test]
fn channel_binding_holds_only_on_the_channel_it_names() {
    let tls = Tls { exporter: Some([3; 32]), server_end_point: Some(vec![4; 32]), ..Tls::default() };
    assert!(matches!(scram_256_plus(&tls, "p=tls-exporter", &[3; 32]), Step::Success { .. }));
    assert!(matches!(scram_256_plus(&tls, "p=tls-server-end-point", &[4; 32]), Step::Success { .. }));
    assert_eq!(scram_256_plus(&tls, "p=tls-exporter", &[4; 32]), Step::Failure(Failure::NotAuthorized));
    assert_eq!(scram_256_plus(&tls, "p=tls-unique", &[3; 32]), Step::Failure(Failure::UnsupportedBinding));
    let without_exporter = Tls { exporter: None, server_end_point: Some(vec![4; 32]), ..Tls::default() };
    let step = scram_256_plus(&without_exporter, "p=tls-exporter", &[3; 32]);
    assert_eq!(step, Step::Failure(Failure::UnsupportedBinding));
    assert_eq!(scram_256_plus(&tls, "n", &[]), Step::Failure(Failure::Malformed));
}

#[test]
fn a_client_whose_offer_was_stripped_is_told_so() {
    let tls = Tls::default();
    let mut exchange = Exchange::new(Mechanism::ScramSha256, surroundings(Some(&tls)), "server".to_owned());
    assert_eq!(exchange.handle_response(b"y,,n=user,r=client"), Step::Failure(Failure::Downgrade));
    let mut exchange = self::exchange(Mechanism::ScramSha256, "server");
    assert_eq!(exchange.handle_response(b"y,,n=user,r=client"), Step::LookUp(account("user")));
}

#[test]
fn an_unknown_account_is_led_on_with_a_steady_salt_and_fails_like_a_wrong_password() {
    let salt_of = |name: &str, nonce: &str| {
        let mut exchange = exchange(Mechanism::ScramSha256, nonce);
        exchange.handle_response(format!("n,,n={name},r=client").as_bytes());
        let first = text(exchange.handle_credentials(None));
        let last = client_final(b"n,,", &format!("n={name},r=client"), &first, "pencil");
        assert_eq!(exchange.handle_response(last.as_bytes()), Step::Failure(Failure::NotAuthorized));
        first.split(',').nth(1).unwrap().to_owned()
    };
    assert_eq!(salt_of("nobody", "a"), salt_of("nobody", "b"));
    assert_ne!(salt_of("nobody", "a"), salt_of("noone", "a"));
}

#[test]
fn the_authorization_identity_must_be_the_account_itself() {
    for (authzid, expected) in [
        ("", None),
        ("user", None),
        ("user@example.org", None),
        ("USER@EXAMPLE.ORG", None),
        ("root", Some(Failure::InvalidAuthzid)),
        ("user@elsewhere.org", Some(Failure::InvalidAuthzid)),
        ("user@example.org@example.org", Some(Failure::InvalidAuthzid)),
    ] {
        let expected = expected.map_or(Step::LookUp(account("user")), Step::Failure);
        let mut plain = exchange(Mechanism::Plain, "");
        assert_eq!(plain.handle_response(format!("{authzid}\0user\0pencil").as_bytes()), expected, "{authzid}");
        let mut scram = exchange(Mechanism::ScramSha256, "server");
        let field = if authzid.is_empty() { String::new() } else { format!("a={authzid}") };
        assert_eq!(scram.handle_response(format!("n,{field},n=user,r=client").as_bytes()), expected, "{authzid}");
    }
}

#[test]
fn plain_takes_the_right_password_only() {
    let kept = derive_credentials_with("pass\u{a0}word", [1; 16], 2).unwrap();
    let attempt = |message: &str, kept: Option<&Credentials>| {
        let mut exchange = exchange(Mechanism::Plain, "");
        let step = exchange.handle_response(message.as_bytes());
        if matches!(step, Step::LookUp(_)) { exchange.handle_credentials(kept.cloned()) } else { step }
    };
    let success = Step::Success { account: account("user"), data: Vec::new() };
    assert_eq!(
        attempt("\0user\0pass word", Some(&kept)),
        success,
        "non-ASCII spaces are mapped (RFC 8265 section 4.2.2)"
    );
    assert_eq!(attempt("\0user@example.org\0pass word", Some(&kept)), success);
    assert_eq!(attempt("\0user\0password", Some(&kept)), Step::Failure(Failure::NotAuthorized));
    assert_eq!(attempt("\0user\0pass word", None), Step::Failure(Failure::NotAuthorized));
    assert_eq!(attempt("user\0pass word", Some(&kept)), Step::Failure(Failure::Malformed));
    assert_eq!(attempt("\0user\0pass\0word", Some(&kept)), Step::Failure(Failure::Malformed));
    assert_eq!(attempt("\0\0password", Some(&kept)), Step::Failure(Failure::Malformed));
}

#[test]
fn an_ended_exchange_stays_ended() {
    let mut exchange = exchange(Mechanism::Plain, "");
    exchange.handle_response(b"\0user\0pencil");
    exchange.handle_credentials(None);
    assert_eq!(exchange.handle_response(b"\0user\0pencil"), Step::Failure(Failure::Malformed));
    assert_eq!(exchange.handle_credentials(Some(pencil())), Step::Failure(Failure::Malformed));
}

#[test]
fn passwords_that_cannot_be_typed_everywhere_are_refused() {
    assert_eq!(derive_credentials("", [0; 16]), Err(PasswordError::Empty));
    assert_eq!(derive_credentials(&"x".repeat(1025), [0; 16]), Err(PasswordError::TooLong));
    assert_eq!(derive_credentials("bell\u{7}", [0; 16]), Err(PasswordError::Character));
}

#[test]
fn mechanisms_are_known_by_name() {
    for mechanism in Mechanism::ALL {
        assert_eq!(Mechanism::parse(&mechanism.name().to_lowercase()), Some(mechanism));
    }
    assert_eq!(Mechanism::parse("EXTERNAL"), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_bytes_make_an_exchange_panic_or_succeed(
        index in 0..Mechanism::ALL.len(),
        messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 1..4),
    ) {
        let mut exchange = exchange(Mechanism::ALL[index], "server");
        for message in messages {
            let mut step = exchange.handle_response(&message);
            if matches!(step, Step::LookUp(_)) {
                step = exchange.handle_credentials(None);
            }
            prop_assert!(!matches!(step, Step::Success { .. }), "{:?}", step);
        }
    }
}
