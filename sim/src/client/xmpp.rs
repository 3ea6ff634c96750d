//! The XMPP side of a simulated client: enough of RFC 6120, 6121 and XEP-0045 to log in, talk and understand.

use super::{DOMAIN, Heard, PASSWORD, ROOMS, Wire};
use crate::plan::Action;
use base64::Engine as _;

/// State of one XMPP connection.
#[derive(Debug, Default)]
pub(crate) struct XmppWire {
    buffer: String,
    /// Bytes of a character that has not come whole.
    rest: Vec<u8>,
    nick: String,
    account: String,
    stage: Stage,
    counter: u64,
    /// Bans asked for: stanza id -> (room, mask).
    bans: Vec<(String, String, String)>,
}

const MAM: &str = "urn:xmpp:mam:2";

/// Messages on a page.
const PAGE: usize = 11;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Login,
    Bind,
    Ready,
}

fn header() -> String {
    format!(
        "<?xml version='1.0'?><stream:stream to='{DOMAIN}' version='1.0' xmlns='jabber:client' \
         xmlns:stream='http://etherx.jabber.org/streams'>"
    )
}

/// The value of an attribute in the first tag of `xml`.
fn attr<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let tag = &xml[..xml.find('>').unwrap_or(xml.len())];
    ['\'', '"'].iter().find_map(|quote| {
        let value = |at: usize| {
            tag[..at].strip_suffix(' ')?;
            let value = tag[at + name.len()..].strip_prefix('=')?.strip_prefix(*quote)?;
            Some(&value[..value.find(*quote)?])
        };
        tag.match_indices(name).find_map(|(at, _)| value(at))
    })
}

/// The text of the first child element of that name.
fn child_text<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let text = |at: usize| {
        xml[..at].strip_suffix('<')?;
        xml[at + name.len()..].strip_prefix('>')
    };
    let text = xml.match_indices(name).find_map(|(at, _)| text(at))?;
    let is_end = |at: usize| text[..at].ends_with("</") && text[at + name.len()..].starts_with('>');
    let end = text.match_indices(name).find(|(at, _)| is_end(*at))?.0;
    Some(&text[..end - 2])
}

/// The next complete stanza (or stream header) in what has come, and where it ends.
fn next_stanza(came: &str) -> Option<(&str, usize)> {
    let start = came.find('<')?;
    let mut depth = 0i32;
    let mut at = start;
    while let Some(open) = came[at..].find('<') {
        let open = at + open;
        let close = open + came[open..].find('>')?;
        let tag = &came[open..=close];
        at = close + 1;
        if tag.starts_with("<?") {
            continue;
        }
        if tag.starts_with("<stream:stream") || tag.starts_with("</stream:stream") {
            depth = 0;
        } else if tag.starts_with("</") {
            depth -= 1;
        } else if !tag.ends_with("/>") {
            depth += 1;
        }
        if depth <= 0 {
            return Some((&came[start..at], at));
        }
    }
    None
}

impl XmppWire {
    fn on_stanza(&mut self, stanza: &str, reply: &mut String, heard: &mut Vec<Heard>) {
        if stanza.starts_with("<stream:features") {
            reply.push_str(&match self.stage {
                Stage::Login => {
                    let message = format!("\0{}\0{PASSWORD}", self.account);
                    let message = base64::engine::general_purpose::STANDARD.encode(message);
                    format!("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{message}</auth>")
                }
                Stage::Bind | Stage::Ready => {
                    "<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>\
                     <resource>sim</resource></bind></iq>"
                        .to_owned()
                }
            });
        } else if stanza.starts_with("<success") {
            self.stage = Stage::Bind;
            reply.push_str(&header());
        } else if stanza.starts_with("<failure") || stanza.starts_with("<stream:error") {
            heard.push(Heard::Refused(stanza.to_owned()));
        } else if stanza.starts_with("<iq") {
            self.on_iq(stanza, reply, heard);
        } else if stanza.starts_with("<presence") {
            self.on_presence(stanza, reply, heard);
        } else if stanza.starts_with("<message") {
            Self::on_message(stanza, heard);
        }
    }

