//! The status page: one file, no script, nothing from elsewhere.

use super::view::{NodeView, PeerView};
use crate::html::escape;
use std::fmt::Write;

const STYLE: &str = "
:root { color-scheme: light dark; --line: #8883; --soft: #888; --good: #2a9d5c; --bad: #d0453e; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2.5rem auto; padding: 0 1.25rem; }
h1 { font-size: 1.6rem; margin: 0; } h2 { font-size: 1rem; margin: 2.25rem 0 .5rem; }
.soft { color: var(--soft); } code { font-size: .85em; overflow-wrap: anywhere; }
.numbers { display: flex; flex-wrap: wrap; gap: .75rem; margin: 1.75rem 0; padding: 0; list-style: none; }
.numbers li { border: 1px solid var(--line); border-radius: .6rem; padding: .6rem 1rem; min-width: 6.5rem; }
.numbers b { display: block; font-size: 1.45rem; font-variant-numeric: tabular-nums; }
table { border-collapse: collapse; width: 100%; } th { text-align: left; font-weight: 600; }
th, td { padding: .4rem .75rem .4rem 0; border-bottom: 1px solid var(--line); }
td.n { font-variant-numeric: tabular-nums; }
.good { color: var(--good); } .bad { color: var(--bad); }
.alarm { border-left: .3rem solid var(--bad); padding: .5rem 1rem; }
";

/// The page.
pub(super) fn render(view: &NodeView) -> String {
    let mut html = String::new();
    head(&mut html, view);
    html.push_str("<ul class=numbers>");
    let entries = view.entries.to_string();
    for (label, number) in
        [("sessions", view.sessions.to_string()), ("rooms", view.rooms.to_string()), ("entries", entries)]
    {
        // Writing to a string cannot fail, here and below.
        let _ = write!(html, "<li><b>{number}</b><span class=soft>{label}</span></li>");
    }
    html.push_str("</ul><h2>Other nodes</h2>");
    peers(&mut html, &view.peers);
    html.push_str("<h2>Listens on</h2><table>");
    for (key, address) in &view.me.listen {
        let _ = write!(html, "<tr><td>{}</td><td class=n><code>{}</code></td></tr>", escape(key), escape(address));
    }
    let _ = write!(html, "</table><h2>Digest of all that is durable here</h2><code>{}</code>", escape(&view.digest));
    html.push_str("<h2>Counters</h2><table>");
    for (name, value) in &view.counters {
        let _ = write!(html, "<tr><td>{}</td><td class=n>{value}</td></tr>", escape(name));
    }
    html.push_str(
        "</table><p class=soft>As data: <a href=/status>/status</a>, <a href=/metrics>/metrics</a></p></html>",
    );
    html
}

fn head(html: &mut String, view: &NodeView) {
    let name = escape(&view.me.name);
    let _ = write!(
        html,
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <meta http-equiv=refresh content=5><title>{name} - Lavina</title><style>{STYLE}</style>\
         <h1>{name} <span class=soft>{}</span></h1><div class=soft>region {}, zone {}, Lavina {}<br><code>{}</code></div>",
        escape(&view.me.domain),
        escape(&view.me.region),
        escape(&view.me.zone),
        escape(&view.me.version),
        escape(&view.me.id),
    );
    if let Some(error) = &view.store_error {
        let _ = write!(html, "<p class=alarm>The store takes no writes: {}</p>", escape(error));
    }
}

fn peers(html: &mut String, peers: &[PeerView]) {
    if peers.is_empty() {
        html.push_str(
            "<p class=soft>None yet: <code>lavina ticket</code> here, <code>lavina join TICKET</code> there.</p>",
        );
        return;
    }
    html.push_str("<table><tr><th>Name<th>Region<th>State<th>Round trip<th>Behind</tr>");
    for peer in peers {
        let class = match (peer.connected, peer.in_reach) {
            (true, true) => "good",
            (false, true) => "",
            (true | false, false) => "bad",
        };
        let state = format!("<span class=\"{class}\">{}</span>", escape(&peer.state()));
        let round_trip = peer.round_trip_ms.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.1} ms"));
        let _ = write!(
            html,
            "<tr><td>{}</td><td>{} / {}</td><td>{state}</td><td class=n>{round_trip}</td><td class=n>{}</td></tr>",
            escape(&peer.name),
            escape(&peer.region),
            escape(&peer.zone),
            peer.unacknowledged,
        );
    }
    html.push_str("</table>");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_smuggle_markup() {
        assert_eq!(escape("<b class=\"x\">&"), "&lt;b class=&quot;x&quot;&gt;&amp;");
    }
}
