//! Where a file may be put: URLs that say who may put what, until when, and prove that a node of this mesh has said so.
//!
//! A [`Slot`] is for one file of known size (XEP-0363); a [`Pass`] is for whatever an account has to share for some time, since IRC clients have one
//! URL (IRCv3 `draft/FILEHOST`). Neither is kept anywhere: everything is in the URL, under a keyed hash whose key only the nodes of the mesh
//! have. Knows nothing of HTTP but what URLs look like.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lavina_crdt::names::AccountName;
use std::fmt::Write;

/// Longest name of a file, in bytes; longer ones lose their beginning, since the ending says what it is.
pub const NAME_BYTES_MAX: usize = 100;
/// Longest media type, in bytes (RFC 6838 section 4.2 has 127 for each half; real ones are short).
pub const MEDIA_BYTES_MAX: usize = 100;
/// What a file is when nobody says (RFC 2046 section 4.5.1).
pub const MEDIA_UNKNOWN: &str = "application/octet-stream";
/// How long a slot is good, in seconds: XEP-0363 section 8 recommends about a minute to begin; people confirm dialogues and lines are slow.
pub const SLOT_SECONDS: u64 = 300;
/// How long a pass is good, in seconds: an IRC connection often lives for days, and gets a new pass with the next ISUPPORT.
pub const PASS_SECONDS: u64 = 7 * 24 * 3600;

/// Where files go.
#[derive(Clone, PartialEq, Eq)]
pub struct Upload {
    /// The node's URL of HTTP, without a slash at the end.
    pub url: String,
    /// What proves that a node of this mesh has said something.
    pub key: [u8; 32],
    /// Longest file, in bytes.
    pub bytes_max: u64,
}

/// The key is not shown.
impl std::fmt::Debug for Upload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upload").field("url", &self.url).field("bytes_max", &self.bytes_max).finish_non_exhaustive()
    }
}

/// One file that may be put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Its id, random: who does not know it cannot find the file.
    pub id: [u8; 16],
    /// Its name, as [`clean_name`] gives it.
    pub name: String,
    /// Who may put it.
    pub account: AccountName,
    /// How long it is, in bytes.
    pub size: u64,
    /// Its media type, as [`clean_media`] gives it.
    pub media: String,
    /// Until when, seconds since the Unix epoch.
    pub until_s: u64,
}

/// What an account may put for some time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pass {
    /// Whose it is.
    pub account: AccountName,
    /// Until when, seconds since the Unix epoch.
    pub until_s: u64,
}

/// Why a URL gives no right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SlotError {
    /// No node of this mesh has said that.
    #[error("this is not a place to put a file")]
    Forged,
    /// It was good once.
    #[error("this place to put a file is no longer open")]
    Expired,
}

impl Slot {
    /// Where the file is found.
    #[must_use]
    pub fn get_url(&self, upload: &Upload) -> String {
        format!("{}{}", upload.url, file_path(&self.id, &self.name))
    }

    /// Where it is to be put.
    #[must_use]
    pub fn put_url(&self, upload: &Upload) -> String {
        let Self { account, size, media, until_s, .. } = self;
        let proof = self.proof(&upload.key);
        let (account, media) = (escape(account.as_str()), escape(media));
        format!("{}?account={account}&size={size}&type={media}&until={until_s}&proof={proof}", self.get_url(upload))
    }

    /// The slot that a request names: by the id and the name in its path, and by its query.
    ///
    /// # Errors
    /// [`SlotError`], when it gives no right.
    pub fn read(key: &[u8; 32], id: &str, name: &str, query: &str, now_s: u64) -> Result<Self, SlotError> {
        let field = |wanted: &str| {
            let found = query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == wanted);
            found.and_then(|(_, value)| unescape(value)).ok_or(SlotError::Forged)
        };
        let number = |wanted: &str| field(wanted)?.parse::<u64>().map_err(|_| SlotError::Forged);
        let slot = Self {
            id: parse_id(id).ok_or(SlotError::Forged)?,
            name: name.to_owned(),
            account: AccountName::new(&field("account")?).map_err(|_| SlotError::Forged)?,
            size: number("size")?,
            media: field("type")?,
            until_s: number("until")?,
        };
        check(&slot.proof(key), &field("proof")?, slot.until_s, now_s)?;
        Ok(slot)
    }

    fn proof(&self, key: &[u8; 32]) -> String {
        let (size, until) = (self.size.to_be_bytes(), self.until_s.to_be_bytes());
        let fields: [&[u8]; 6] =
            [&self.id, self.name.as_bytes(), self.account.as_str().as_bytes(), &size, self.media.as_bytes(), &until];
        proof(key, b"slot", &fields)
    }
}

