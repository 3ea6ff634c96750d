//! Reading TOML with the place of everything, so that each refusal names line, column and what would be right.

use super::units::{self, RATES, SHARES, TIMES};
use crate::plan::PlanError;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Why a text is neither scenario nor plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, serde::Serialize)]
#[error("line {line}, column {column}: {message}")]
pub struct TextError {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// What is wrong and what would be right.
    pub message: String,
}

/// A refusal with its place as bytes of the text.
#[derive(Debug)]
pub(super) struct Problem {
    at: Range<usize>,
    message: String,
}

pub(super) type Parsed<'t> = Spanned<DeTable<'t>>;
pub(super) type Value<'t> = Spanned<DeValue<'t>>;

impl Problem {
    pub(super) fn at(value: &Value<'_>, message: impl Into<String>) -> Self {
        Self { at: value.span(), message: message.into() }
    }

    pub(super) fn in_text(self, text: &str) -> TextError {
        place(text, self.at.start, self.message)
    }
}

/// An error at a byte of a text.
fn place(text: &str, byte: usize, message: String) -> TextError {
    let before = text.get(..byte).unwrap_or(text);
    let line = before.rsplit('\n').next().unwrap_or_default();
    TextError { line: before.matches('\n').count() + 1, column: line.chars().count() + 1, message }
}

/// The text as TOML.
pub(super) fn parse(text: &str) -> Result<Parsed<'_>, TextError> {
    DeTable::parse(text).map_err(|error| of_toml(text, &error))
}

fn of_toml(text: &str, error: &toml::de::Error) -> TextError {
    let mut message = error.message().trim().replace('\n', ", ");
    if let Some((unknown, known)) = unknown_field(&message) {
        message.push_str(&did_you_mean(&unknown, known.iter().map(String::as_str)));
    }
    place(text, error.span().map_or(0, |span| span.start), message)
}

/// The key and the known ones out of serde's words about an unknown field.
fn unknown_field(message: &str) -> Option<(String, Vec<String>)> {
    let mut quoted = message.strip_prefix("unknown field ")?.split('`').skip(1).step_by(2).map(str::to_owned);
    Some((quoted.next()?, quoted.collect()))
}

/// What is wrong with a plan, with its place.
pub(super) fn of_plan(text: &str, error: &PlanError) -> TextError {
    let message = error.to_string();
    match error {
        PlanError::Syntax(_) => match toml::from_str::<crate::Plan>(text) {
            Err(error) => of_toml(text, &error),
            Ok(_) => place(text, 0, message),
        },
        PlanError::Missing { path, .. } | PlanError::NoDeed { path, .. } | PlanError::NoRelease { path, .. } => {
            place(text, find(text, path).unwrap_or(0), message)
        }
        PlanError::NoNodes => place(text, find(text, "nodes").unwrap_or(0), message),
    }
}

/// Where the value at a path such as `clients.3.node` begins; as much of the path as there is.
fn find(text: &str, path: &str) -> Option<usize> {
    let parsed = DeTable::parse(text).ok()?;
    let mut steps = path.split('.');
    let mut value = Table { inner: parsed.get_ref(), at: parsed.span() }.get(steps.next()?)?;
    for step in steps {
        let next = match value.get_ref() {
            DeValue::Table(inner) => Table { inner, at: value.span() }.get(step),
            DeValue::Array(list) => step.parse::<usize>().ok().and_then(|index| list.get(index)),
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_) => None,
        };
        match next {
            Some(next) => value = next,
            None => break,
        }
    }
    Some(value.span().start)
}

/// A table and where it stands.
#[derive(Debug)]
pub(super) struct Table<'a> {
    inner: &'a DeTable<'a>,
    at: Range<usize>,
}

impl<'a> Table<'a> {
    pub(super) fn root(parsed: &'a Parsed<'a>) -> Self {
        Self { inner: parsed.get_ref(), at: 0..0 }
    }

    /// The table that a value must be.
    pub(super) fn of(value: &'a Value<'a>, like: &str) -> Result<Self, Problem> {
        if let DeValue::Table(inner) = value.get_ref() {
            return Ok(Self { inner, at: value.span() });
        }
        let kind = value.get_ref().type_str();
        Err(Problem::at(value, format!("a {kind} stands where a table is expected, such as {like}")))
    }

    /// Refuses keys that are not known here.
    pub(super) fn only(&self, known: &[&str], what: &str) -> Result<(), Problem> {
        for (key, _) in self.inner {
            let name = key.get_ref().as_ref();
            if !known.contains(&name) {
                let hint = did_you_mean(name, known.iter().copied());
                let message = format!("{what} has no key `{name}`{hint}; its keys are {}", known.join(", "));
                return Err(Problem { at: key.span(), message });
            }
        }
        Ok(())
    }

    /// Keys and values in the order they were written.
    pub(super) fn rows(&self) -> Vec<(&'a str, &'a Value<'a>)> {
        let mut rows: Vec<_> = self.inner.iter().collect();
        rows.sort_by_key(|(key, _)| key.span().start);
        rows.into_iter().map(|(key, value)| (key.get_ref().as_ref(), value)).collect()
    }

