//! The IRC side of a simulated client: enough of RFC 2812 and IRCv3 to register, talk and understand.

use super::{Heard, PASSWORD, Wire};
use crate::plan::Action;
use base64::Engine as _;

const CAPS: &str = "message-tags server-time echo-message batch labeled-response account-tag draft/chathistory standard-replies \
    away-notify account-notify extended-join invite-notify chghost setname multi-prefix userhost-in-names";

/// Messages on a page.
const PAGE: usize = 13;

/// State of one IRC connection.
#[derive(Debug, Default)]
pub(crate) struct IrcWire {
    buffer: Vec<u8>,
    nick: String,
    account: Option<String>,
    registered: bool,
    /// Batches of history that are coming in: reference and room.
    batches: Vec<(String, Option<String>)>,
    counter: u64,
}

struct Line<'a> {
    id: Option<&'a str>,
    batch: Option<&'a str>,
    source: &'a str,
    command: &'a str,
    params: Vec<&'a str>,
}

fn parse(line: &str) -> Line<'_> {
    let (tags, rest) = match line.strip_prefix('@').and_then(|line| line.split_once(' ')) {
        Some((tags, rest)) => (tags, rest),
        None => ("", line),
    };
    let (source, rest) = match rest.strip_prefix(':').and_then(|rest| rest.split_once(' ')) {
        Some((source, rest)) => (source, rest),
        None => ("", rest),
    };
    let (middle, trailing) = match rest.split_once(" :") {
        Some((middle, trailing)) => (middle, Some(trailing)),
        None => (rest, None),
    };
    let mut params: Vec<&str> = middle.split(' ').filter(|word| !word.is_empty()).collect();
    params.extend(trailing);
    let command = if params.is_empty() { "" } else { params.remove(0) };
    let id = tags.split(';').find_map(|tag| tag.strip_prefix("msgid="));
    let batch = tags.split(';').find_map(|tag| tag.strip_prefix("batch="));
    Line { id, batch, source: source.split('!').next().unwrap_or(source), command, params }
}

impl IrcWire {
    fn on_line(&mut self, text: &str, reply: &mut String, heard: &mut Vec<Heard>) {
        let line = parse(text);
        let param = |index: usize| line.params.get(index).copied().unwrap_or("");
        let room = |index: usize| param(index).trim_start_matches('#').to_owned();
        let own = line.source == self.nick;
        match line.command {
            "PING" => reply.push_str(&format!("PONG :{}\r\n", param(0))),
            "CAP" if param(1) == "ACK" => {
                reply.push_str(if self.account.is_some() { "AUTHENTICATE PLAIN\r\n" } else { "CAP END\r\n" })
            }
            "CAP" if param(1) == "NAK" => heard.push(Heard::Refused(text.to_owned())),
            "AUTHENTICATE" => {
                let account = self.account.clone().unwrap_or_default();
                let message = format!("\0{account}\0{PASSWORD}");
                let message = base64::engine::general_purpose::STANDARD.encode(message);
                reply.push_str(&format!("AUTHENTICATE {message}\r\n"));
            }
            "903" | "904" => {
                if line.command == "904" {
                    heard.push(Heard::Refused(text.to_owned()));
                } else {
                    heard.push(Heard::LoggedIn);
                }
                reply.push_str("CAP END\r\n");
            }
            "433" if !self.registered => {
                self.nick.push('_');
                reply.push_str(&format!("NICK {}\r\n", self.nick));
            }
            "001" => {
                self.registered = true;
                self.nick = param(0).to_owned();
                heard.push(Heard::Ready(self.nick.clone()));
            }
            "NICK" if own => {
                self.nick = param(0).to_owned();
                heard.push(Heard::Renamed(self.nick.clone()));
            }
            "JOIN" if own => heard.push(Heard::Entered(room(0))),
            "BATCH" if param(1) == "chathistory" => {
                let room = param(2).starts_with('#').then(|| room(2));
                self.batches.push((param(0).trim_start_matches('+').to_owned(), room));
            }
            "BATCH" => {
                let ended = self.batches.iter().position(|(name, _)| param(0).strip_prefix('-') == Some(name));
                if let Some((_, room)) = ended.map(|at| self.batches.remove(at)) {
                    heard.push(Heard::PageEnd { room, last: false });
                }
            }
            "322" => heard.push(Heard::Listed(room(1))),
            "319" => {
                let rooms = param(2).split(' ').filter_map(|room| room.split_once('#'));
                heard.push(Heard::Whereabouts(rooms.map(|(_, room)| room.to_owned()).collect()));
            }
            "PART" if own => heard.push(Heard::Left(room(0))),
            "KICK" if param(1) == self.nick => heard.push(Heard::Kicked(room(0))),
            "PRIVMSG" | "NOTICE" => {
                let batch = line.batch.and_then(|batch| self.batches.iter().find(|(name, _)| name == batch));
                let (id, text) = (line.id.unwrap_or_default().to_owned(), param(1).to_owned());
                let room = param(0).starts_with('#').then(|| room(0));
                match batch {
                    // What did not fit into a line goes on in one without an id.
                    _ if id.is_empty() && !text.starts_with('c') => {}
                    Some((_, room)) => heard.push(Heard::Past { room: room.clone(), id, text }),
                    None => heard.push(Heard::Said { room, id, text, delayed: false }),
                }
            }
            "MODE" if own && param(1) == "-o" => {
                heard.push(Heard::Deopped { room: room(0), nick: param(2).to_owned() })
            }
            "MODE" if param(1) == "+b" => heard.push(Heard::Banned { room: room(0), mask: param(2).to_owned() }),
            "FAIL" if param(0) == "CHATHISTORY" => heard.push(Heard::PageRefused),
            "FAIL" | "400" | "401" | "403" | "404" | "432" | "433" | "441" | "442" | "471" | "473" | "474" | "475"
            | "477" | "482" => {
                heard.push(Heard::Refused(text.to_owned()));
            }
            "ERROR" => heard.push(Heard::Faulted),
            code if code.starts_with(['4', '5', '6', '9']) && code.len() == 3 => heard.push(Heard::Faulted),
            _ => {}
        }
    }
}

