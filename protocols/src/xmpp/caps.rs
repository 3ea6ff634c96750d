//! What the server can do as a hash in its stream features, so that clients need not ask again (XEP-0115 section 6.3, XEP-0390 section 4.3). What clients
//! say of themselves is in `pubsub/caps`.

use super::element::Element;
use super::ns;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// What kind of form it is (XEP-0068).
const FORM_TYPE: &str = "FORM_TYPE";
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

/// XEP-0115 section 5.1.
fn version(info: &Element) -> String {
    let forms = forms(info).into_iter().flat_map(|form| {
        // FORM_TYPE comes first, by its value alone.
        let (kind, fields): (Vec<_>, Vec<_>) = form.into_iter().partition(|(var, _)| var == FORM_TYPE);
        let kind = kind.into_iter().flat_map(|(_, values)| values);
        kind.chain(fields.into_iter().flat_map(|(var, values)| std::iter::once(var).chain(values))).collect::<Vec<_>>()
    });
    let parts = identities(info).map(|identity| identity.join("/")).chain(sorted(info)).chain(forms);
    let text: String = parts.map(|part| format!("{part}<")).collect();
    STANDARD.encode(Sha1::digest(text.as_bytes()))
}

/// XEP-0390 section 4.1.
fn hash(info: &Element) -> String {
    let features: String = sorted(info).map(|feature| format!("{feature}\u{1f}")).collect();
    let identities: String =
        identities(info).map(|identity| format!("{}\u{1f}\u{1e}", identity.join("\u{1f}"))).collect();
    let field = |(var, values): &(String, Vec<String>)| {
        let values: String = values.iter().map(|value| format!("{value}\u{1f}")).collect();
        format!("{var}\u{1f}{values}\u{1e}")
    };
    let forms: String = forms(info).iter().map(|form| form.iter().map(field).collect::<String>() + "\u{1d}").collect();
    STANDARD.encode(Sha256::digest(format!("{features}\u{1c}{identities}\u{1c}{forms}\u{1c}").as_bytes()))
}

/// The forms (XEP-0128): of each the fields with their values, all in order.
fn forms(info: &Element) -> Vec<Vec<(String, Vec<String>)>> {
    let fields = |form: &Element| {
        let mut fields: Vec<(String, Vec<String>)> = form
            .elements()
            .filter(|field| field.is("field", ns::DATA))
            .map(|field| {
                let mut values: Vec<String> = field.elements().map(Element::content).collect();
                values.sort();
                (field.get_attr("var").unwrap_or_default().to_owned(), values)
            })
            .collect();
        fields.sort();
        fields
    };
    let mut forms: Vec<_> = info.elements().filter(|child| child.is("x", ns::DATA)).map(fields).collect();
    forms.sort();
    forms
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
        // XEP-0115 section 5.3, without the identity in another language and the features of that example.
        let form = Element::new("x", ns::DATA).attr("type", "result").children([
            super::super::data::field("FORM_TYPE", "hidden", "", "urn:xmpp:dataforms:softwareinfo"),
            super::super::data::field("os", "text-single", "", "Mac"),
        ]);
        let with_form = info.clone().child(form);
        let text = "client/pc//Exodus 0.9.1<http://jabber.org/protocol/caps<http://jabber.org/protocol/disco#info<\
                    http://jabber.org/protocol/disco#items<http://jabber.org/protocol/muc<\
                    urn:xmpp:dataforms:softwareinfo<os<Mac<";
        assert_eq!(version(&with_form), STANDARD.encode(Sha1::digest(text.as_bytes())));
        assert_ne!(hash(&with_form), hash(&info));
        assert!(names("https://lavina.example#QgayPKawpkPSDYmwT/WM94uAlu0=", &info));
        assert!(names(&format!("{HASH_NODE}{}", hash(&info)), &info) && !names("x#y", &info));
    }
}
