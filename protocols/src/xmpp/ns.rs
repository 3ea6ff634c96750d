//! XML namespaces, each named as its specification is called.

/// RFC 6120 section 4.8.2: the stream itself.
pub(crate) const STREAM: &str = "http://etherx.jabber.org/streams";
/// RFC 6120 section 4.8.3: content from and to clients.
pub(crate) const CLIENT: &str = "jabber:client";
/// RFC 6120 section 4.8.3: content between servers.
pub(crate) const SERVER: &str = "jabber:server";
/// XEP-0114: content from and to components.
pub(crate) const COMPONENT: &str = "jabber:component:accept";
/// XEP-0220.
pub(crate) const DIALBACK: &str = "jabber:server:dialback";
/// XEP-0220, stream feature.
pub(crate) const DIALBACK_FEATURE: &str = "urn:xmpp:features:dialback";
/// XEP-0288.
pub(crate) const BIDI: &str = "urn:xmpp:bidi";
/// XEP-0288, stream feature.
pub(crate) const BIDI_FEATURE: &str = "urn:xmpp:features:bidi";
/// RFC 7395 section 3.3.2: the stream's own tags where they are messages.
pub(crate) const FRAMING: &str = "urn:ietf:params:xml:ns:xmpp-framing";
/// RFC 6120 section 4.9.
pub(crate) const STREAM_ERRORS: &str = "urn:ietf:params:xml:ns:xmpp-streams";
/// RFC 6120 section 8.3.
pub(crate) const STANZA_ERRORS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";
/// RFC 6120 section 5.
pub(crate) const TLS: &str = "urn:ietf:params:xml:ns:xmpp-tls";
/// RFC 6120 section 6.
pub(crate) const SASL: &str = "urn:ietf:params:xml:ns:xmpp-sasl";
/// XEP-0386.
pub(crate) const BIND2: &str = "urn:xmpp:bind:0";
/// XEP-0388.
pub(crate) const SASL2: &str = "urn:xmpp:sasl:2";
/// XEP-0440.
pub(crate) const SASL_CHANNEL_BINDING: &str = "urn:xmpp:sasl-cb:0";
/// RFC 6120 section 7.
pub(crate) const BIND: &str = "urn:ietf:params:xml:ns:xmpp-bind";
/// RFC 3921 section 3, done away with by RFC 6121 and still asked for.
pub(crate) const SESSION: &str = "urn:ietf:params:xml:ns:xmpp-session";
/// RFC 6121 section 2.
pub(crate) const ROSTER: &str = "jabber:iq:roster";
/// RFC 6121 section 2.6, stream feature.
pub(crate) const ROSTER_VERSIONS: &str = "urn:xmpp:features:rosterver";
/// RFC 6121 section 3.4, stream feature.
pub(crate) const PRE_APPROVAL: &str = "urn:xmpp:features:pre-approval";
/// XML itself.
pub(crate) const XML: &str = "http://www.w3.org/XML/1998/namespace";
/// Namespace declarations.
pub(crate) const XMLNS: &str = "http://www.w3.org/2000/xmlns/";

