// The console of one VM, at the proxy agent that serves this page. The token in the address opens it once.
import RFB from "@novnc/novnc";
import { FitAddon } from "@xterm/addon-fit";
import { Terminal } from "@xterm/xterm";
import { t } from "ui/words.js";

const GREETING = "RFB ";
const screen = document.getElementById("screen");
const state = document.getElementById("state");
const keys = document.getElementById("keys");
const full = document.getElementById("full");

function say(kind, text) {
  state.className = `state ${kind}`;
  state.textContent = text;
  state.dataset.state = kind;
}

function name(text) {
  document.getElementById("name").textContent = text;
  document.title = text;
}

/** What is seen in place of a console that has gone, or was refused. */
function over(reason) {
  const box = document.createElement("div");
  box.className = "over";
  box.setAttribute("role", "alert");
  const head = document.createElement("h2");
  head.textContent = t("console.over");
  const why = document.createElement("p");
  why.textContent = reason || t("console.lost");
  const what = document.createElement("p");
  what.textContent = t("console.again");
  box.append(head, why, what);
  screen.replaceChildren(box);
  keys.hidden = true;
  say("bad", t("console.closed"));
}

/** The socket as noVNC takes one, whose first message has been read already. */
class Channel {
  binaryType = "arraybuffer";
  onopen = null;
  onmessage = null;
  onclose = null;
  onerror = null;

  constructor(socket) {
    this.socket = socket;
    socket.onmessage = (event) => this.onmessage?.(event);
    socket.onerror = (event) => this.onerror?.(event);
  }

  get protocol() { return this.socket.protocol; }
  get readyState() { return this.socket.readyState; }
  send(data) { this.socket.send(data); }
  close() { this.socket.close(); }
}

function showScreen(socket, first) {
  const channel = new Channel(socket);
  const rfb = new RFB(screen, channel);
  rfb.scaleViewport = true;
  rfb.background = "transparent";
  rfb.addEventListener("desktopname", (event) => name(event.detail.name));
  rfb.addEventListener("connect", () => {
    say("good", t("console.open"));
    keys.hidden = false;
    rfb.focus();
  });
  keys.onclick = () => rfb.sendCtrlAltDel();
  channel.onmessage({ data: first });
  return (event) => channel.onclose?.(event);
}

function showLine(socket, first) {
  const holder = document.createElement("div");
  screen.replaceChildren(holder);
  const terminal = new Terminal({ cursorBlink: true, fontFamily: "ui-monospace, Menlo, Consolas, monospace", fontSize: 14, theme: { background: "#101826" } });
  const fit = new FitAddon();
  terminal.loadAddon(fit);
  terminal.open(holder);
  fit.fit();
  addEventListener("resize", () => fit.fit());
  const encoder = new TextEncoder();
  terminal.onData((text) => socket.send(encoder.encode(text)));
  const show = (data) => terminal.write(new Uint8Array(data));
  socket.onmessage = (event) => show(event.data);
  show(first);
  terminal.focus();
  name(t("console.serial"));
  say("good", t("console.open"));
  return () => terminal.dispose();
}

function open(token) {
  const url = new URL(location.pathname, location.href);
  url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  url.searchParams.set("token", token);
  const socket = new WebSocket(url, "binary");
  socket.binaryType = "arraybuffer";
  let end = () => {};
  socket.onmessage = ({ data }) => {
    const head = new TextDecoder().decode(data.slice(0, GREETING.length));
    end = (head === GREETING ? showScreen : showLine)(socket, data);
  };
  socket.onclose = (event) => {
    end(event);
    over(event.reason);
  };
}

const token = new URLSearchParams(location.search).get("token");
history.replaceState(null, "", location.pathname); // it opens nothing any more, and is nobody's business
name(t("console.title"));
keys.textContent = "Ctrl+Alt+Del";
full.textContent = t("console.full");
full.onclick = () => (document.fullscreenElement ? document.exitFullscreen() : screen.requestFullscreen());
say("busy", t("console.opening"));
if (token) open(token);
else over(t("console.noToken"));
