//! Whether a room is one person's, whose acts there count whatever others did at the same time.

use super::judged::Judged;
use lavina_crdt::content::Principal;
use lavina_crdt::room::{Act, Rank, Told};

/// Whether somebody was a room's only founder all the time, so that what it did there counts. Not so with another creation of the room
/// behind a cut that was earlier, which makes all that rests on this one void; nor with two founders, of whom the one may undo what the
/// other did at the same time. Where there is no verdict nobody knows.
pub(super) fn is_held_by(judged: Option<&Judged>, founder: &Principal) -> bool {
    let created = |told: &Told| told.acts.contains(&Act::Create) && told.author.principal() == *founder;
    let contests =
        |act: &Act| matches!(act, Act::SetRank { who, rank } if (*rank == Rank::Founder) != (who == founder));
    judged.is_some_and(|judged| {
        let contested = judged.changes.iter().any(|(told, _)| told.acts.iter().any(contests));
        !contested && judged.changes.iter().any(|(told, counts)| *counts && created(told))
    })
}
