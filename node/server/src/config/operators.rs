//! `[[operator]]`: who may become an operator of the mesh at this node.

use super::error::ConfigError;
use super::file::Check;
use lavina_crdt::names::AccountName;
use lavina_protocols::operator::Operator;
use lavina_protocols::sasl::parse_verifier;
use serde::Deserialize;
use toml::Spanned;

/// Longest name and title, in bytes: they stand in lines of IRC.
const TEXT_BYTES_MAX: usize = 64;

/// One entry as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Entry {
    name: Spanned<String>,
    password: Option<Spanned<String>>,
    account: Option<Spanned<String>>,
    title: Option<Spanned<String>>,
}

/// Checks the entries.
pub(super) fn check(check: &Check<'_>, entries: &[Entry]) -> Result<Vec<Operator>, ConfigError> {
    let mut operators: Vec<Operator> = Vec::new();
    for entry in entries {
        let name = word(check, "name", &entry.name)?;
        if operators.iter().any(|known| known.name == name) {
            let right = "each [[operator]] has a name of its own";
            return Err(check.refuse("name", &entry.name, "is an operator already", right));
        }
        if entry.password.is_none() && entry.account.is_none() {
            let right = "set `password` (from `lavina operator hash`), `account`, or both";
            return Err(check.refuse("name", &entry.name, "can show in no way who they are", right));
        }
        let password = entry.password.as_ref().map(|text| {
            let right = "the line that `lavina operator hash` prints is expected";
            let hidden = "is not a hashed password";
            parse_verifier(text.get_ref()).ok_or_else(|| check.refuse_hidden("password", text, hidden, right))
        });
        let account = entry.account.as_ref().map(|text| {
            let right = "the name of an account is expected, such as \"alice\"";
            AccountName::new(text.get_ref())
                .map_err(|_| check.refuse("account", text, "cannot be an account's name", right))
        });
        operators.push(Operator {
            name,
            password: password.transpose()?,
            account: account.transpose()?,
            title: entry.title.as_ref().map(|text| line(check, "title", text)).transpose()?.unwrap_or_default(),
        });
    }
    Ok(operators)
}

fn word(check: &Check<'_>, key: &str, text: &Spanned<String>) -> Result<String, ConfigError> {
    if text.get_ref().contains(char::is_whitespace) {
        return Err(check.refuse(key, text, "has a space", "one word is expected, such as \"alice\""));
    }
    line(check, key, text)
}

fn line(check: &Check<'_>, key: &str, text: &Spanned<String>) -> Result<String, ConfigError> {
    let value = text.get_ref();
    if value.is_empty() || value.len() > TEXT_BYTES_MAX || value.contains(char::is_control) {
        let right = "a short line is expected, such as \"alice\"";
        return Err(check.refuse(key, text, "cannot be shown", right));
    }
    Ok(value.clone())
}