impl Pass {
    /// Where the account puts files.
    #[must_use]
    pub fn url(&self, upload: &Upload) -> String {
        let proof = self.proof(&upload.key);
        format!("{}/upload/{}/{}/{proof}", upload.url, escape(self.account.as_str()), self.until_s)
    }

    /// The pass that a path names.
    ///
    /// # Errors
    /// [`SlotError`], when it gives no right.
    pub fn read(key: &[u8; 32], account: &str, until: &str, proof: &str, now_s: u64) -> Result<Self, SlotError> {
        let pass = Self {
            account: AccountName::new(account).map_err(|_| SlotError::Forged)?,
            until_s: until.parse().map_err(|_| SlotError::Forged)?,
        };
        check(&pass.proof(key), proof, pass.until_s, now_s)?;
        Ok(pass)
    }

    fn proof(&self, key: &[u8; 32]) -> String {
        proof(key, b"pass", &[self.account.as_str().as_bytes(), &self.until_s.to_be_bytes()])
    }
}

fn proof(key: &[u8; 32], kind: &[u8], fields: &[&[u8]]) -> String {
    let mut hasher = blake3::Hasher::new_keyed(key);
    for field in std::iter::once(kind).chain(fields.iter().copied()) {
        // With its length before it, no field can pass for the end of the one before.
        hasher.update(&u64::try_from(field.len()).unwrap_or(u64::MAX).to_be_bytes());
        hasher.update(field);
    }
    URL_SAFE_NO_PAD.encode(hasher.finalize().as_bytes())
}

fn check(right: &str, given: &str, until_s: u64, now_s: u64) -> Result<(), SlotError> {
    // Comparing hashes takes the same time wherever they differ.
    if blake3::hash(right.as_bytes()) != blake3::hash(given.as_bytes()) {
        return Err(SlotError::Forged);
    }
    if until_s < now_s { Err(SlotError::Expired) } else { Ok(()) }
}

/// The path of a file.
#[must_use]
pub fn file_path(id: &[u8; 16], name: &str) -> String {
    format!("/files/{}/{}", format_id(id), escape(name))
}

/// An id as it stands in URLs.
#[must_use]
pub fn format_id(id: &[u8; 16]) -> String {
    URL_SAFE_NO_PAD.encode(id)
}

/// And back.
#[must_use]
pub fn parse_id(text: &str) -> Option<[u8; 16]> {
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}

/// A file's name that can stand in a path and in a header: letters and digits of any script, and a few marks. Its ending stays.
#[must_use]
pub fn clean_name(name: &str) -> String {
    let safe = |c: char| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let mut clean: String = last.trim_start_matches('.').chars().map(safe).collect();
    while clean.len() > NAME_BYTES_MAX {
        clean.remove(0);
    }
    let clean = clean.trim_start_matches('.');
    if clean.is_empty() { "file".to_owned() } else { clean.to_owned() }
}

/// A media type without parameters, lower case; [`MEDIA_UNKNOWN`] for what is none (RFC 9110 section 8.3.1).
#[must_use]
pub fn clean_media(text: &str) -> String {
    let bare = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_word =
        |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "!#$&-^_.+".contains(c));
    let is_media = bare.split_once('/').is_some_and(|(kind, rest)| is_word(kind) && is_word(rest));
    if is_media && bare.len() <= MEDIA_BYTES_MAX { bare } else { MEDIA_UNKNOWN.to_owned() }
}

