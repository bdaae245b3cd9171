// Clients of others that name documents instead of sending them: node persisted.mjs URL AUTHORIZATION TEXT NAME
// Each asks twice. Prints one line of JSON for each: {"client", "answers", "sent": what each request had}.
// TEXT is the document, as graphql's `print` writes it: "query Own {...}" makes one of its own for each
// client. NAME is what it is registered as.
// The packages are looked for where NODE_PATH says: those of package.json.
import { createHash } from "node:crypto";
import { createRequire } from "node:module";

const require = createRequire(`${process.env.NODE_PATH}/of-the-tests.js`);
const { ApolloClient, ApolloLink, HttpLink, InMemoryCache, gql } = require("@apollo/client");
const { PersistedQueryLink } = require("@apollo/client/link/persisted-queries");
const urql = require("@urql/core");
const { persistedExchange } = require("@urql/exchange-persisted");
const { createClient: overSocket } = require("graphql-ws");
const { createClient: overEvents } = require("graphql-sse");
const WebSocket = require("ws");

const [url, authorization, text, name] = process.argv.slice(2);
const headers = { authorization };
const sha256 = (written) => createHash("sha256").update(written).digest("hex");
const own = (client) => text.replace("query Own", `query Of${client}`);
const named = { extensions: { persistedQuery: { version: 1, sha256Hash: sha256(text) } } };

let sent = [];
const tell = (method, { query, extensions, documentId }) =>
  sent.push([method, query && "text", extensions?.persistedQuery && "hash", documentId && "id"].filter(Boolean).join(" "));
const fetched = (address, options) => {
  const found = Object.fromEntries(new URL(address).searchParams);
  if (found.extensions) found.extensions = JSON.parse(found.extensions);
  tell(options.method, options.body ? JSON.parse(options.body) : found);
  return fetch(address, options);
};
class Telling extends WebSocket {
  send(message, ...more) {
    const { type, payload } = JSON.parse(message);
    if (type === "subscribe") tell("SUBSCRIBE", payload);
    return super.send(message, ...more);
  }
}

async function show(client, ask) {
  sent = [];
  const answers = [];
  for (let time = 0; time < 2; time++) answers.push(await ask());
  console.log(JSON.stringify({ client, answers, sent }));
}
const codes = (errors) => ({ codes: errors.map((error) => error.extensions?.code) });

async function apollo(useGETForHashedQueries) {
  const link = new PersistedQueryLink({ sha256, useGETForHashedQueries });
  const http = new HttpLink({ uri: url, headers, fetch: fetched });
  const client = new ApolloClient({ cache: new InMemoryCache(), link: ApolloLink.from([link, http]) });
  await show(useGETForHashedQueries ? "apollo, GET" : "apollo", async () => {
    const { data, error } = await client.query({
      query: gql(own(`Apollo${useGETForHashedQueries}`)), fetchPolicy: "no-cache", errorPolicy: "all", variables: {},
    });
    return error ? codes(error.errors ?? []) : data;
  });
}

async function ofUrql(label, document, exchanges) {
  const client = new urql.Client({ url, fetch: fetched, fetchOptions: { headers }, exchanges, preferGetMethod: false });
  await show(label, async () => {
    const { data, error } = await client.query(document, {}, { requestPolicy: "network-only" }).toPromise();
    return error ? codes(error.graphQLErrors) : data;
  });
}

async function follow(label, client, payload) {
  await show(label, () => new Promise((done) => {
    let last;
    client.subscribe(payload, {
      next: ({ data, errors }) => { last = errors ? codes(errors) : data; },
      error: (errors) => done(Array.isArray(errors) ? codes(errors) : { failed: String(errors) }),
      complete: () => done(last),
    });
  }));
}

await apollo(false);
await apollo(true);
await ofUrql("urql", urql.gql(own("Urql")), [persistedExchange(), urql.fetchExchange]);
await ofUrql("urql, id", { kind: "Document", definitions: [], documentId: name }, [urql.fetchExchange]);
const socket = overSocket({ url: url.replace("http", "ws"), webSocketImpl: Telling, connectionParams: headers });
await follow("graphql-ws, id", socket, { query: "", documentId: name });
await follow("graphql-ws, hash", socket, { query: "", ...named });
await socket.dispose();
const events = overEvents({ url, headers, fetchFn: fetched, retryAttempts: 0 });
await follow("graphql-sse, id", events, { documentId: name });
events.dispose();
