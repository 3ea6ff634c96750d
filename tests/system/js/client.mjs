// An XMPP client on @xmpp/client, driven by lines of JSON: SASL2, Bind 2, tokens and resumption as that library does them.
//
// Says { event: "online" | "resumed" | "offline" | "token" | "mechanism" | "message" | "left" | "error", ... }; takes { do: "connect" | "join" | "say" | "cut" | "stop", ... }.

import { createInterface } from "node:readline";
import { client, xml } from "@xmpp/client";

const [service, domain, username, password, room, id] = process.argv.slice(2);
const say = (event, more = {}) => process.stdout.write(`${JSON.stringify({ event, ...more })}\n`);

// A token that an earlier process of this client was given goes on being used, at whatever node.
let token = process.env.TOKEN ? JSON.parse(process.env.TOKEN) : undefined;
const xmpp = client({
  service,
  domain,
  resource: "js",
  credentials: async (authenticate, mechanisms, fast) => {
    const kept = fast && (await fast.fetch());
    await authenticate({ username, password: kept ? "no password" : password, token: kept }, mechanisms[0], agent);
  },
});
const agent = xml("user-agent", { id });
xmpp.reconnect.delay = 50;
xmpp.fast.saveToken = async (given) => {
  token = given;
  say("token", { token: given });
};
xmpp.fast.fetchToken = async () => token;
xmpp.fast.deleteToken = async () => {
  token = undefined;
};
xmpp.on("error", (error) => say("error", { text: String(error) }));
xmpp.on("online", (jid) => say("online", { jid: jid.toString() }));
xmpp.on("offline", () => say("offline"));
xmpp.streamManagement.on("resumed", () => say("resumed"));
xmpp.on("send", (element) => element.is("authenticate") && say("mechanism", { name: element.attrs.mechanism }));
xmpp.on("stanza", (stanza) => {
  const from = stanza.attrs.from ?? "";
  const nick = from.slice(from.indexOf("/") + 1);
  if (stanza.is("message") && stanza.attrs.type === "groupchat" && stanza.getChildText("body")) {
    const stamp = stanza.getChild("stanza-id", "urn:xmpp:sid:0");
    say("message", { id: stamp?.attrs.id, nick, text: stanza.getChildText("body"), client: stanza.attrs.id });
  } else if (stanza.is("message") && stanza.getChildText("body")) {
    say("direct", { from, text: stanza.getChildText("body"), late: !!stanza.getChild("delay", "urn:xmpp:delay") });
  } else if (stanza.is("presence") && from.startsWith(`${room}/`)) {
    const codes = stanza.getChild("x")?.getChildren("status").map((status) => status.attrs.code) ?? [];
    say(stanza.attrs.type === "unavailable" ? "left" : "came", { nick, own: codes.includes("110"), made: codes.includes("201") });
  }
});

const deeds = {
  connect: () => xmpp.start(),
  available: () => xmpp.send(xml("presence")),
  join: () =>
    xmpp.send(
      xml(
        "presence",
        { to: `${room}/${username}` },
        xml("x", { xmlns: "http://jabber.org/protocol/muc" }, xml("history", { maxstanzas: 0 })),
      ),
    ),
  take: () =>
    xmpp.iqCaller.set(
      xml("query", { xmlns: "http://jabber.org/protocol/muc#owner" }, xml("x", { xmlns: "jabber:x:data", type: "submit" })),
      room,
    ),
  say: ({ text, client }) => xmpp.send(xml("message", { to: room, type: "groupchat", id: client }, xml("body", {}, text))),
  // As if the network had gone: nothing is said to the other side.
  cut: () => xmpp.socket.socket?.destroy?.() ?? xmpp.socket.destroy(),
  stop: () => xmpp.stop(),
};
for await (const line of createInterface({ input: process.stdin })) {
  const deed = JSON.parse(line);
  Promise.resolve(deeds[deed.do](deed)).catch((error) => say("error", { text: String(error) }));
}
process.exit(0);
