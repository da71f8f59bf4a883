// A page that follows its bots: one socket for what happens, one snapshot for what is so.
// The socket is opened first and buffered, so nothing can happen between the two unheard.
import * as api from "./api.js";
import { apply, behind, fromSnapshot } from "./live-state.js";

const SILENCE_MS = 6000;
const BEHIND_MS = 1000;
const HIDDEN_MS = 60_000;
const RECONCILE_MS = 5000;
const SNAPSHOT_LIMIT_MS = 10_000;
// Not signed in any more, or without a role that may listen.
const CLOSED_TO_US = [4401, 4403];
const BACK_OFF = { first: 1000, most: 15_000 };

/** How long to wait before the nth attempt: doubling, at most 15 s, and never all pages at the same moment. */
export const backOff = (attempt, chance) => {
  const ceiling = Math.min(BACK_OFF.most, BACK_OFF.first * 2 ** attempt);
  return Math.max(BACK_OFF.first, ceiling * (0.5 + 0.5 * chance));
};

/** What the reader is told of the connection. `silence`: ms since the last word from the server. */
export function linkOf({ isOpen, isAbandoned, isSignedOut, hasState, silence }) {
  if (isSignedOut) return "signed-out";
  if (!isOpen && !isAbandoned) return hasState || silence > SILENCE_MS ? "disconnected" : "connecting";
  if (silence > SILENCE_MS) return "stale";
  return hasState ? "live" : "connecting";
}

export class Live {
  /**
   * `snapshot`: the address of the snapshot. `onState(state, before)`: after every change.
   * `onLink({kind, silence})`: every second. `onFault(error)`: the snapshot was refused.
   */
  constructor({ snapshot, only = null, onState, onLink, onFault = () => {} }) {
    Object.assign(this, { snapshot, only, onState, onLink, onFault });
    this.state = null;
    this.buffer = [];
    this.attempt = 0;
    this.heard = performance.now();
    this.behindSince = null;
    this.taken = -Infinity;
    this.dialled = this.heard;
  }

  start() {
    this.connect();
    setInterval(() => this.watch(), 1000);
    document.addEventListener("visibilitychange", () => (document.hidden ? this.hide() : this.show()));
    // A page kept for the back button must not keep a socket; one that returns needs a new one.
    addEventListener("pagehide", () => this.drop());
    addEventListener("pageshow", (event) => { if (event.persisted) this.show(); });
  }

