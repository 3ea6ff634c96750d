// An IRC client on irc-framework, driven by lines of JSON.
//
// Says { event: "online" | "offline" | "refused" | "came" | "message", ... }; takes { do: "join" | "say", ... }.

import { createInterface } from "node:readline";
import IRC from "irc-framework";

const [host, nick, password, channel] = process.argv.slice(2);
const say = (event, more = {}) => process.stdout.write(`${JSON.stringify({ event, ...more })}\n`);

const client = new IRC.Client();
client.on("registered", () => say("online"));
client.on("close", () => say("offline"));
client.on("sasl failed", ({ reason }) => say("refused", { reason }));
client.on("join", ({ nick: who, channel: where }) => where === channel && say("came", { who }));
client.on("message", ({ type, target, nick: by, message, tags }) => {
  if (type === "privmsg" && target === channel) {
    say("message", { id: tags.msgid, by, text: message });
  }
});
client.connect({
  host,
  port: 6697,
  tls: true,
  // The certificate is of the domain, which has no name server here.
  rejectUnauthorized: false,
  nick,
  username: nick,
  gecos: nick,
  account: { account: nick, password },
  auto_reconnect: false,
  enable_echomessage: true,
});

const deeds = {
  join: () => client.join(channel),
  say: ({ text }) => client.say(channel, text),
};
for await (const line of createInterface({ input: process.stdin })) {
  const { do: what, ...more } = JSON.parse(line);
  deeds[what](more);
}
