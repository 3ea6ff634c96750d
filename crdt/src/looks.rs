//! How somebody shows themselves in one room otherwise than elsewhere (XEP-0045 section 7.7). In presence this is among the payloads of the record, as
//! elements that who does not know them passes over. They name rooms by hashes, since payloads are shown to contacts as well by who does not know better.
//! What is in them is the protocol's matter.

use crate::names::RoomName;

const HEAD: &str = "<in xmlns='urn:lavina:looks' room='";
const MIDDLE: &str = "'>";
const TAIL: &str = "</in>";

fn head(room: &RoomName) -> String {
    let hash = blake3::Hasher::new_derive_key("lavina 1 look in a room").update(room.as_str().as_bytes()).finalize();
    format!("{HEAD}{}{MIDDLE}", hash.to_hex().as_str().get(..16).unwrap_or_default())
}

/// The payload that says how somebody looks in a room.
#[must_use]
pub fn payload(room: &RoomName, look: &str) -> String {
    format!("{}{look}{TAIL}", head(room))
}

/// How somebody with these payloads looks in a room, where that is not as everywhere.
#[must_use]
pub fn look<'a>(payloads: &'a [String], room: &RoomName) -> Option<&'a str> {
    let mut looks = looks(payloads).peekable();
    looks.peek()?;
    let head = head(room);
    looks.find_map(|payload| payload.strip_prefix(&head)?.strip_suffix(TAIL))
}

/// The payloads that are for everywhere.
pub fn everywhere(payloads: &[String]) -> impl Iterator<Item = &String> {
    payloads.iter().filter(|payload| !payload.starts_with(HEAD))
}

/// Whether there is a difference in how somebody looks in rooms of their own.
#[must_use]
pub fn differ(old: &[String], new: &[String]) -> bool {
    !looks(old).eq(looks(new))
}

fn looks(payloads: &[String]) -> impl Iterator<Item = &String> {
    payloads.iter().filter(|payload| payload.starts_with(HEAD))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_is_found_in_its_room_and_nowhere_else() {
        let room = |name: &str| RoomName::new(name).unwrap();
        let payloads = ["<c xmlns='caps'/>".to_owned(), payload(&room("rust"), "<a/>"), payload(&room("rust.de"), "")];
        assert_eq!(look(&payloads, &room("rust")), Some("<a/>"));
        assert_eq!(look(&payloads, &room("rust.de")), Some(""));
        assert_eq!(look(&payloads, &room("de")), None);
        assert_eq!(everywhere(&payloads).collect::<Vec<_>>(), [&payloads[0]]);
        assert!(differ(&payloads, &payloads[..2]) && !differ(&payloads, &payloads[1..]));
    }
}