/// As part of a URL (RFC 3986 section 2.1).
fn escape(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, more)) = rest.split_first() {
        rest = more;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, more) = rest.split_at_checked(2)?;
        rest = more;
        bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW_S: u64 = 1_767_225_600;

    fn upload() -> Upload {
        Upload { url: "https://chat.example".to_owned(), key: [7; 32], bytes_max: 1000 }
    }

    fn slot(name: &str, media: &str) -> Slot {
        Slot {
            id: [9; 16],
            name: clean_name(name),
            account: AccountName::new("alice").unwrap(),
            size: 23,
            media: clean_media(media),
            until_s: NOW_S + SLOT_SECONDS,
        }
    }

    /// What a server makes of a URL: id, name, query.
    fn parts(url: &str) -> (String, String, String) {
        let rest = url.strip_prefix("https://chat.example/files/").unwrap();
        let (path, query) = rest.split_once('?').unwrap();
        let (id, name) = path.split_once('/').unwrap();
        (id.to_owned(), unescape(name).unwrap(), query.to_owned())
    }

    fn read(url: &str, now_s: u64) -> Result<Slot, SlotError> {
        let (id, name, query) = parts(url);
        Slot::read(&upload().key, &id, &name, &query, now_s)
    }

    #[test]
    fn a_slot_is_what_its_url_says_until_it_expires() {
        let slot = slot("my k\u{e4}tzchen.jpg", "image/jpeg");
        let url = slot.put_url(&upload());
        assert!(url.starts_with(
            "https://chat.example/files/CQkJCQkJCQkJCQkJCQkJCQ/my_k%C3%A4tzchen.jpg?account=alice&size=23&"
        ));
        assert!(url.starts_with(&slot.get_url(&upload())));
        assert_eq!(read(&url, NOW_S), Ok(slot.clone()));
        assert_eq!(read(&url, slot.until_s + 1), Err(SlotError::Expired));
        for (from, to) in
            [("size=23", "size=24"), ("alice", "bob"), ("image", "text"), ("until=1", "until=2"), ("CQk", "CQl")]
        {
            assert_eq!(read(&url.replacen(from, to, 1), NOW_S), Err(SlotError::Forged), "{to}");
        }
        let (id, name, query) = parts(&url);
        assert_eq!(Slot::read(&[8; 32], &id, &name, &query, NOW_S), Err(SlotError::Forged));
        assert_eq!(Slot::read(&upload().key, &id, "other.jpg", &query, NOW_S), Err(SlotError::Forged));
    }

    #[test]
    fn a_pass_is_for_one_account_and_no_slot() {
        let pass = Pass { account: AccountName::new("alice").unwrap(), until_s: NOW_S };
        let url = pass.url(&upload());
        let words: Vec<&str> = url.rsplit('/').take(3).collect();
        assert_eq!(Pass::read(&upload().key, words[2], words[1], words[0], NOW_S), Ok(pass.clone()));
        assert_eq!(Pass::read(&upload().key, words[2], words[1], words[0], NOW_S + 1), Err(SlotError::Expired));
        assert_eq!(Pass::read(&upload().key, "bob", words[1], words[0], NOW_S), Err(SlotError::Forged));
        assert_eq!(Pass::read(&upload().key, words[2], "99999999999", words[0], NOW_S), Err(SlotError::Forged));
    }

    #[test]
    fn names_and_types_are_made_safe() {
        for (name, clean) in [
            ("a.txt", "a.txt"),
            ("../../etc/passwd", "passwd"),
            ("C:\\x\\y.png", "y.png"),
            (".htaccess", "htaccess"),
            ("a\r\nb: c\".svg", "a__b__c_.svg"),
            ("", "file"),
            ("...", "file"),
        ] {
            assert_eq!(clean_name(name), clean, "{name:?}");
        }
        assert_eq!(clean_media("Text/HTML; charset=utf-8"), "text/html");
        for wrong in ["", "text", "a/b/c", "a/\r\nx", "/", &"a/b".repeat(50)] {
            assert_eq!(clean_media(wrong), MEDIA_UNKNOWN, "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn every_slot_reads_back(name in "\\PC{0,200}", media in "[a-z]{1,9}/[a-z+.-]{1,9}", id in any::<[u8; 16]>(), size in any::<u64>()) {
            let slot = Slot { id, size, ..slot(&name, &media) };
            prop_assert!(slot.name.len() <= NAME_BYTES_MAX && !slot.name.contains(['/', '"', '\r', '\n']));
            prop_assert_eq!(clean_name(&slot.name), slot.name.clone());
            prop_assert_eq!(read(&slot.put_url(&upload()), NOW_S), Ok(slot));
        }

        #[test]
        fn nothing_made_up_is_a_slot_and_nothing_panics(id in "\\PC{0,30}", name in "\\PC{0,30}", query in "[a-z0-9=&%\u{e4}]{0,90}") {
            prop_assert_eq!(Slot::read(&upload().key, &id, &name, &query, NOW_S), Err(SlotError::Forged));
            prop_assert_eq!(Pass::read(&upload().key, &id, &name, &query, NOW_S), Err(SlotError::Forged));
        }

        #[test]
        fn no_changed_byte_goes_unnoticed(at in any::<prop::sample::Index>(), byte in 0x21u8..0x7f) {
            let url = slot("kitten.jpg", "image/jpeg").put_url(&upload());
            let start = "https://chat.example/files/".len();
            let mut changed = url.clone().into_bytes();
            let at = start + at.index(url.len() - start);
            prop_assume!(!changed[at].eq_ignore_ascii_case(&byte) && !b"/?&=%".contains(&changed[at]) && !b"/?&=%".contains(&byte));
            changed[at] = byte;
            prop_assert!(read(std::str::from_utf8(&changed).unwrap(), NOW_S).is_err());
        }
    }
}