    fn on_iq(&mut self, stanza: &str, reply: &mut String, heard: &mut Vec<Heard>) {
        let id = attr(stanza, "id").unwrap_or_default();
        match attr(stanza, "type") {
            Some("result") if id == "bind" && self.stage == Stage::Bind => {
                self.stage = Stage::Ready;
                reply.push_str("<presence/>");
                heard.push(Heard::Ready(self.nick.clone()));
            }
            Some("result") if stanza.contains("<fin") => {
                let last = stanza.contains("complete='true'") || stanza.contains("complete=\"true\"");
                heard.push(Heard::PageEnd { room: None, last });
            }
            Some("result") if stanza.contains("http://jabber.org/protocol/disco#items") => {
                let items = stanza.split("<item ").skip(1).filter_map(|item| {
                    let jid = attr(item, "jid").or_else(|| item.strip_prefix("jid='")?.split('\'').next())?;
                    Some(jid.strip_suffix(&format!("@{ROOMS}"))?.to_owned())
                });
                heard.extend(items.map(Heard::Listed));
            }
            Some("result") => {
                if let Some(index) = self.bans.iter().position(|(known, ..)| known == id) {
                    let (_, room, mask) = self.bans.remove(index);
                    heard.push(Heard::Banned { room, mask });
                }
            }
            Some("error") if id.starts_with("page") => heard.push(Heard::PageRefused),
            Some("error") => heard.push(Heard::Refused(stanza.to_owned())),
            Some("get") => {
                let from = attr(stanza, "from").unwrap_or(DOMAIN);
                reply.push_str(&format!("<iq type='result' id='{id}' to='{from}'/>"));
            }
            Some(_) | None => {}
        }
    }

    fn on_presence(&mut self, stanza: &str, reply: &mut String, heard: &mut Vec<Heard>) {
        let from = attr(stanza, "from").unwrap_or_default();
        let Some((room, nick)) = from.split_once(&format!("@{ROOMS}")) else { return };
        match attr(stanza, "type") {
            Some("error") if stanza.contains("<conflict") => {
                self.nick = format!("{}_", nick.trim_start_matches('/'));
                reply.push_str(&self.join(room));
            }
            Some("error") => heard.push(Heard::Refused(stanza.to_owned())),
            kind if stanza.contains("code='110'") || stanza.contains("code=\"110\"") => {
                if stanza.contains("code='201'") {
                    // The new room is taken as it is (XEP-0045 section 10.1.2).
                    reply.push_str(&format!(
                        "<iq type='set' id='instant' to='{room}@{ROOMS}'><query xmlns='http://jabber.org/protocol/muc#owner'>\
                         <x xmlns='jabber:x:data' type='submit'/></query></iq>"
                    ));
                }
                let room = room.to_owned();
                heard.push(match kind {
                    Some("unavailable") if stanza.contains("code='307'") => Heard::Kicked(room),
                    Some("unavailable") if !stanza.contains("code='303'") => Heard::Left(room),
                    Some(_) | None => Heard::Entered(room),
                });
            }
            Some(_) | None => {}
        }
    }

    fn on_message(stanza: &str, heard: &mut Vec<Heard>) {
        if let Some(result) = stanza.find("<result").map(|at| &stanza[at..]).filter(|_| stanza.contains(MAM)) {
            let id = attr(result, "id").unwrap_or_default().to_owned();
            let text = child_text(result, "body").unwrap_or_default().to_owned();
            let room = attr(stanza, "from").and_then(|from| from.split_once(&format!("@{ROOMS}")));
            heard.push(Heard::Past { room: room.map(|(room, _)| room.to_owned()), id, text });
            return;
        }
        if stanza.contains("urn:xmpp:carbons:2") {
            return;
        }
        if attr(stanza, "type") == Some("error") {
            heard.push(Heard::Refused(stanza.to_owned()));
            return;
        }
        let Some(text) = child_text(stanza, "body") else { return };
        let from = attr(stanza, "from").unwrap_or_default();
        let room = from.split_once(&format!("@{ROOMS}"));
        // The room itself speaks of cuts; such words are no line and have no id.
        if room.is_some_and(|(_, nick)| nick.is_empty()) {
            return;
        }
        let room = room.map(|(room, _)| room.to_owned());
        let id = stanza.find("<stanza-id").and_then(|at| attr(&stanza[at..], "id")).unwrap_or_default();
        // XEP-0203.
        let delayed = stanza.contains("urn:xmpp:delay");
        heard.push(Heard::Said { room, id: id.to_owned(), text: text.to_owned(), delayed });
    }

    fn iq(&mut self, room: &str, item: &str) -> String {
        self.counter += 1;
        format!(
            "<iq type='set' id='a{}' to='{room}@{ROOMS}'><query xmlns='http://jabber.org/protocol/muc#admin'>{item}</query></iq>",
            self.counter
        )
    }
}

