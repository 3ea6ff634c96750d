//! L14, privacy: nobody is shown a line of a room that it is not in; in the end whoever is outside and could not come in is not let read, and
//! hidden rooms are named to none but those inside.

use super::Rest;
use crate::client::Client;
use crate::world::World;
use lavina_crdt::room::{Flag, RoomState};

pub(super) fn check(world: &mut World, rest: &Rest) -> Vec<String> {
    let mut wrong = Vec::new();
    for (index, client) in world.counted().into_iter().map(|client| (client, &world.clients[client])) {
        // What was said into an open room from outside comes back to who said it.
        let own = format!("c{index}-");
        let from_outside =
            |text: &str| text.trim_start_matches("\u{1}").trim_start_matches("ACTION ").starts_with(&own);
        for seen in client.seen.iter().filter(|seen| !seen.inside && !from_outside(&seen.text)) {
            let room = seen.room.as_deref().unwrap_or_default();
            wrong.push(format!("{} was shown {} of {room} without being there", client.nick, seen.text));
        }
        if world.is_judged_client(index) {
            wrong.extend(outsider(rest, client));
        }
    }
    wrong
}

/// What somebody learnt from outside in the end.
fn outsider(rest: &Rest, client: &Client) -> Vec<String> {
    let mut wrong = Vec::new();
    let Some(caught) = client.caught.as_ref().filter(|_| client.ready) else { return wrong };
    for (room, judged) in rest.rooms.iter().zip(&rest.judged) {
        let Some(judged) = judged.as_ref().filter(|_| !client.inside.contains_key(room.as_str())) else { continue };
        let read = caught.read.get(room.as_str()).is_some_and(|read| read.lines().next().is_some());
        if read && is_closed(&judged.state, client) {
            wrong.push(format!("{} read the history of {room} from outside, where it may not go", client.nick));
        }
        if caught.listed.contains(room.as_str()) && judged.state.has(Flag::Secret) {
            wrong.push(format!("{} was told of {room}, which is hidden", client.nick));
        }
    }
    wrong
}

/// Whether a room is shut to somebody without a standing there, for a reason that the client itself cannot have overcome.
fn is_closed(state: &RoomState, client: &Client) -> bool {
    let account = client.logged_in_us.and_then(|_| client.account());
    let stands = state.ranks.keys().any(|who| match (who, &account) {
        (lavina_crdt::content::Principal::Account(who), Some(account)) => who == account,
        (lavina_crdt::content::Principal::Account(_), None) => false,
        (lavina_crdt::content::Principal::Guest(_), _) => account.is_none(),
    });
    let banned = account.is_some_and(|account| {
        let mask = lavina_crdt::room::Mask::Account(account);
        state.bans.contains_key(&mask) && state.exceptions.is_empty()
    });
    !stands && (state.has(Flag::Secret) || state.key.is_some() || banned)
}
