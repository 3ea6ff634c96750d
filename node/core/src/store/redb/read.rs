//! Reads: one short transaction each.

use super::RedbStore;
use super::backend::Fault;
use super::layout::{META, NEXT, ORIGINS, SCOPES, next_key, origin_key, origin_of, scope_name};
use super::rows::{Cursor, Rows};
use crate::store::{Store, StoreError, row};
use lavina_crdt::chain;
use lavina_crdt::entry::{Hash, Run, SealedEntry};
use lavina_crdt::ids::{MsgId, OrderKey, Origin, OriginKey, Scope};
use lavina_crdt::version::VersionVector;
use redb::{ReadTransaction, ReadableTable};
use std::collections::BTreeMap;

/// The number of a scope, when anything of it is stored.
fn scope_number(read: &ReadTransaction, scope: &Scope) -> Result<Option<u64>, Fault> {
    Ok(read.open_table(SCOPES)?.get(scope_name(scope)?.as_slice())?.map(|number| number.value()))
}

/// Every origin of a scope with its next seq.
fn origins(read: &ReadTransaction, scope: u64) -> Result<Vec<(Origin, u64)>, Fault> {
    let next = read.open_table(NEXT)?;
    let (from, to) = (next_key(scope, Origin([0; 16])), next_key(scope, Origin([0xff; 16])));
    let range = next.range::<&[u8; 24]>(&from..=&to)?;
    range.map(|row| row.map(|(key, next)| (origin_of(key.value()), next.value())).map_err(Fault::from)).collect()
}

/// What an origin is short for, which its own bytes prove.
fn key_of(read: &ReadTransaction, origin: Origin) -> Result<Option<OriginKey>, Fault> {
    let Some(key) = read.open_table(ORIGINS)?.get(&origin.0)?.map(|value| origin_key(value.value())) else {
        return Ok(None);
    };
    if key.origin() != origin {
        return Err(StoreError::Damaged(format!("{origin:?} is not short for what is stored")).into());
    }
    Ok(Some(key))
}

/// A cursor over what a scan covers of each origin.
fn cursors(
    read: &ReadTransaction,
    rows: &Rows<'_>,
    scope: u64,
    after: Option<OrderKey>,
    before: Option<OrderKey>,
) -> Result<Vec<Cursor>, Fault> {
    let mut cursors = Vec::new();
    for (origin, next) in origins(read, scope)? {
        let part = rows.between(scope, origin, next, after, before)?;
        if !part.is_empty() {
            cursors.push(Cursor::new(scope, origin, part));
        }
    }
    Ok(cursors)
}

impl Store for RedbStore {
    fn origin(&self) -> OriginKey {
        self.origin
    }

    fn vectors(&self) -> Result<BTreeMap<Scope, VersionVector>, StoreError> {
        self.read(|read| {
            let mut vectors = BTreeMap::new();
            for found in read.open_table(SCOPES)?.iter()? {
                let (name, number) = found?;
                let scope: Scope = postcard::from_bytes(name.value())
                    .map_err(|_| StoreError::Damaged("the name of a scope does not decode".to_owned()))?;
                let mut vector = VersionVector::default();
                for (origin, next) in origins(read, number.value())? {
                    vector.advance(origin, next);
                }
                vectors.insert(scope, vector);
            }
            Ok(vectors)
        })
    }

    fn origin_key(&self, origin: Origin) -> Result<Option<OriginKey>, StoreError> {
        self.read(|read| key_of(read, origin))
    }

    fn head(&self, scope: &Scope, origin: Origin) -> Result<Option<Hash>, StoreError> {
        self.read(|read| {
            let Some(scope) = scope_number(read, scope)? else { return Ok(None) };
            let next = read.open_table(NEXT)?.get(&next_key(scope, origin))?.map_or(0, |next| next.value());
            let Some(newest) = next.checked_sub(1) else { return Ok(None) };
            let found = Rows::open(read, &self.shared.segments)?.get(scope, origin, newest)?;
            let found = found.ok_or_else(|| StoreError::Damaged(format!("entry {newest} of {origin:?} is missing")))?;
            Ok(Some(chain::hash(&found.1)))
        })
    }

    fn run(&self, scope: &Scope, origin: Origin, first: u64, bytes_max: usize) -> Result<Option<Run>, StoreError> {
        self.read(|read| {
            let Some(number) = scope_number(read, scope)? else { return Ok(None) };
            let Some(key) = key_of(read, origin)? else { return Ok(None) };
            let mut run = Run { scope: scope.clone(), origin: key, first, entries: Vec::new() };
            let (mut bytes, mut signed) = (0, false);
            Rows::open(read, &self.shared.segments)?.each_from(number, origin, first, |sealed| {
                bytes += sealed.bytes.len();
                if bytes > bytes_max && signed {
                    return false;
                }
                signed |= sealed.signature.is_some();
                run.entries.push(sealed);
                true
            })?;
            Ok(row::signed_part(run))
        })
    }

    fn scan(
        &self,
        scope: &Scope,
        after: Option<OrderKey>,
        before: Option<OrderKey>,
        newest_first: bool,
        visit: &mut dyn FnMut(OrderKey, &SealedEntry) -> bool,
    ) -> Result<(), StoreError> {
        self.read(|read| {
            let Some(number) = scope_number(read, scope)? else { return Ok(()) };
            let rows = Rows::open(read, &self.shared.segments)?;
            let mut cursors = cursors(read, &rows, number, after, before)?;
            let mut front = BTreeMap::new();
            for (index, cursor) in cursors.iter_mut().enumerate() {
                front.extend(cursor.step(&rows, newest_first)?.map(|(key, sealed)| (key, (index, sealed))));
            }
            while let Some((key, (index, sealed))) = if newest_first { front.pop_last() } else { front.pop_first() } {
                if !visit(key, &sealed) {
                    break;
                }
                if let Some(cursor) = cursors.get_mut(index) {
                    front.extend(cursor.step(&rows, newest_first)?.map(|(key, sealed)| (key, (index, sealed))));
                }
            }
            Ok(())
        })
    }

    fn find(&self, scope: &Scope, id: MsgId) -> Result<Option<OrderKey>, StoreError> {
        self.read(|read| {
            let Some(number) = scope_number(read, scope)? else { return Ok(None) };
            let rows = Rows::open(read, &self.shared.segments)?;
            for (origin, _) in origins(read, number)? {
                if origin.0.starts_with(&id.origin_prefix()) && rows.stamp(number, origin, id.seq())? == Some(id.hlc())
                {
                    return Ok(Some(OrderKey { hlc: id.hlc(), origin, seq: id.seq() }));
                }
            }
            Ok(None)
        })
    }

    fn meta(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.read(|read| match read.open_table(META)?.get(key)? {
            Some(value) => Ok(Some(row::checked(key.as_bytes(), value.value())?.to_vec())),
            None => Ok(None),
        })
    }

    fn meta_prefix(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        self.read(|read| {
            let mut values = Vec::new();
            for found in read.open_table(META)?.range(prefix..)? {
                let (key, value) = found?;
                if !key.value().starts_with(prefix) {
                    break;
                }
                let checked = row::checked(key.value().as_bytes(), value.value())?;
                values.push((key.value().to_owned(), checked.to_vec()));
            }
            Ok(values)
        })
    }
}
