// An XMPP client on Strophe.js over HTTP requests (BOSH, XEP-0124), driven by lines of JSON.
//
// Says { event: "online" | "error" | "message" | "direct" | "left" | "came" | "offline", ... }; takes { do: "join" | "take" | "say", ... }.

import { createInterface } from "node:readline";
import { JSDOM } from "jsdom";
import xhr from "xmlhttprequest-ssl";

// What the library has to say for people is none of what this says.
globalThis.console = new console.Console(process.stderr);
const { window } = new JSDOM();
globalThis.window ??= window;
Object.assign(globalThis, {
  // Strophe looks for it, and does not use it here.
  WebSocket: window.WebSocket,
  // The node is named by its address, which its certificate does not hold.
  XMLHttpRequest: class extends xhr.XMLHttpRequest {
    constructor() {
      super({ rejectUnauthorized: false });
    }
  },
  DOMParser: window.DOMParser,
  XMLSerializer: window.XMLSerializer,
  document: window.document,
});
const { Strophe, $iq, $msg, $pres } = await import("strophe.js");

const [service, domain, username, password, room] = process.argv.slice(2);
const say = (event, more = {}) => process.stdout.write(`${JSON.stringify({ event, ...more })}\n`);
Strophe.setLogLevel(Strophe.LogLevel.ERROR);
const connection = new Strophe.Connection(service);

connection.addHandler((stanza) => {
  const from = stanza.getAttribute("from") ?? "";
  const text = stanza.querySelector("body")?.textContent;
  if (text && stanza.getAttribute("type") === "groupchat") {
    const id = stanza.querySelector("stanza-id")?.getAttribute("id");
    say("message", { id, nick: from.slice(from.indexOf("/") + 1), text, client: stanza.getAttribute("id") });
  } else if (text) {
    say("direct", { from, text, late: stanza.querySelector("delay") !== null });
  }
  return true;
}, null, "message");
connection.addHandler((stanza) => {
  const codes = [...stanza.querySelectorAll("status")].map((status) => status.getAttribute("code"));
  const from = stanza.getAttribute("from") ?? "";
  if (from.startsWith(`${room}/`)) {
    const event = stanza.getAttribute("type") === "unavailable" ? "left" : "came";
    say(event, { nick: from.slice(from.indexOf("/") + 1), own: codes.includes("110"), made: codes.includes("201") });
  }
  return true;
}, null, "presence");

connection.connect(`${username}@${domain}/bosh`, password, (status) => {
  if (status === Strophe.Status.CONNECTED) {
    connection.send($pres());
    say("online", { jid: connection.jid });
  } else if (status === Strophe.Status.AUTHFAIL || status === Strophe.Status.CONNFAIL) {
    say("error", { text: `status ${status}` });
  } else if (status === Strophe.Status.DISCONNECTED) {
    say("offline");
  }
});

const deeds = {
  join: () =>
    connection.send(
      $pres({ to: `${room}/${username}` })
        .c("x", { xmlns: "http://jabber.org/protocol/muc" })
        .c("history", { maxstanzas: "0" }),
    ),
  take: () =>
    connection.sendIQ(
      $iq({ to: room, type: "set" })
        .c("query", { xmlns: "http://jabber.org/protocol/muc#owner" })
        .c("x", { xmlns: "jabber:x:data", type: "submit" }),
    ),
  say: ({ text, client }) => connection.send($msg({ to: room, type: "groupchat", id: client }).c("body").t(text)),
};
createInterface({ input: process.stdin }).on("line", (line) => {
  const { do: what, ...more } = JSON.parse(line);
  deeds[what](more);
});
