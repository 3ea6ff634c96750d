// Converse.js in Chromium, as people have it in a page: it logs in, is in a room, and is told what to type by lines of its input. What the page shows of the
// room goes to its output, a line of JSON each.
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { dirname, extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import puppeteer from "puppeteer-core";

const [browser_path, websocket, jid, password, room, picture] = process.argv.slice(2);
const tell = (what) => console.log(JSON.stringify(what));

const dist = join(dirname(fileURLToPath(import.meta.url)), "node_modules", "converse.js", "dist");
const types = { ".js": "text/javascript", ".css": "text/css", ".json": "application/json", ".wasm": "application/wasm", ".svg": "image/svg+xml" };
const settings = {
  authentication: "login",
  auto_login: true,
  auto_join_rooms: [{ jid: room, nick: jid.split("@")[0] }],
  assets_path: "/",
  jid,
  password,
  websocket_url: websocket,
  discover_connection_methods: false,
  muc_fetch_members: true,
  show_controlbox_by_default: false,
  theme: "classic",
  view_mode: "fullscreen",
};
const page_text = `<!doctype html><meta charset="utf-8"><title>Converse</title><link rel="stylesheet" href="/converse.min.css">
<body class="converse-fullscreen"><script type="module">
import "/converse.min.js";
window.converse.initialize(${JSON.stringify(settings)});
</script>`;

const server = createServer(async (request, response) => {
  const path = normalize(new URL(request.url, "http://localhost").pathname);
  if (path === "/") {
    response.writeHead(200, { "Content-Type": "text/html" }).end(page_text);
    return;
  }
  try {
    const bytes = await readFile(join(dist, path));
    response.writeHead(200, { "Content-Type": types[extname(path)] ?? "application/octet-stream" }).end(bytes);
  } catch {
    response.writeHead(404).end();
  }
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));

const browser = await puppeteer.launch({
  executablePath: browser_path,
  // The node's certificate is its own; as root there is no sandbox within the sandbox.
  args: ["--no-sandbox", "--ignore-certificate-errors", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1200,800"],
  defaultViewport: { width: 1200, height: 800 },
});
// Ended, or without anybody to tell: nothing of it stays behind.
const end = () => browser.close().finally(() => process.exit());
process.on("SIGTERM", end);
process.stdin.on("end", end);
const page = await browser.newPage();
page.on("pageerror", (error) => tell({ problem: String(error) }));
await page.exposeFunction("told", tell);
await page.goto(`http://127.0.0.1:${server.address().port}/`);
// What is shown, each message once, however often the page is drawn anew.
await page.evaluate(() => {
  const seen = new Set();
  setInterval(() => {
    for (const message of document.querySelectorAll("converse-chat-message .chat-msg")) {
      const text = message.querySelector(".chat-msg__text")?.innerText?.trim();
      const nick = message.querySelector(".chat-msg__author")?.innerText?.trim() ?? message.getAttribute("data-from")?.split("/").pop();
      const key = message.closest("converse-chat-message")?.getAttribute("mid") ?? message.getAttribute("data-msgid");
      if (text && !seen.has(key + text)) {
        seen.add(key + text);
        window.told({ nick: message.getAttribute("data-from")?.split("/").pop() ?? nick, text });
      }
    }
  }, 100);
});
const composer = "converse-muc textarea.chat-textarea";
await page.waitForSelector(composer, { visible: true, timeout: 60_000 });
tell({ joined: true });
createInterface({ input: process.stdin }).on("line", async (line) => {
  const { type, picture: path, people } = JSON.parse(line);
  if (type) {
    await page.type(composer, type);
    await page.keyboard.press("Enter");
  } else if (path) {
    await page.screenshot({ path });
    tell({ picture: path });
  } else if (people) {
    const nicks = await page.$$eval("converse-muc-sidebar .occupant-nick, converse-muc-occupants .occupant-nick", (all) =>
      all.map((one) => one.innerText.trim()),
    );
    tell({ people: nicks });
  }
});
if (picture) await page.screenshot({ path: picture });
