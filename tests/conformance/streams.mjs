// Clients of others that follow: node streams.mjs URL AUTHORIZATION DOCUMENT AFTER COUNT
// DOCUMENT is a subscription to `signals` with $after, that selects cursor and title.
// Prints a line of JSON for each event that a client hears: {"client", "title"}; each leaves after
// COUNT of them. Clients that break off lose their connection after two, and go on by the cursor.
// The packages are looked for where NODE_PATH says: those of package.json.
import { createRequire } from "node:module";

const require = createRequire(`${process.env.NODE_PATH}/of-the-tests.js`);
const { ApolloClient, HttpLink, InMemoryCache, gql } = require("@apollo/client");
const { GraphQLWsLink } = require("@apollo/client/link/subscriptions");
const { createClient: overSocket } = require("graphql-ws");
const { createClient: overEvents } = require("graphql-sse");
const { EventSource } = require("eventsource");
const WebSocket = require("ws");
const urql = require("@urql/core");
const { pipe, subscribe } = require("wonka");

const [url, authorization, document, after, count] = process.argv.slice(2);
const headers = { authorization };
const BREAK = 2;

// What one client hears: `next` with each result, then `leave` is called.
function hearer(client, done, failed) {
  let heard = 0;
  const hearer = {
    cursor: after,
    leave: () => undefined,
    broke: () => undefined,
    error: (reason) => failed(new Error(`${client}: ${JSON.stringify(reason)} ${reason}`)),
    complete: () => failed(new Error(`${client} ended after ${heard}`)),
    next({ data, errors, error }) {
      if (errors ?? error) return hearer.error(errors ?? error);
      hearer.cursor = data.signals.cursor;
      console.log(JSON.stringify({ client, title: data.signals.signal.title }));
      if (++heard === BREAK) hearer.broke();
      if (heard !== Number(count)) return;
      hearer.complete = hearer.error = () => undefined;
      setTimeout(() => hearer.leave());
      done();
    },
  };
  // Read anew for each attempt: a client that comes again goes on where it was.
  hearer.variables = { get after() { return hearer.cursor; } };
  return hearer;
}

const socketOf = (more = {}) => overSocket({
  url: url.replace(/^http/, "ws"),
  webSocketImpl: WebSocket,
  connectionParams: headers,
  retryAttempts: 0,
  ...more,
});
const sink = (hears) => ({
  next: (result) => hears.next(result),
  error: (reason) => hears.error(reason),
  complete: () => hears.complete(),
});

function apollo(link) {
  return (hears) => {
    const client = new ApolloClient({ cache: new InMemoryCache(), link });
    const asked = { query: gql(document), variables: { after }, fetchPolicy: "no-cache" };
    const following = client.subscribe(asked).subscribe(sink(hears));
    hears.leave = () => following.unsubscribe();
  };
}

function urqlClient(options) {
  return (hears) => {
    const client = new urql.Client({ url, fetchOptions: { headers }, ...options });
    const results = client.subscription(document, { after });
    hears.leave = pipe(results, subscribe((result) => hears.next(result))).unsubscribe;
  };
}

// Lets a stream through up to so many events, and ends it as a connection does that is lost.
function cut(body, events) {
  let text = "";
  const decoder = new TextDecoder();
  return body.pipeThrough(new TransformStream({
    transform(chunk, controller) {
      text += decoder.decode(chunk, { stream: true });
      for (let end; events > 0 && (end = text.indexOf("\n\n")) >= 0; text = text.slice(end + 2)) {
        const event = text.slice(0, end + 2);
        controller.enqueue(new TextEncoder().encode(event));
        if (event.includes("event: next")) events -= 1;
      }
      if (events === 0) controller.terminate();
    },
  }));
}

const clients = {
  "graphql-ws": (hears) => {
    hears.leave = socketOf().subscribe({ query: document, variables: { after } }, sink(hears));
  },
  "graphql-ws, again": (hears) => {
    let socket;
    const client = socketOf({
      retryAttempts: 5,
      retryWait: () => new Promise((again) => setTimeout(again, 50)),
      shouldRetry: () => true,
      on: { opened: (opened) => (socket = opened) },
    });
    hears.broke = () => socket.terminate();
    hears.leave = client.subscribe({ query: document, variables: hears.variables }, sink(hears));
  },
  "graphql-sse": (hears) => {
    const client = overEvents({ url, headers, retryAttempts: 0 });
    hears.leave = client.subscribe({ query: document, variables: { after } }, sink(hears));
  },
  "EventSource, again": (hears) => {
    const asked = new URLSearchParams({ query: document, variables: JSON.stringify({ after }) });
    let times = 0;
    const source = new EventSource(`${url}?${asked}`, {
      fetch: async (where, options) => {
        const answer = await fetch(where, { ...options, headers: { ...options.headers, ...headers } });
        const body = times++ ? answer.body : cut(answer.body, BREAK);
        const { ok, status, url: from, redirected } = answer;
        return { ok, status, url: from, redirected, headers: answer.headers, body };
      },
    });
    source.addEventListener("next", ({ data }) => hears.next(JSON.parse(data)));
    source.addEventListener("complete", () => hears.complete());
    source.addEventListener("error", ({ code }) => code && hears.error(`status ${code}`));
    hears.leave = () => source.close();
  },
  "urql, events": urqlClient({ exchanges: [urql.fetchExchange], fetchSubscriptions: true }),
  "urql, graphql-ws": urqlClient({
    exchanges: [
      urql.subscriptionExchange({
        forwardSubscription: (asked) => ({
          subscribe: (into) => ({ unsubscribe: socketOf().subscribe(asked, into) }),
        }),
      }),
    ],
  }),
  "apollo, parts": apollo(new HttpLink({ uri: url, headers })),
  "apollo, graphql-ws": apollo(new GraphQLWsLink(socketOf())),
};

await Promise.all(
  Object.entries(clients).map(
    ([client, follow]) => new Promise((done, failed) => follow(hearer(client, done, failed))),
  ),
);
process.exit(0);
