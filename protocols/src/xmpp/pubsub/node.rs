//! Nodes: their registers' keys, and their configuration (XEP-0060 sections 4.5 and 8.2).

use super::Waiting;
use crate::command::{Command, LookedAt, RegisterView};
use crate::xmpp::data;
use crate::xmpp::element::Element;
use crate::xmpp::error::StanzaError;
use crate::xmpp::link::Link;
use crate::xmpp::ns;
use crate::xmpp::pending::{Asked, Awaited};
use crate::xmpp::xml::parse_standalone;
use std::collections::BTreeMap;

/// Before the keys of all nodes and items.
pub(super) const ROOT: &str = "shown/pep/";
/// Longest name of a node, and id of an item, in bytes.
pub(super) const NAME_BYTES_MAX: usize = 1023;
/// Most items of a node: bookmarks of hundreds of rooms.
const ITEMS_MAX: usize = 500;
/// The namespace of what registers hold.
const OWN: &str = "urn:lavina:pep";

/// What may be configured: field, default, and what else it may be (empty: a number, or `max`).
const OPTIONS: &[(&str, &str, &[&str])] = &[
    ("pubsub#access_model", "presence", &["open", "presence", "roster", "whitelist"]),
    ("pubsub#max_items", "1", &[]),
    ("pubsub#persist_items", "1", &["0", "1", "true", "false"]),
    ("pubsub#send_last_published_item", "on_sub_and_presence", &["never", "on_sub", "on_sub_and_presence"]),
    ("pubsub#notify_retract", "1", &["0", "1", "true", "false"]),
    ("pubsub#deliver_payloads", "1", &["1", "true"]),
    ("pubsub#publish_model", "publishers", &["publishers"]),
];
/// The groups that a node of the access model `roster` is for.
const GROUPS: &str = "pubsub#roster_groups_allowed";

/// A node's configuration: what differs from the default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Config {
    options: BTreeMap<String, String>,
    groups: Option<Vec<String>>,
}

impl Config {
    fn get(&self, var: &str) -> &str {
        let default = OPTIONS.iter().find(|(known, ..)| *known == var).map_or("", |(_, default, _)| default);
        self.options.get(var).map_or(default, String::as_str)
    }

    /// With these options and else as usual.
    pub(super) fn of(options: &[(&str, &str)]) -> Self {
        let options = options.iter().map(|(var, value)| ((*var).to_owned(), (*value).to_owned())).collect();
        Self { options, groups: None }
    }

    pub(super) fn max_items(&self) -> usize {
        self.get("pubsub#max_items").parse().unwrap_or(ITEMS_MAX).clamp(1, ITEMS_MAX)
    }

    pub(super) fn sends_last(&self) -> bool {
        self.get("pubsub#send_last_published_item") != "never"
    }

    /// Section 4.5: whether somebody may read.
    pub(super) fn may_read(&self, own: bool, asker: &LookedAt) -> bool {
        own || match self.get("pubsub#access_model") {
            "open" => true,
            "presence" => asker.sees,
            "roster" => {
                let allowed = self.groups.as_deref().unwrap_or_default();
                asker.sees && asker.groups.iter().any(|group| allowed.contains(group))
            }
            _ => false,
        }
    }

    /// Whether everybody who sees the account's presence is told of items.
    pub(super) fn is_for_contacts(&self) -> bool {
        matches!(self.get("pubsub#access_model"), "open" | "presence")
    }

    /// Section 6.5.9: why somebody may not.
    pub(super) fn refusal(&self) -> StanzaError {
        match self.get("pubsub#access_model") {
            "presence" => super::error(StanzaError::NOT_AUTHORIZED, "presence-subscription-required"),
            "roster" => super::error(StanzaError::NOT_AUTHORIZED, "not-in-roster-group"),
            _ => super::error(StanzaError::NOT_ALLOWED, "closed-node"),
        }
    }

    /// With another's settings over these.
    pub(super) fn changed(mut self, over: Self) -> Self {
        self.options.extend(over.options);
        self.groups = over.groups.or(self.groups);
        self
    }

    /// Whether the node is as the publisher wants it (section 7.1.5).
    pub(super) fn meets(&self, wanted: &Self) -> bool {
        let is_same = |(var, value): (&String, &String)| {
            let of = |value: &str| match value {
                "true" => "1".to_owned(),
                "false" => "0".to_owned(),
                "max" => ITEMS_MAX.to_string(),
                other => other.to_owned(),
            };
            of(self.get(var)) == of(value)
        };
        wanted.options.iter().all(is_same) && (wanted.groups.is_none() || wanted.groups == self.groups)
    }