    pub(super) fn get(&self, key: &str) -> Option<&'a Value<'a>> {
        self.inner.iter().find(|(name, _)| name.get_ref().as_ref() == key).map(|(_, value)| value)
    }

    pub(super) fn table(&self, key: &str) -> Result<Option<Self>, Problem> {
        self.get(key).map(|value| Self::of(value, &format!("[{key}]"))).transpose()
    }

    /// The value of a key that must be there.
    pub(super) fn must(&self, key: &str, like: &str) -> Result<&'a Value<'a>, Problem> {
        self.get(key).ok_or_else(|| self.problem(format!("`{key}` is missing: {like}")))
    }

    pub(super) fn problem(&self, message: impl Into<String>) -> Problem {
        Problem { at: self.at.clone(), message: message.into() }
    }
}

fn expected(value: &Value<'_>, like: &str) -> Problem {
    let found = match value.get_ref() {
        DeValue::String(text) => format!("\"{text}\""),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(flag) => flag.to_string(),
        other @ (DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_)) => format!("this {}", other.type_str()),
    };
    Problem::at(value, format!("{found} is not what belongs here: expected {like}"))
}

pub(super) fn text<'a>(value: &'a Value<'a>) -> Result<&'a str, Problem> {
    value.get_ref().as_str().ok_or_else(|| expected(value, "a text in quotes"))
}

pub(super) fn count(value: &Value<'_>) -> Result<u64, Problem> {
    let number = value.get_ref().as_integer().and_then(|number| number.as_str().replace('_', "").parse().ok());
    number.ok_or_else(|| expected(value, "a whole number, like 3"))
}

/// A count from 1 up to a bound.
pub(super) fn some(value: &Value<'_>, max: u64, what: &str) -> Result<usize, Problem> {
    let number = count(value)?;
    match usize::try_from(number) {
        Ok(small) if (1..=max).contains(&number) => Ok(small),
        _ => Err(Problem::at(value, format!("{number} {what} are not possible: 1 to {max} are"))),
    }
}

pub(super) fn flag(value: &Value<'_>) -> Result<bool, Problem> {
    value.get_ref().as_bool().ok_or_else(|| expected(value, "true or false"))
}

pub(super) fn list<'a>(value: &'a Value<'a>, like: &str) -> Result<Vec<&'a Value<'a>>, Problem> {
    value.get_ref().as_array().map(|list| list.iter().collect()).ok_or_else(|| expected(value, like))
}

pub(super) fn time_us(value: &Value<'_>) -> Result<u64, Problem> {
    unit(value, TIMES, "a time, like 80ms, 2s, 1m or 1h")
}

pub(super) fn share_ppm(value: &Value<'_>) -> Result<u64, Problem> {
    let share = unit(value, SHARES, "a share, like 0.5% or 30%")?;
    if share <= 1_000_000 { Ok(share) } else { Err(expected(value, "at most 100%")) }
}

pub(super) fn rate_kbit(value: &Value<'_>) -> Result<u64, Problem> {
    let rate = unit(value, RATES, "a rate, like 100mbit, 512kbit or 1gbit")?;
    if rate > 0 { Ok(rate) } else { Err(expected(value, "a rate above zero; a link that carries nothing is a cut")) }
}

fn unit(value: &Value<'_>, units: &[(&str, u64)], like: &str) -> Result<u64, Problem> {
    let number = value.get_ref().as_str().and_then(|text| units::with_unit(text, units));
    number.ok_or_else(|| expected(value, like))
}

/// A number with up to three digits after the point.
pub(super) fn thousandths(value: &Value<'_>) -> Result<u64, Problem> {
    let number = match value.get_ref() {
        DeValue::Integer(number) => units::decimal(number.as_str(), 1_000),
        DeValue::Float(number) => units::decimal(number.as_str(), 1_000),
        DeValue::String(_) | DeValue::Boolean(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => None,
    };
    number.ok_or_else(|| expected(value, "a number with up to three digits after the point, like 1.2"))
}

/// One of several words.
pub(super) fn one_of<T: Copy>(value: &Value<'_>, choices: &[(&str, T)]) -> Result<T, Problem> {
    let word = text(value)?;
    let found = choices.iter().find(|(name, _)| *name == word);
    found.map(|(_, choice)| *choice).ok_or_else(|| {
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        expected(value, &format!("one of {}", names.join(", ")))
    })
}

/// A hint at the nearest of some names, if one is near.
pub(super) fn did_you_mean<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let nearest = known.map(|known| (distance(name, known), known)).min();
    nearest
        .filter(|(far, known)| *far <= known.len().max(3) / 2)
        .map_or(String::new(), |(_, known)| format!(", did you mean `{known}`?"))
}

/// How many letters differ (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, letter) in one.chars().enumerate() {
        let mut before = row[0];
        row[0] = line + 1;
        for column in 0..other.len() {
            let changed = before + usize::from(letter != other[column]);
            before = row[column + 1];
            row[column + 1] = changed.min(before + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}
