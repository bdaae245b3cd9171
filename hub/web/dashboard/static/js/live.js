// The live end of a feed: one subscription that resumes after its last cursor, however it broke.
import { createClient } from "../vendor/graphql-ws.js";
import { LIVE, WHO } from "./documents.js";
import { query, tellSignedOut } from "./graphql.js";

const QUIET = 1500; // after a reconnect: events that follow each other faster are the backlog
const STEADY = 10_000; // a connection that held this long starts again with short waits
const PONG = 5000; // a socket that is silent for longer after a ping is dead, though it looks open
const LONGEST_WAIT = 30;

// onState is told {name: connecting | live | catching-up | reconnecting | refused, ...}.
export function follow(role, after, { onEvent, onState, onExpired }) {
  let cursor = after;
  let attempts = 0;
  let opened = false;
  let stopped = false;
  let lost = false; // whether there may be a gap to catch up with
  let backlog = 0;
  let unsubscribe = () => {};
  const timers = { quiet: 0, steady: 0, pong: 0, wait: 0 };
  const clearTimers = () => {
    for (const name of Object.keys(timers)) {
      clearTimeout(timers[name]);
      timers[name] = 0;
    }
  };

  const client = createClient({
    url: location.origin.replace(/^http/, "ws") + "/graphql",
    retryAttempts: 0, // one policy for every way to lose the stream: retry() below
    keepAlive: 12_000,
    connectionAckWaitTimeout: 10_000,
    on: {
      connected() {
        opened = true;
        timers.steady = setTimeout(() => (attempts = 0), STEADY);
        if (lost) awaitQuiet();
        else onState({ name: "live" });
      },
      ping(received) {
        if (!received) timers.pong = setTimeout(() => client.terminate(), PONG);
      },
      pong(received) {
        if (received) clearTimeout(timers.pong);
      },
      closed({ code }) {
        // After a normal closure the client would reconnect at once, with the cursor of old.
        if (code === 1000) unsubscribe();
      },
    },
  });

  function awaitQuiet() {
    onState({ name: "catching-up" });
    clearTimeout(timers.quiet);
    timers.quiet = setTimeout(() => {
      lost = false;
      onState({ name: "live", caughtUp: backlog });
    }, QUIET);
  }

  function start() {
    clearTimers();
    opened = false;
    onState({ name: attempts ? "reconnecting" : "connecting" });
    unsubscribe = client.subscribe(
      { query: LIVE, variables: { role, after: cursor } },
      { next: take, error: fail, complete: retry },
    );
  }

  function take({ data, errors }) {
    if (errors?.length) return refuse(errors);
    const event = data.feed;
    if (event.__typename === "CursorExpired") return expire();
    cursor = event.cursor;
    onEvent(event);
    if (lost) {
      backlog += 1;
      awaitQuiet();
    }
  }

  function fail(reason) {
    if (stopped) return;
    if (Array.isArray(reason)) return refuse(reason);
    // A refused handshake does not say why. A query does, and tells the page if the session
    // has ended; that the hub cannot be reached is what retry() is for.
    if (!opened || [4401, 4403].includes(reason?.code)) query(WHO).catch(() => undefined);
    retry();
  }

  function refuse([{ message, extensions }]) {
    const code = extensions?.code;
    if (["BAD_CURSOR", "CURSOR_EXPIRED"].includes(code)) return expire();
    if (!["UNAUTHENTICATED", "FORBIDDEN", "NOT_FOUND"].includes(code)) return retry();
    stop();
    if (code === "UNAUTHENTICATED") tellSignedOut();
    else onState({ name: "refused", message });
  }

  function expire() {
    stop();
    onExpired();
  }

  function retry() {
    if (stopped || timers.wait) return;
    unsubscribe();
    clearTimers();
    if (!lost) backlog = 0;
    lost = true;
    attempts += 1;
    const seconds = Math.min(LONGEST_WAIT, 2 ** (attempts - 1)) * (0.5 + Math.random() / 2);
    timers.wait = setTimeout(start, seconds * 1000);
    onState({ name: "reconnecting" });
  }

  // The browser knows that the network is back before the next attempt is due.
  const online = () => timers.wait && start();

  function stop() {
    stopped = true;
    clearTimers();
    removeEventListener("online", online);
    unsubscribe();
  }

  addEventListener("online", online);
  start();
  return stop;
}
