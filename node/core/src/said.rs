//! From a message of a log to what clients are shown.

use crate::replica::Message;
use lavina_crdt::content::Principal;
use lavina_crdt::directory::derived_nick;
use lavina_crdt::ids::Scope;
use lavina_crdt::names::{AccountName, NICK_BYTES_MAX, Nick};
use lavina_protocols::event::{Conversation, Said};

/// What a message is shown as. `nick_of` gives the nick of the one a direct message is for; `None` for scopes without messages.
pub(crate) fn said(message: Message, late: bool, nick_of: impl FnOnce(&Principal) -> Option<Nick>) -> Option<Said> {
    let conversation = match message.scope {
        Scope::Room(room) => Conversation::Room(room),
        Scope::Direct(one, other) => {
            let from = message.author.principal();
            let to = if from == one { other } else { one };
            let to_nick = nick_of(&to).unwrap_or_else(|| message.author.nick.clone());
            Conversation::Direct { from, to, to_nick }
        }
        Scope::Mesh | Scope::Account(_) => return None,
    };
    let id = message.key.msg_id();
    Some(Said {
        id,
        conversation,
        author: message.author,
        content: message.content,
        late,
        by_bot: false,
        redacted: message.redacted,
    })
}

/// The nick of somebody who is not there: an account's name, where it is a nick, else one made from it.
pub(crate) fn nick_when_away(who: &Principal) -> Option<Nick> {
    match who {
        Principal::Account(account) if account.is_remote() => nick_of_remote(account),
        Principal::Account(account) => {
            Nick::new(account.as_str()).or_else(|_| Nick::new(&format!("_{}", account.as_str().replace('.', "_")))).ok()
        }
        Principal::Guest(session) => Some(derived_nick(&Nick::new("guest").ok()?, *session)),
    }
}

/// The nick of somebody of another server outside rooms: their name there, made sayable in IRC.
pub(crate) fn nick_of_remote(account: &AccountName) -> Option<Nick> {
    let name = if account.local().is_empty() { account.domain()? } else { account.local() };
    let mut name = name.replace(['.', '#', '%'], "_");
    while name.len() >= NICK_BYTES_MAX {
        name.pop();
    }
    Nick::new(&name).or_else(|_| Nick::new(&format!("_{name}"))).ok()
}
