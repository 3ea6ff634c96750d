//! Where those who run the mesh are reached, as `[contact]` says (XEP-0157).

use super::error::ConfigError;
use super::file::Check;
use super::words::Words;
use lavina_protocols::session::ContactKind;
use serde::Deserialize;
use toml::Spanned;

/// Longest address taken, in bytes.
const ADDRESS_BYTES_MAX: usize = 256;

/// The table as it is written.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entries {
    abuse: Option<Spanned<Words>>,
    admin: Option<Spanned<Words>>,
    feedback: Option<Spanned<Words>>,
    sales: Option<Spanned<Words>>,
    security: Option<Spanned<Words>>,
    status: Option<Spanned<Words>>,
    support: Option<Spanned<Words>>,
}

/// Checks the table.
pub(super) fn check(check: &Check<'_>, entries: &Entries) -> Result<Vec<(ContactKind, Vec<String>)>, ConfigError> {
    let rows = [
        ("abuse", ContactKind::Abuse, &entries.abuse),
        ("admin", ContactKind::Admin, &entries.admin),
        ("feedback", ContactKind::Feedback, &entries.feedback),
        ("sales", ContactKind::Sales, &entries.sales),
        ("security", ContactKind::Security, &entries.security),
        ("status", ContactKind::Status, &entries.status),
        ("support", ContactKind::Support, &entries.support),
    ];
    let mut contacts = Vec::new();
    for (key, kind, words) in rows {
        let Some(words) = words else { continue };
        let addresses = &words.get_ref().0;
        if let Some(wrong) = addresses.iter().find(|address| !is_uri(address)) {
            let right = "URIs are expected, such as \"mailto:abuse@chat.example\" or \"xmpp:root@chat.example\"";
            return Err(check.refuse_word(key, words, wrong, "is not a URI", right));
        }
        contacts.push((kind, addresses.clone()));
    }
    Ok(contacts)
}

/// RFC 3986 section 3: a scheme and something behind it.
fn is_uri(text: &str) -> bool {
    let scheme = |scheme: &str| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    };
    let is_shown = text.len() <= ADDRESS_BYTES_MAX && text.chars().all(|c| c.is_ascii_graphic());
    is_shown && text.split_once(':').is_some_and(|(name, rest)| scheme(name) && !rest.is_empty())
}
