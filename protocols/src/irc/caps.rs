//! The capabilities offered: a table and a set. How they are asked for is in [`super::registration`], what they change beside what they
//! change. IRCv3 `capability-negotiation`.

/// Capabilities negotiated, as bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Caps(u64);

impl Caps {
    pub(super) const MESSAGE_TAGS: Self = Self(1);
    pub(super) const SERVER_TIME: Self = Self(1 << 1);
    pub(super) const ACCOUNT_TAG: Self = Self(1 << 2);
    pub(super) const BATCH: Self = Self(1 << 3);
    pub(super) const ECHO_MESSAGE: Self = Self(1 << 4);
    pub(super) const LABELED_RESPONSE: Self = Self(1 << 5);
    pub(super) const ACCOUNT_NOTIFY: Self = Self(1 << 6);
    pub(super) const AWAY_NOTIFY: Self = Self(1 << 7);
    pub(super) const EXTENDED_JOIN: Self = Self(1 << 8);
    pub(super) const MULTI_PREFIX: Self = Self(1 << 9);
    pub(super) const USERHOST_IN_NAMES: Self = Self(1 << 10);
    pub(super) const CHGHOST: Self = Self(1 << 11);
    pub(super) const INVITE_NOTIFY: Self = Self(1 << 12);
    pub(super) const SETNAME: Self = Self(1 << 13);
    pub(super) const SASL: Self = Self(1 << 14);
    pub(super) const CHATHISTORY: Self = Self(1 << 15);
    pub(super) const ACCOUNT_REGISTRATION: Self = Self(1 << 16);
    pub(super) const STANDARD_REPLIES: Self = Self(1 << 17);
    pub(super) const CAP_NOTIFY: Self = Self(1 << 18);
    pub(super) const NO_IMPLICIT_NAMES: Self = Self(1 << 19);
    pub(super) const MESSAGE_REDACTION: Self = Self(1 << 20);
    pub(super) const EVENT_PLAYBACK: Self = Self(1 << 21);
    pub(super) const READ_MARKER: Self = Self(1 << 22);
    pub(super) const MULTILINE: Self = Self(1 << 23);
    pub(super) const PRE_AWAY: Self = Self(1 << 24);
    pub(super) const EXTENDED_ISUPPORT: Self = Self(1 << 25);
    pub(super) const EXTENDED_MONITOR: Self = Self(1 << 26);
    pub(super) const METADATA_2: Self = Self(1 << 27);
    pub(super) const METADATA_3: Self = Self(1 << 28);
    pub(super) const PERSISTENCE: Self = Self(1 << 29);
    pub(super) const PLAYBACK: Self = Self(1 << 30);
    pub(super) const CHANNEL_RENAME: Self = Self(1 << 31);
    pub(super) const WEBPUSH: Self = Self(1 << 32);

    /// Whether all of `other` are in it.
    pub(super) const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both together.
    pub(super) const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Without those.
    pub(super) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Only those that are in both.
    pub(super) const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Those with these bits.
    pub(super) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The bits, for a render class.
    pub(super) const fn bits(self) -> u64 {
        self.0
    }
}

/// Every capability by name. A session's offer leaves out what its connection or its node's configuration does not allow.
pub(super) const TABLE: &[(&str, Caps)] = &[
    ("account-notify", Caps::ACCOUNT_NOTIFY),
    ("account-tag", Caps::ACCOUNT_TAG),
    ("away-notify", Caps::AWAY_NOTIFY),
    ("batch", Caps::BATCH),
    ("cap-notify", Caps::CAP_NOTIFY),
    ("chghost", Caps::CHGHOST),
    ("draft/account-registration", Caps::ACCOUNT_REGISTRATION),
    ("draft/channel-rename", Caps::CHANNEL_RENAME),
    ("draft/chathistory", Caps::CHATHISTORY),
    ("draft/event-playback", Caps::EVENT_PLAYBACK),
    ("draft/extended-isupport", Caps::EXTENDED_ISUPPORT),
    ("draft/message-redaction", Caps::MESSAGE_REDACTION),
    ("draft/metadata-2", Caps::METADATA_2),
    ("draft/metadata-3", Caps::METADATA_3),
    ("draft/multiline", Caps::MULTILINE),
    ("draft/persistence", Caps::PERSISTENCE),
    ("draft/pre-away", Caps::PRE_AWAY),
    ("draft/read-marker", Caps::READ_MARKER),
    ("draft/webpush", Caps::WEBPUSH),
    ("echo-message", Caps::ECHO_MESSAGE),
    ("extended-join", Caps::EXTENDED_JOIN),
    ("extended-monitor", Caps::EXTENDED_MONITOR),
    ("invite-notify", Caps::INVITE_NOTIFY),
    ("labeled-response", Caps::LABELED_RESPONSE),
    ("message-tags", Caps::MESSAGE_TAGS),
    ("multi-prefix", Caps::MULTI_PREFIX),
    ("no-implicit-names", Caps::NO_IMPLICIT_NAMES),
    ("sasl", Caps::SASL),
    ("server-time", Caps::SERVER_TIME),
    ("setname", Caps::SETNAME),
    ("standard-replies", Caps::STANDARD_REPLIES),
    ("userhost-in-names", Caps::USERHOST_IN_NAMES),
    ("znc.in/playback", Caps::PLAYBACK),
];

/// The capability of that name.
pub(super) fn by_name(name: &str) -> Option<Caps> {
    TABLE.iter().find(|(known, _)| *known == name).map(|(_, cap)| *cap)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_capability_has_a_bit_of_its_own() {
        let mut seen = Caps::default();
        for (name, cap) in TABLE {
            assert_eq!(cap.bits().count_ones(), 1, "{name}");
            assert_eq!(seen.and(*cap), Caps::default(), "{name}");
            assert_eq!(by_name(name), Some(*cap));
            seen = seen.with(*cap);
        }
    }
}
