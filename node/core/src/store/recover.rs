//! What a node does whose store is damaged: it sets the file aside, begins with an empty one under a new write identity, and is filled again
//! by its peers. One decision for every shell; how a file is set aside is the shell's.
//!
//! Only damage is treated so. A disk that cannot be read at the moment may be readable after a look at its cable, and a store of a later
//! version is whole: both are left as they are, and the node does not start.

use super::StoreError;

/// What came of opening.
#[derive(Debug)]
pub struct Recovered<T> {
    /// What was opened.
    pub opened: T,
    /// What was wrong with the store that was set aside, when one was.
    pub damage: Option<StoreError>,
}

/// Opens with `open`. When that finds damage, `set_aside` puts the store away, so that the second `open` finds none and makes one.
/// `open` must read all that a start reads: damage may show as late as there.
///
/// # Errors
/// Any other failure of `open`, and what it says of the empty store.
pub fn recover<T>(
    mut open: impl FnMut() -> Result<T, StoreError>,
    set_aside: impl FnOnce(&StoreError) -> Result<(), StoreError>,
) -> Result<Recovered<T>, StoreError> {
    match open() {
        Ok(opened) => Ok(Recovered { opened, damage: None }),
        Err(damage @ StoreError::Damaged(_)) => {
            set_aside(&damage)?;
            Ok(Recovered { opened: open()?, damage: Some(damage) })
        }
        Err(error @ (StoreError::Full | StoreError::Failed(_) | StoreError::Newer { .. })) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_store_is_set_aside_and_a_failing_one_is_left() {
        let mut tries = [Err(StoreError::Damaged("rot".to_owned())), Ok(7)].into_iter();
        let mut aside = 0;
        let open = || tries.next().unwrap();
        let count = |_: &StoreError| {
            aside += 1;
            Ok(())
        };
        let recovered = recover(open, count).unwrap();
        assert_eq!((recovered.opened, aside), (7, 1));
        assert_eq!(recovered.damage, Some(StoreError::Damaged("rot".to_owned())));

        let failed = StoreError::Failed("input/output error".to_owned());
        let mut moved = 0;
        let count = |_: &StoreError| {
            moved += 1;
            Ok(())
        };
        assert_eq!(recover(|| Err::<(), _>(failed.clone()), count).err(), Some(failed));
        assert_eq!(moved, 0);
    }
}