impl Wire for XmppWire {
    fn connect(&mut self, nick: &str, account: Option<&str>) -> String {
        *self = Self {
            nick: nick.to_owned(),
            account: account.unwrap_or(nick).to_owned(),
            counter: self.counter,
            ..Self::default()
        };
        header()
    }

    fn receive(&mut self, bytes: &[u8]) -> (String, Vec<Heard>) {
        self.rest.extend_from_slice(bytes);
        let whole = match std::str::from_utf8(&self.rest) {
            Ok(_) => self.rest.len(),
            Err(error) => error.valid_up_to(),
        };
        let mut came = std::mem::take(&mut self.buffer);
        came.push_str(&super::readable(&self.rest[..whole]));
        self.rest.drain(..whole);
        let (mut reply, mut heard) = (String::new(), Vec::new());
        let mut read = 0;
        while let Some((stanza, end)) = next_stanza(&came[read..]) {
            self.on_stanza(stanza, &mut reply, &mut heard);
            read += end;
        }
        came.drain(..read);
        self.buffer = came;
        (reply, heard)
    }

    fn join(&mut self, room: &str) -> String {
        format!(
            "<presence to='{room}@{ROOMS}/{}'><x xmlns='http://jabber.org/protocol/muc'><history maxstanzas='0'/></x></presence>",
            self.nick
        )
    }

    fn keep(&mut self, _room: &str) -> String {
        // What goes by addresses makes rooms that are their founder's from the start.
        String::new()
    }

    fn say(&mut self, room: &str, text: &str) -> String {
        format!("<message type='groupchat' id='{text}' to='{room}@{ROOMS}'><body>{text}</body></message>")
    }

    fn tell(&mut self, account: &str, text: &str) -> String {
        format!("<message type='chat' id='{text}' to='{account}@{DOMAIN}'><body>{text}</body></message>")
    }

    fn reply(&mut self, room: &str, text: &str, id: &str) -> String {
        format!(
            "<message type='groupchat' id='{text}' to='{room}@{ROOMS}'><body>{text}</body>\
             <reply xmlns='urn:xmpp:reply:0' id='{id}'/></message>"
        )
    }

    fn page(&mut self, room: &str, edge: Option<&str>, newest: bool) -> String {
        self.counter += 1;
        let edge = edge.unwrap_or_default();
        let bound = match (edge, newest) {
            (edge, true) => format!("<before>{edge}</before>"),
            ("", false) => String::new(),
            (edge, false) => format!("<after>{edge}</after>"),
        };
        format!(
            "<iq type='set' id='page{}' to='{room}@{ROOMS}'><query xmlns='{MAM}'>\
             <set xmlns='http://jabber.org/protocol/rsm'><max>{PAGE}</max>{bound}</set></query></iq>",
            self.counter
        )
    }

    fn look_around(&mut self, _others: &[String]) -> String {
        self.counter += 1;
        format!(
            "<iq type='get' id='l{}' to='{ROOMS}'><query xmlns='http://jabber.org/protocol/disco#items'/></iq>",
            self.counter
        )
    }

    fn fresh_id(&mut self) -> String {
        self.counter += 1;
        format!("d{}", self.counter)
    }

    fn act(&mut self, action: &Action, room: &str, other: &str, text: &str) -> String {
        match action {
            Action::Topic(_) => {
                format!("<message type='groupchat' to='{room}@{ROOMS}'><subject>{text}</subject></message>")
            }
            Action::Ban(_) | Action::BanForGood(_) => {
                let stanza = self.iq(room, &format!("<item affiliation='outcast' jid='{}'/>", self.mask(text)));
                self.bans.push((format!("a{}", self.counter), room.to_owned(), self.mask(text)));
                stanza
            }
            Action::Unban(_) => self.iq(room, &format!("<item affiliation='none' jid='{}'/>", self.mask(text))),
            Action::Op(..) => self.iq(room, &format!("<item role='moderator' nick='{other}'/>")),
            Action::Deop(..) => self.iq(room, &format!("<item role='participant' nick='{other}'/>")),
            Action::Kick(..) => self.iq(room, &format!("<item role='none' nick='{other}'/>")),
            Action::Part(_) => format!("<presence type='unavailable' to='{room}@{ROOMS}/{}'/>", self.nick),
            Action::Join(_) => self.join(room),
            Action::Say(_) | Action::Reply(_) | Action::Deed(..) => self.say(room, text),
            Action::Tell(_) => self.tell(other, text),
            Action::Nick(_) => String::new(),
        }
    }

    fn mask(&self, name: &str) -> String {
        format!("{name}@{DOMAIN}")
    }
}
