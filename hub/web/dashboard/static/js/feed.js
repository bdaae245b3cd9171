// What a role hears, as state: a ranked snapshot of the hub, what arrived since on top of it, and
// what is held back while somebody reads further down.
import { useEffect, useReducer, useRef, useState } from "../vendor/preact-hooks.js";
import { FEED } from "./documents.js";
import { isPassing, query } from "./graphql.js";
import { follow } from "./live.js";

const PAGE = 30;
const MOST_ARRIVALS = 150; // a page left open for days stays light; `folded` says what it left out
const RETRY = 5000;

export const start = {
  status: "loading", // until the first answer; then ready, or failed while there is nothing to show
  held: [],
  fresh: [],
  folded: 0,
  ranked: [],
  after: null,
  more: "idle",
  error: null,
  expired: false, // whether the gap was too long to catch up with, so that all was read anew
};

const ofEdge = ({ score, reasons, node }) => ({ score, reasons, signal: node, beat: 0 });
const ofEvent = ({ score, reasons, signal }) => ({ score, reasons, signal, beat: 1 });
const lists = ["held", "fresh", "ranked"];
const has = (state, id) => lists.some((list) => state[list].some((item) => item.signal.id === id));
const inEach = (state, change) =>
  Object.fromEntries(lists.map((list) => [list, change(state[list])]));

export function reduce(state, action) {
  switch (action.type) {
    case "answered":
      return {
        ...start,
        status: "ready",
        expired: action.expired,
        ranked: action.feed.edges.map(ofEdge),
        ...rest(action),
      };
    case "failed":
      return { ...state, error: action.error, status: state.status === "ready" ? "ready" : "failed" };
    case "FeedCreated":
    case "FeedUpdated":
      return arrive(state, ofEvent(action.event), action.hold);
    case "FeedWithdrawn":
      return {
        ...state,
        ...inEach(state, (items) => items.filter(({ signal }) => signal.id !== action.event.signalId)),
      };
    case "released":
      return { ...state, held: [], ...folded(state, [...state.held, ...state.fresh]) };
    case "more asked":
      return { ...state, more: "loading" };
    case "more failed":
      if (action.after !== state.after) return state;
      return { ...state, more: "failed", error: action.error };
    case "more answered": {
      if (action.after !== state.after) return state; // the feed was read anew meanwhile
      const older = action.feed.edges.map(ofEdge).filter(({ signal }) => !has(state, signal.id));
      return { ...state, ranked: [...state.ranked, ...older], error: null, ...rest(action) };
    }
  }
  throw new Error(`no such action: ${action.type}`);
}

const rest = ({ feed: { pageInfo } }) => ({
  more: "idle",
  after: pageInfo.hasNextPage ? pageInfo.endCursor : null,
});

const folded = (state, fresh) => ({
  fresh: fresh.slice(0, MOST_ARRIVALS),
  folded: state.folded + Math.max(0, fresh.length - MOST_ARRIVALS),
});

function arrive(state, item, hold) {
  const { id } = item.signal;
  if (has(state, id)) {
    const renew = (old) => (old.signal.id === id ? { ...item, beat: old.beat + 1 } : old);
    return { ...state, ...inEach(state, (items) => items.map(renew)) };
  }
  if (hold) return { ...state, held: [item, ...state.held] };
  return { ...state, ...folded(state, [item, ...state.fresh]) };
}

// `hold()` says whether a new signal must wait, so that it does not move what is being read.
export function useFeed(role, hold) {
  const [state, dispatch] = useReducer(reduce, start);
  const [connection, setConnection] = useState({ name: "connecting" });
  const [round, setRound] = useState({ expired: false });
  const holding = useRef();
  holding.current = hold;

  useEffect(() => {
    const leaving = new AbortController();
    let stop = () => {};
    let retry;
    const begin = ({ feed }) => {
      dispatch({ type: "answered", feed, expired: round.expired });
      stop = follow(role, feed.resumeFrom, {
        onEvent: (event) => dispatch({ type: event.__typename, event, hold: holding.current() }),
        onState: setConnection,
        onExpired: () => setRound({ expired: true }),
      });
    };
    const fail = (error) => {
      dispatch({ type: "failed", error });
      setConnection({ name: "offline" });
      if (isPassing(error)) retry = setTimeout(() => setRound({ ...round }), RETRY);
    };
    const unlessLeft = (next) => (outcome) => leaving.signal.aborted || next(outcome);
    query(FEED, { role, first: PAGE }, leaving.signal).then(unlessLeft(begin), unlessLeft(fail));
    return () => {
      leaving.abort();
      clearTimeout(retry);
      stop();
    };
  }, [role, round]);

  const { after } = state;
  const askMore = () => {
    dispatch({ type: "more asked" });
    query(FEED, { role, first: PAGE, after }).then(
      ({ feed }) => dispatch({ type: "more answered", feed, after }),
      (error) => dispatch({ type: "more failed", error, after }),
    );
  };
  const release = () => dispatch({ type: "released" });
  const refresh = () => setRound({ expired: false });
  return { ...state, connection, askMore, release, refresh };
}
