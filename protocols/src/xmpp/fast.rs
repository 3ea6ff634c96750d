//! Tokens that stand for a password (XEP-0484). They are registers of the account, so that every node takes them; one register holds what one
//! of the account's clients has: the token it uses and the one it was given last.
//!
//! **Invariant:** a token is good only with the mechanism it was given for, until it expires, and while the password is the one that it was got with.

use crate::sasl::token::{Claim, TokenMechanism};
use lavina_crdt::account::Credentials;

/// How long a token lasts: a device that is used once a month stays logged in.
const LIFE_MS: u64 = 45 * 24 * 3600 * 1000;
/// A token with less than so much left is replaced.
const FRESH_MS: u64 = LIFE_MS * 2 / 3;
/// Longest id of a client's: it is to be a UUID.
const CLIENT_BYTES_MAX: usize = 128;
/// Tokens of one client: the one it uses and a new one (section 5, "two token slots").
const SLOTS: usize = 2;

/// One token.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Token {
    mechanism: TokenMechanism,
    expires_ms: u64,
    /// Of which password.
    password: String,
    secret: String,
}

/// The tokens of one client of an account, older first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tokens {
    client: String,
    slots: Vec<Token>,
    /// The register holds something else.
    changed: bool,
}

/// What a claim came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It holds: the server's proof, and whether a new token is due.
    Good { proof: Vec<u8>, is_due: bool },
    /// It did hold once.
    Expired,
    /// It does not.
    Wrong,
}

/// The register for a client of an account's: there are only so many places, so that nobody fills an account with tokens; who comes to the place
/// of another one takes it.
pub(crate) fn register(client: &str) -> Option<String> {
    if client.is_empty() || client.len() > CLIENT_BYTES_MAX {
        return None;
    }
    let place = client_hash(client);
    Some(format!("secret/token/{}", place.get(..2).unwrap_or_default()))
}

fn client_hash(client: &str) -> String {
    let hash = blake3::Hasher::new_derive_key("lavina 1 client of a token").update(client.as_bytes()).finalize();
    hash.to_hex().as_str().get(..32).unwrap_or_default().to_owned()
}

/// What tells one password from another, and not what it is.
pub(crate) fn password_hash(credentials: &Credentials) -> String {
    let mut hasher = blake3::Hasher::new_derive_key("lavina 1 password of a token");
    hasher.update(&credentials.sha256.salt).update(&credentials.sha256.stored_key);
    hasher.finalize().to_hex().as_str().get(..32).unwrap_or_default().to_owned()
}

impl Tokens {
    /// As the register has them; none where it is of another client.
    pub(crate) fn read(client: &str, register: Option<&[u8]>) -> Self {
        let client = client_hash(client);
        let text = register.and_then(|register| std::str::from_utf8(register).ok()).unwrap_or_default();
        let mut lines = text.lines();
        let slots = if lines.next() == Some(client.as_str()) { lines.filter_map(read).collect() } else { Vec::new() };
        Self { client, slots, changed: false }
    }

    /// Whether the register is to be written.
    pub(crate) const fn has_changed(&self) -> bool {
        self.changed
    }

    /// What the register is to hold.
    pub(crate) fn write(&self) -> Vec<u8> {
        let mut text = self.client.clone();
        for Token { mechanism, expires_ms, password, secret } in &self.slots {
            text.push_str(&format!("\n{} {expires_ms} {password} {secret}", mechanism.name()));
        }
        text.into_bytes()
    }

    /// Checks a claim. The token that was used goes on alone (section 5): older ones are good no more.
    pub(crate) fn check(
        &mut self,
        claim: &Claim,
        (mechanism, binding): (TokenMechanism, &[u8]),
        credentials: &Credentials,
        now_ms: u64,
    ) -> Verdict {
        let password = password_hash(credentials);
        let found = self.slots.iter().enumerate().rev().find_map(|(index, token)| {
            let mine = token.mechanism == mechanism && token.password == password;
            let proof = claim.check(&token.secret, binding).filter(|_| mine)?;
            Some((index, token.expires_ms, proof))
        });
        let Some((index, expires_ms, proof)) = found else { return Verdict::Wrong };
        if expires_ms <= now_ms {
            return Verdict::Expired;
        }
        self.changed |= self.slots.drain(..index).next().is_some();
        Verdict::Good { proof, is_due: expires_ms.saturating_sub(now_ms) < FRESH_MS }
    }

