//! What the server can do as a hash in its stream features, so that clients need not ask again (XEP-0115 section 6.3, XEP-0390 section 4.3). What clients
//! say of themselves is in `pubsub/caps`.

use super::element::Element;
use super::ns;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// Names the software that the hash is of.
const NODE: &str = "https://lavina.example";
/// Begins the nodes of XEP-0390.
const HASH_NODE: &str = "urn:xmpp:caps#sha-256.";

/// The elements of the stream features, for what the server answers to `disco#info`.
pub(crate) fn features(info: &Element) -> [Element; 2] {
    let old = Element::new("c", ns::CAPS).attr("hash", "sha-1").attr("node", NODE).attr("ver", version(info));
    let hash = Element::new("hash", ns::HASHES).attr("algo", "sha-256").text(hash(info));
    [old, Element::new("c", ns::CAPS2).child(hash)]
}

/// Whether a node of the server is the one that stands for that answer.
pub(crate) fn names(node: &str, info: &Element) -> bool {
    node == format!("{NODE}#{}", version(info)) || node == format!("{HASH_NODE}{}", hash(info))
}

/// XEP-0115 section 5.1; the server's answer has no forms.
fn version(info: &Element) -> String {
    let parts = identities(info).map(|identity| identity.join("/")).chain(sorted(info));
    let text: String = parts.map(|part| format!("{part}<")).collect();
    STANDARD.encode(Sha1::digest(text.as_bytes()))
}

/// XEP-0390 section 4.1.
fn hash(info: &Element) -> String {
    let features: String = sorted(info).map(|feature| format!("{feature}\u{1f}")).collect();
    let identities: String =
        identities(info).map(|identity| format!("{}\u{1f}\u{1e}", identity.join("\u{1f}"))).collect();
    STANDARD.encode(Sha256::digest(format!("{features}\u{1c}{identities}\u{1c}\u{1c}").as_bytes()))
}

fn identities(info: &Element) -> impl Iterator<Item = [String; 4]> {
    let identities = info.elements().filter(|child| child.is("identity", ns::DISCO_INFO));
    let all = identities.map(|identity| {
        ["category", "type", "xml:lang", "name"].map(|attr| identity.get_attr(attr).unwrap_or_default().to_owned())
    });
    let mut all: Vec<_> = all.collect();
    all.sort();
    all.into_iter()
}

fn sorted(info: &Element) -> impl Iterator<Item = String> {
    let features = info.elements().filter_map(|child| child.get_attr("var"));
    let mut features: Vec<String> = features.map(str::to_owned).collect();
    features.sort();
    features.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(features: &[&str]) -> Element {
        let identity = Element::new("identity", ns::DISCO_INFO)
            .attr("category", "client")
            .attr("type", "pc")
            .attr("name", "Exodus 0.9.1");
        let features = features.iter().map(|var| Element::new("feature", ns::DISCO_INFO).attr("var", *var));
        Element::new("query", ns::DISCO_INFO).child(identity).children(features)
    }

    #[test]
    fn the_hash_is_that_of_the_specification() {
        // XEP-0115 section 5.2.
        let info = info(&[
            "http://jabber.org/protocol/caps",
            "http://jabber.org/protocol/disco#info",
            "http://jabber.org/protocol/disco#items",
            "http://jabber.org/protocol/muc",
        ]);
        assert_eq!(version(&info), "QgayPKawpkPSDYmwT/WM94uAlu0=");
        assert!(names("https://lavina.example#QgayPKawpkPSDYmwT/WM94uAlu0=", &info));
        assert!(names(&format!("{HASH_NODE}{}", hash(&info)), &info) && !names("x#y", &info));
    }
}