  connect() {
    clearTimeout(this.waiting);
    if (this.isSignedOut) return;
    this.drop();
    this.dialled = performance.now();
    const socket = (this.socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws/live`));
    socket.addEventListener("open", () => { if (socket === this.socket) this.resync(); });
    socket.addEventListener("message", (event) => { if (socket === this.socket) this.hear(JSON.parse(event.data)); });
    socket.addEventListener("close", (event) => { if (socket === this.socket) this.closed(event.code); });
  }

  /** Forgets the socket without a word from it any more. */
  drop() {
    const socket = this.socket;
    this.socket = null;
    socket?.close();
  }

  closed(code) {
    this.socket = null;
    this.isAbandoned = false;
    if (CLOSED_TO_US.includes(code)) { this.signedOut(); return; }
    this.retry();
    this.tell();
  }

  retry() {
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => this.connect(), backOff(this.attempt, Math.random()));
    this.attempt += 1;
  }

  signedOut() {
    this.isSignedOut = true;
    clearTimeout(this.waiting);
    this.drop();
    this.tell();
  }

  hear(message) {
    this.heard = performance.now();
    this.isAbandoned = false;
    this.attempt = 0;
    if (message.type === "events") this.take(message.events.filter(({ bot }) => !this.only || bot === this.only));
    if (message.type === "beat") this.compare(message.versions);
    if (message.type === "resync") this.resyncSoon();
    this.tell();
  }

  take(events) {
    if (this.isFetching || !this.state) this.buffer.push(...events);
    if (this.state) this.advance(events);
  }

  /** Applies events in order; what cannot be applied asks for a snapshot. */
  advance(events) {
    const before = this.state;
    let needs = null;
    for (const message of events) {
      const { state, outcome } = apply(this.state, message);
      this.state = state;
      if (outcome === "gap") needs = "now";
      else if (outcome === "renewed" || message.event === "cycle") needs ??= outcome === "renewed" ? "now" : "soon";
    }
    if (this.state !== before) this.onState(this.state, before);
    if (needs === "now") this.resyncSoon();
    else if (needs === "soon") this.reconcile();
  }

  resyncSoon() {
    clearTimeout(this.reconciling);
    this.reconciling = null;
    this.reconcile(BEHIND_MS);
  }

  /** Events of a version may still be on their way when a beat tells of it; a second later they are missing. */
  compare(all) {
    const versions = this.only ? { [this.only]: all[this.only] ?? 0 } : all;
    if (!this.state || !behind(this.state, versions).length) { this.behindSince = null; return; }
    this.behindSince ??= performance.now();
    if (performance.now() - this.behindSince > BEHIND_MS) this.resyncSoon();
  }

  /** Sums that only the server makes (trades today) follow a little later, however fast bars come. */
  reconcile(spacing = RECONCILE_MS) {
    if (this.reconciling) return;
    const due = Math.max(0, this.taken + spacing - performance.now());
    this.reconciling = setTimeout(() => { this.reconciling = null; if (!document.hidden) this.resync(); }, due);
  }

  async resync() {
    if (this.isFetching) { this.again = true; return; }
    this.isFetching = true;
    this.again = false;
    clearTimeout(this.reconciling);
    this.reconciling = null;
    // Until there is a state, what was buffered since the socket opened is all there is.
    if (this.state) this.buffer = [];
    const socket = this.socket;
    const limit = new AbortController();
    const late = setTimeout(() => limit.abort(), SNAPSHOT_LIMIT_MS);
    try {
      const { data } = await api.get(this.snapshot, {}, limit.signal);
      this.accept(fromSnapshot(data));
    } catch (error) {
      if (error.status === 401 || error.status === 403) this.signedOut();
      else { this.onFault(error); if (socket && socket === this.socket) this.closedForRetry(); }
    } finally {
      clearTimeout(late);
      this.isFetching = false;
    }
    // Not at once: what is missing may belong to a bot that no snapshot shows.
    if (this.again && this.state) this.reconcile(BEHIND_MS);
    this.tell();
  }

  accept(state) {
    const before = this.state;
    this.state = state;
    this.taken = performance.now();
    this.behindSince = null;
    const waiting = this.buffer;
    this.buffer = [];
    for (const message of waiting) {
      const { state, outcome } = apply(this.state, message);
      this.state = state;
      this.again ||= outcome === "gap";
    }
    this.onState(this.state, before);
  }

  /** A socket without a snapshot is worth nothing: begin again, later. */
  closedForRetry() { this.drop(); this.retry(); }

  watch() {
    // A socket that has just been opened gets as long as any other to say its first word.
    const silence = performance.now() - Math.max(this.heard, this.dialled);
    if (this.socket && silence > SILENCE_MS) {
      // Half-open: the other end is gone and nobody was told. Marked stale while another is opened.
      this.isAbandoned = true;
      this.drop();
      this.retry();
    }
    this.tell();
  }

  tell() {
    const silence = performance.now() - this.heard;
    const isOpen = this.socket?.readyState === WebSocket.OPEN;
    const { isAbandoned = false, isSignedOut = false } = this;
    this.onLink({ kind: linkOf({ isOpen, isAbandoned, isSignedOut, hasState: Boolean(this.state), silence }), silence });
  }

  hide() { this.hiding = setTimeout(() => { clearTimeout(this.waiting); this.drop(); }, HIDDEN_MS); }

  show() {
    clearTimeout(this.hiding);
    if (this.socket?.readyState === WebSocket.OPEN && performance.now() - this.heard < SILENCE_MS) this.resync();
    else { this.attempt = 0; this.connect(); }
  }
}