    /// Takes the oldest away: the one that was used.
    pub(crate) fn invalidate(&mut self) {
        if !self.slots.is_empty() {
            self.slots.remove(0);
            self.changed = true;
        }
    }

    /// Adds a token; gives when it expires. One that was given out and never used is good no more.
    pub(crate) fn add(
        &mut self,
        mechanism: TokenMechanism,
        secret: &str,
        credentials: &Credentials,
        now_ms: u64,
    ) -> u64 {
        let expires_ms = now_ms.saturating_add(LIFE_MS);
        self.slots.truncate(SLOTS - 1);
        self.changed = true;
        let password = password_hash(credentials);
        self.slots.push(Token { mechanism, expires_ms, password, secret: secret.to_owned() });
        expires_ms
    }
}

fn read(line: &str) -> Option<Token> {
    let mut words = line.split(' ');
    let mechanism = TokenMechanism::parse(words.next()?)?;
    let expires_ms = words.next()?.parse().ok()?;
    let [password, secret] = [words.next()?, words.next()?].map(str::to_owned);
    Some(Token { mechanism, expires_ms, password, secret })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sasl::derive_credentials_with;
    use crate::sasl::token::tests::message;

    fn claim(secret: &str) -> Claim {
        Claim::parse(&message("alice", secret, b""), "a.example").unwrap()
    }

    #[test]
    fn a_token_is_good_for_its_password_its_mechanism_and_its_time() {
        let old = derive_credentials_with("old", [1; 16], 1).unwrap();
        let new = derive_credentials_with("new", [1; 16], 1).unwrap();
        let mut tokens = Tokens::read("phone", None);
        let expires_ms = tokens.add(TokenMechanism::None, "s1", &old, 1_000);
        let mut tokens = Tokens::read("phone", Some(&tokens.write()));
        let none = (TokenMechanism::None, &b""[..]);
        assert!(matches!(tokens.check(&claim("s1"), none, &old, 2_000), Verdict::Good { is_due: false, .. }));
        assert!(matches!(tokens.check(&claim("s1"), none, &old, expires_ms - 1), Verdict::Good { is_due: true, .. }));
        assert_eq!(tokens.check(&claim("s1"), none, &old, expires_ms), Verdict::Expired);
        assert_eq!(tokens.check(&claim("s1"), none, &new, 2_000), Verdict::Wrong, "the password has changed");
        assert_eq!(tokens.check(&claim("s1"), (TokenMechanism::EndPoint, b""), &old, 2_000), Verdict::Wrong);
        assert_eq!(tokens.check(&claim("s2"), none, &old, 2_000), Verdict::Wrong);
        assert_eq!(Tokens::read("desk", Some(&tokens.write())).slots, [], "another client's");
    }

    #[test]
    fn the_old_token_is_good_until_the_new_one_is_used() {
        let password = derive_credentials_with("old", [1; 16], 1).unwrap();
        let none = (TokenMechanism::None, &b""[..]);
        let mut tokens = Tokens::read("phone", None);
        for (index, secret) in (0..).zip(["s1", "s2", "s3"]) {
            tokens.add(TokenMechanism::None, secret, &password, index);
        }
        assert_eq!(tokens.check(&claim("s2"), none, &password, 9), Verdict::Wrong, "never used");
        assert!(matches!(tokens.check(&claim("s1"), none, &password, 9), Verdict::Good { .. }));
        assert!(matches!(tokens.check(&claim("s3"), none, &password, 9), Verdict::Good { .. }));
        assert_eq!(tokens.check(&claim("s1"), none, &password, 9), Verdict::Wrong, "the new one was used");
        tokens.invalidate();
        assert_eq!(tokens.check(&claim("s3"), none, &password, 9), Verdict::Wrong);
    }
}
