// An XMPP client on @xmpp/client over WebSocket: joins a room, tells each line of it on its output, says each line of its input.
import { createInterface } from "node:readline";
import { client, jid, xml } from "@xmpp/client";
import WebSocket from "ws";

// Node.js before 22 has none of its own.
globalThis.WebSocket ??= WebSocket;

const [service, domain, username, password, room] = process.argv.slice(2);
const xmpp = client({ service, domain, username, password, resource: "web" });
const tell = (what) => console.log(JSON.stringify(what));

xmpp.on("error", (error) => tell({ error: String(error) }));
xmpp.on("stanza", (stanza) => {
  const body = stanza.getChildText("body");
  if (stanza.is("message") && stanza.attrs.type === "groupchat" && body) {
    const id = stanza.getChild("stanza-id", "urn:xmpp:sid:0")?.attrs.id;
    tell({ id, nick: jid(stanza.attrs.from).resource, text: body });
  } else if (stanza.is("presence") && stanza.attrs.from === `${room}/${username}`) {
    tell({ joined: true });
  }
});
xmpp.on("online", () => {
  xmpp.send(xml("presence", { to: `${room}/${username}` }, xml("x", { xmlns: "http://jabber.org/protocol/muc" })));
});
createInterface({ input: process.stdin }).on("line", (line) => {
  xmpp.send(xml("message", { type: "groupchat", to: room }, xml("body", {}, line)));
});
await xmpp.start();