    pub(super) fn form(&self, kind: &str) -> Element {
        let fields = OPTIONS.iter().map(|(var, _, values)| match values {
            [] => data::field(var, "text-single", "", self.get(var)),
            ["0", ..] => data::boolean(var, "", matches!(self.get(var), "1" | "true")),
            values => data::choice(var, "", self.get(var), values),
        });
        let groups = self.groups.iter().flatten().cloned();
        data::form(kind, &format!("{}#node_config", ns::PUBSUB)).children(fields).child(data::many(
            GROUPS,
            "text-multi",
            "",
            groups,
        ))
    }
}

/// The node that an element names.
pub(super) fn name_of(element: &Element) -> Result<String, StanzaError> {
    match element.get_attr("node") {
        Some(node) if !node.is_empty() && node.len() <= NAME_BYTES_MAX => Ok(node.to_owned()),
        Some(_) => Err(StanzaError::NOT_ACCEPTABLE),
        None => Err(super::error(StanzaError::BAD_REQUEST, "nodeid-required")),
    }
}

/// Settings from the form in an element. What is not known here is left out, as nobody could tell it from being met.
pub(super) fn options_of(parent: &Element) -> Result<Config, StanzaError> {
    let mut config = Config::default();
    let Some((_, form)) = data::answer(parent) else { return Ok(config) };
    for (var, values) in data::fields(form) {
        if var == GROUPS {
            config.groups = Some(values);
            continue;
        }
        let Some((_, _, allowed)) = OPTIONS.iter().find(|(known, ..)| *known == var) else { continue };
        let value = values.into_iter().next().unwrap_or_default();
        let is_number = value == "max" || value.parse::<u32>().is_ok();
        if (allowed.is_empty() && !is_number) || (!allowed.is_empty() && !allowed.contains(&value.as_str())) {
            return Err(StanzaError::NOT_ACCEPTABLE);
        }
        config.options.insert(var.to_owned(), value);
    }
    Ok(config)
}

fn hash(name: &str) -> String {
    let hash = blake3::Hasher::new_derive_key("lavina 1 pep name").update(name.as_bytes()).finalize();
    hash.to_hex().as_str().get(..24).unwrap_or_default().to_owned()
}

/// The register of a node.
pub(super) fn key(node: &str) -> String {
    format!("{ROOT}{}", hash(node))
}

/// The register of an item: a node of one item has one register for it.
pub(super) fn item_key(node: &str, config: &Config, id: &str) -> String {
    let item = if config.max_items() == 1 { "only".to_owned() } else { hash(id) };
    format!("{}/{item}", key(node))
}

/// The value of a node's register.
pub(super) fn encode(name: &str, config: &Config) -> Vec<u8> {
    let options = config.options.iter().map(|(var, value)| Element::new("option", OWN).attr("var", var).text(value));
    let groups = config.groups.iter().flatten().map(|group| Element::new("group", OWN).text(group));
    let node = Element::new("node", OWN).attr("name", name).children(options).children(groups);
    node.to_standalone().into_bytes()
}

/// A node and its configuration, from its register's value; `None` for one that was deleted.
pub(super) fn decode(value: &[u8]) -> Option<(String, Config)> {
    let element = std::str::from_utf8(value).ok().and_then(parse_standalone).filter(|node| node.is("node", OWN))?;
    let name = element.get_attr("name")?.to_owned();
    let options = element.elements().filter(|option| option.name == "option");
    let options = options.filter_map(|option| Some((option.get_attr("var")?.to_owned(), option.content()))).collect();
    let groups: Vec<String> = element.elements().filter(|group| group.name == "group").map(Element::content).collect();
    Some((name, Config { options, groups: (!groups.is_empty()).then_some(groups) }))
}

/// The configuration of a node among what was found.
pub(super) fn config_in(found: &LookedAt, name: &str) -> Option<Config> {
    let key = key(name);
    let register = found.registers.iter().find(|register| register.key == key)?;
    decode(&register.value).map(|(_, config)| config)
}

/// All nodes among what was found.
pub(super) fn all(found: &LookedAt) -> impl Iterator<Item = (String, Config)> + '_ {
    found.registers.iter().filter_map(|register: &RegisterView| decode(&register.value))
}

/// Sets a node's register; the answer to the client comes with it.
pub(super) fn write(
    link: &mut Link,
    name: &str,
    config: &Config,
    asked: Asked,
    payload: Option<Element>,
) -> Result<(), StanzaError> {
    let waiting = Waiting::Written(asked, payload);
    link.ask(Command::RegisterSet(key(name), encode(name, config)), Awaited::Pubsub(waiting));
    Ok(())
}
