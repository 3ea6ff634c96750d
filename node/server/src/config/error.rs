//! What is wrong with a configuration, where, and what would be right.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// One thing that is wrong. Shown as `FILE:LINE:COLUMN: KEY: what is wrong; what would be right`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConfigError {
    file: PathBuf,
    place: Option<(usize, usize)>,
    key: Option<String>,
    what: String,
    right: Option<String>,
}

impl std::error::Error for ConfigError {}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some((line, column)) = self.place {
            write!(f, ":{line}:{column}")?;
        }
        if let Some(key) = &self.key {
            write!(f, ": {key}")?;
        }
        write!(f, ": {}", self.what)?;
        if let Some(right) = &self.right {
            write!(f, "; {right}")?;
        }
        Ok(())
    }
}

impl ConfigError {
    /// The file itself is the problem.
    pub(super) fn unreadable(file: &Path, what: &str) -> Self {
        let right = Some("`lavina init DOMAIN --region R --zone Z` writes one".to_owned());
        Self { file: file.to_owned(), place: None, key: None, what: what.to_owned(), right }
    }

    /// A value is wrong.
    pub(super) fn value(source: Source<'_>, key: &str, span: &Range<usize>, what: String, right: &str) -> Self {
        Self {
            file: source.file.to_owned(),
            place: Some(position(source.text, span.start)),
            key: Some(key.to_owned()),
            what,
            right: Some(right.to_owned()),
        }
    }

    /// The file is not TOML, has a key too many or too few, or a value of the wrong type.
    pub(super) fn toml(source: Source<'_>, error: &toml::de::Error, keys: &[(&str, &str)]) -> Self {
        let message = error.message().lines().collect::<Vec<_>>().join(", ");
        let file = source.file.to_owned();
        if let Some(key) = quoted(&message, "missing field `") {
            let right = example(keys, key);
            return Self { file, place: None, key: Some(key.to_owned()), what: "the key is missing".to_owned(), right };
        }
        let start = error.span().map_or(0, |span| span.start);
        let place = Some(position(source.text, start));
        if let Some(key) = quoted(&message, "unknown field `") {
            let right = Some(nearest(keys, key));
            return Self { file, place, key: Some(key.to_owned()), what: "there is no such key".to_owned(), right };
        }
        let key = key_at(source.text, start);
        let right = key.and_then(|key| example(keys, key));
        Self { file, place, key: key.map(str::to_owned), what: message, right }
    }
}

/// A file's name and text.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    /// The name.
    pub(super) file: &'a Path,
    /// The text.
    pub(super) text: &'a str,
}

/// Line and column, from 1, of a byte offset.
fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let column = before.get(line_start..).unwrap_or("").chars().count();
    (before.matches('\n').count() + 1, column + 1)
}

/// The key of the line that an offset is in.
fn key_at(text: &str, offset: usize) -> Option<&str> {
    let start = text.get(..offset)?.rfind('\n').map_or(0, |at| at + 1);
    let line = text.get(start..)?.lines().next()?;
    let (key, _) = line.split_once('=')?;
    let key = key.trim();
    (!key.is_empty() && !key.starts_with('#')).then_some(key)
}

fn quoted<'a>(message: &'a str, before: &str) -> Option<&'a str> {
    message.split_once(before)?.1.split('`').next()
}

fn example(keys: &[(&str, &str)], key: &str) -> Option<String> {
    let (key, value) = keys.iter().find(|(known, _)| *known == key)?;
    Some(format!("for example: {key} = {value}"))
}

/// The known key that looks most like this one, or all of them when none does.
fn nearest(keys: &[(&str, &str)], wrong: &str) -> String {
    let near = keys.iter().map(|(key, _)| (edits(key, wrong), *key)).min();
    match near {
        Some((edits, key)) if edits * 2 <= wrong.len() => format!("did you mean `{key}`?"),
        _ => format!("the keys are: {}", keys.iter().map(|(key, _)| *key).collect::<Vec<_>>().join(", ")),
    }
}

/// Levenshtein distance.
fn edits(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, a) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, b) in row.iter_mut().skip(1).zip(b.chars()) {
            let replaced = diagonal + usize::from(a != b);
            diagonal = *cell;
            left = replaced.min(left + 1).min(*cell + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}