/// XEP-0004.
pub(crate) const DATA: &str = "jabber:x:data";
/// XEP-0012.
pub(crate) const LAST: &str = "jabber:iq:last";
/// XEP-0030.
pub(crate) const DISCO_INFO: &str = "http://jabber.org/protocol/disco#info";
/// XEP-0030.
pub(crate) const DISCO_ITEMS: &str = "http://jabber.org/protocol/disco#items";
/// XEP-0045.
pub(crate) const MUC: &str = "http://jabber.org/protocol/muc";
/// XEP-0045.
pub(crate) const MUC_USER: &str = "http://jabber.org/protocol/muc#user";
/// XEP-0045.
pub(crate) const MUC_ADMIN: &str = "http://jabber.org/protocol/muc#admin";
/// XEP-0045.
pub(crate) const MUC_OWNER: &str = "http://jabber.org/protocol/muc#owner";
/// XEP-0045 section 18.7: the traffic name of a room that is stable in ids.
pub(crate) const MUC_STABLE_ID: &str = "http://jabber.org/protocol/muc#stable_id";
/// XEP-0410.
pub(crate) const MUC_SELF_PING: &str = "http://jabber.org/protocol/muc#self-ping-optimization";
/// XEP-0249.
pub(crate) const CONFERENCE: &str = "jabber:x:conference";
/// XEP-0049.
pub(crate) const PRIVATE: &str = "jabber:iq:private";
/// XEP-0050.
pub(crate) const COMMANDS: &str = "http://jabber.org/protocol/commands";
/// XEP-0054.
pub(crate) const VCARD: &str = "vcard-temp";
/// XEP-0059.
pub(crate) const RSM: &str = "http://jabber.org/protocol/rsm";
/// XEP-0060.
pub(crate) const PUBSUB: &str = "http://jabber.org/protocol/pubsub";
/// XEP-0060.
pub(crate) const PUBSUB_OWNER: &str = "http://jabber.org/protocol/pubsub#owner";
/// XEP-0060.
pub(crate) const PUBSUB_EVENT: &str = "http://jabber.org/protocol/pubsub#event";
/// XEP-0060.
pub(crate) const PUBSUB_ERRORS: &str = "http://jabber.org/protocol/pubsub#errors";
/// XEP-0085.
pub(crate) const CHAT_STATES: &str = "http://jabber.org/protocol/chatstates";
/// XEP-0115.
pub(crate) const CAPS: &str = "http://jabber.org/protocol/caps";
/// XEP-0300.
pub(crate) const HASHES: &str = "urn:xmpp:hashes:2";
/// XEP-0390.
pub(crate) const CAPS2: &str = "urn:xmpp:caps";
/// XEP-0077.
pub(crate) const REGISTER: &str = "jabber:iq:register";
/// XEP-0077, stream feature.
pub(crate) const REGISTER_FEATURE: &str = "http://jabber.org/features/iq-register";
/// XEP-0379.
pub(crate) const PARS: &str = "urn:xmpp:pars:0";
/// XEP-0445, stream feature.
pub(crate) const REGISTER_TOKEN: &str = "urn:xmpp:ibr-token:0";
/// XEP-0124.
pub(crate) const BOSH: &str = "http://jabber.org/protocol/httpbind";
/// XEP-0206.
pub(crate) const XBOSH: &str = "urn:xmpp:xbosh";
/// XEP-0092.
pub(crate) const VERSION: &str = "jabber:iq:version";
/// XEP-0191.
pub(crate) const BLOCKING: &str = "urn:xmpp:blocking";
/// XEP-0191.
pub(crate) const BLOCKING_ERRORS: &str = "urn:xmpp:blocking:errors";
/// XEP-0153.
pub(crate) const VCARD_UPDATE: &str = "vcard-temp:x:update";
/// XEP-0157.
pub(crate) const SERVER_INFO: &str = "http://jabber.org/network/serverinfo";
/// XEP-0198.
pub(crate) const SM: &str = "urn:xmpp:sm:3";
/// XEP-0199.
pub(crate) const PING: &str = "urn:xmpp:ping";
/// XEP-0202.
pub(crate) const TIME: &str = "urn:xmpp:time";
/// XEP-0203.
pub(crate) const DELAY: &str = "urn:xmpp:delay";
/// XEP-0280.
pub(crate) const CARBONS: &str = "urn:xmpp:carbons:2";
/// XEP-0297.
pub(crate) const FORWARD: &str = "urn:xmpp:forward:0";
/// XEP-0308.
pub(crate) const CORRECT: &str = "urn:xmpp:message-correct:0";
/// XEP-0317.
pub(crate) const HATS: &str = "urn:xmpp:hats:0";
/// XEP-0313.
pub(crate) const MAM: &str = "urn:xmpp:mam:2";
/// XEP-0313.
pub(crate) const MAM_EXTENDED: &str = "urn:xmpp:mam:2#extended";
/// XEP-0334.
pub(crate) const HINTS: &str = "urn:xmpp:hints";
/// XEP-0352.
pub(crate) const CSI: &str = "urn:xmpp:csi:0";
/// XEP-0357.
pub(crate) const PUSH: &str = "urn:xmpp:push:0";
/// XEP-0359.
pub(crate) const SID: &str = "urn:xmpp:sid:0";
/// XEP-0363.
pub(crate) const UPLOAD: &str = "urn:xmpp:http:upload:0";
/// XEP-0377.
pub(crate) const REPORTING: &str = "urn:xmpp:reporting:1";
/// XEP-0421.
pub(crate) const OCCUPANT_ID: &str = "urn:xmpp:occupant-id:0";
/// XEP-0424.
pub(crate) const RETRACT: &str = "urn:xmpp:message-retract:1";
/// XEP-0424 section 5.
pub(crate) const TOMBSTONE: &str = "urn:xmpp:message-retract:1#tombstone";
/// XEP-0425.
pub(crate) const MODERATE: &str = "urn:xmpp:message-moderate:1";
/// XEP-0444.
pub(crate) const REACTIONS: &str = "urn:xmpp:reactions:0";
/// XEP-0461.
pub(crate) const REPLY: &str = "urn:xmpp:reply:0";
/// XEP-0478.
pub(crate) const EXTERNAL_SERVICES: &str = "urn:xmpp:extdisco:2";
pub(crate) const STREAM_LIMITS: &str = "urn:xmpp:stream-limits:0";
/// XEP-0484.
pub(crate) const FAST: &str = "urn:xmpp:fast:0";