impl Wire for IrcWire {
    fn connect(&mut self, nick: &str, account: Option<&str>) -> String {
        *self = Self {
            nick: nick.to_owned(),
            account: account.map(str::to_owned),
            counter: self.counter,
            ..Self::default()
        };
        format!(
            "CAP LS 302\r\nNICK {nick}\r\nUSER {nick} 0 * :{nick}\r\nCAP REQ :{CAPS}{}\r\n",
            match account {
                Some(_) => " sasl",
                None => "",
            }
        )
    }

    fn receive(&mut self, bytes: &[u8]) -> (String, Vec<Heard>) {
        let mut held = std::mem::take(&mut self.buffer);
        held.extend_from_slice(bytes);
        let whole = held.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let (lines, rest) = held.split_at(whole);
        let (mut reply, mut heard) = (String::new(), Vec::new());
        for line in super::readable(lines).split_terminator('\n') {
            self.on_line(line.trim_end_matches('\r'), &mut reply, &mut heard);
        }
        self.buffer = rest.to_vec();
        (reply, heard)
    }

    fn join(&mut self, room: &str) -> String {
        format!("JOIN #{room}\r\n")
    }

    fn keep(&mut self, room: &str) -> String {
        format!("MODE #{room} +P\r\n")
    }

    fn say(&mut self, room: &str, text: &str) -> String {
        format!("PRIVMSG #{room} :{text}\r\n")
    }

    fn tell(&mut self, account: &str, text: &str) -> String {
        format!("PRIVMSG {account} :{text}\r\n")
    }

    fn reply(&mut self, room: &str, text: &str, id: &str) -> String {
        format!("@+draft/reply={id} PRIVMSG #{room} :{text}\r\n")
    }

    fn page(&mut self, room: &str, edge: Option<&str>, newest: bool) -> String {
        match (edge, newest) {
            (Some(id), true) => format!("CHATHISTORY BEFORE #{room} msgid={id} {PAGE}\r\n"),
            (Some(id), false) => format!("CHATHISTORY AFTER #{room} msgid={id} {PAGE}\r\n"),
            (None, true) => format!("CHATHISTORY LATEST #{room} * {PAGE}\r\n"),
            (None, false) => format!("CHATHISTORY AFTER #{room} timestamp=2020-01-01T00:00:00.000Z {PAGE}\r\n"),
        }
    }

    fn look_around(&mut self, others: &[String]) -> String {
        let whois: String = others.iter().map(|other| format!("WHOIS {other}\r\n")).collect();
        format!("LIST\r\n{whois}")
    }

    fn fresh_id(&mut self) -> String {
        self.counter += 1;
        format!("d{}", self.counter)
    }

    fn act(&mut self, action: &Action, room: &str, other: &str, text: &str) -> String {
        match action {
            Action::Topic(_) => format!("TOPIC #{room} :{text}\r\n"),
            Action::Ban(_) | Action::BanForGood(_) => format!("MODE #{room} +b {}\r\n", self.mask(text)),
            Action::Unban(_) => format!("MODE #{room} -b {}\r\n", self.mask(text)),
            Action::Op(..) => format!("MODE #{room} +o {other}\r\n"),
            Action::Deop(..) => format!("MODE #{room} -o {other}\r\n"),
            Action::Kick(..) => format!("KICK #{room} {other} :{text}\r\n"),
            Action::Part(_) => format!("PART #{room} :{text}\r\n"),
            Action::Join(_) => self.join(room),
            Action::Nick(nick) => format!("NICK {nick}\r\n"),
            Action::Say(_) | Action::Reply(_) | Action::Deed(..) => self.say(room, text),
            Action::Tell(_) => self.tell(other, text),
        }
    }

    fn mask(&self, name: &str) -> String {
        format!("{name}!*@*")
    }
}
