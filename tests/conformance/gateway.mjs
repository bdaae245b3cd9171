// Apollo's gateway before the hub and a small subgraph of invoices, which is served from here:
// node gateway.mjs HUB_URL HUB.graphql BILLING.graphql INVOICES ASKS
// INVOICES: [{"number", "account": {"id"}, "about": {"id"}}, ...]. ASKS: [{"authorization", "document"}, ...].
// Prints one line of JSON for each ask: {"data", "codes": of its errors}, then {"asked": what billing was asked}.
// The packages are looked for where NODE_PATH says: those of package.json.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";

const require = createRequire(`${process.env.NODE_PATH}/of-the-tests.js`);
const { ApolloGateway, RemoteGraphQLDataSource } = require("@apollo/gateway");
const { composeServices } = require("@apollo/composition");
const { buildSubgraphSchema } = require("@apollo/subgraph");
const { parse } = require("graphql");
const { createHandler } = require("graphql-http/lib/use/http");

const [hub, hubFile, billingFile, ...given] = process.argv.slice(2);
const [invoices, asks] = given.map((text) => JSON.parse(text));
const [hubTypes, billingTypes] = [hubFile, billingFile].map((file) => parse(readFileSync(file, "utf8")));

const asked = [];
const of = ({ id }) => invoices.filter((invoice) => invoice.account.id === id);
const billing = buildSubgraphSchema({
  typeDefs: billingTypes,
  resolvers: {
    Query: { invoices: () => ({ nodes: invoices, pageInfo: { hasNextPage: false, hasPreviousPage: false } }) },
    Account: {
      __resolveReference: (account) => account,
      revenue: (account) => 1000 * of(account).length,
      letterhead: ({ name }) => `To ${name}`, // which only the hub knows
      invoices: of,
    },
  },
});
const handler = createHandler({ schema: billing, onSubscribe: (_, { query }) => void asked.push(query) });
const server = createServer(handler);
await new Promise((done) => server.listen(0, "127.0.0.1", done));

const { supergraphSdl, errors } = composeServices([
  { name: "hub", url: hub, typeDefs: hubTypes },
  { name: "billing", url: `http://127.0.0.1:${server.address().port}`, typeDefs: billingTypes },
]);
if (errors?.length) throw new Error(errors.map((error) => error.message).join("\n"));

class Forwarding extends RemoteGraphQLDataSource {
  willSendRequest({ request, context }) {
    if (context.authorization) request.http.headers.set("authorization", context.authorization);
  }
}
const gateway = new ApolloGateway({ supergraphSdl, buildService: ({ url }) => new Forwarding({ url }) });
const { executor } = await gateway.load();
for (const { authorization, document } of asks) {
  const { data, errors: told } = await executor({
    request: { query: document }, document: parse(document), queryHash: document, context: { authorization }, metrics: {},
  });
  console.log(JSON.stringify({ data: data ?? null, codes: (told ?? []).map((error) => error.extensions?.code) }));
}
console.log(JSON.stringify({ asked }));
process.exit(); // its server, and connections that are kept
