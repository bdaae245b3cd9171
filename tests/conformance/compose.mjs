// Composes the hub's schema with one that extends its accounts: node compose.mjs HUB.graphql OTHER.graphql
// Prints one line of JSON for each composer: {"composer", "errors", "hints", "supergraph"}.
// The packages are looked for where NODE_PATH says: @apollo/composition, @theguild/federation-composition, graphql.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(`${process.env.NODE_PATH}/of-the-tests.js`);
const { composeServices: apollo } = require("@apollo/composition");
const { composeServices: guild } = require("@theguild/federation-composition");
const { parse } = require("graphql");

const [hub, other] = process.argv.slice(2).map((file) => parse(readFileSync(file, "utf8")));
const subgraphs = [
  { name: "hub", url: "http://hub.example/graphql", typeDefs: hub },
  { name: "billing", url: "http://billing.example/graphql", typeDefs: other },
];
for (const [composer, compose] of Object.entries({ apollo, guild })) {
  const done = compose(subgraphs);
  console.log(
    JSON.stringify({
      composer,
      errors: (done.errors ?? []).map((error) => error.message),
      hints: (done.hints ?? []).map((hint) => hint.message ?? String(hint)),
      supergraph: done.supergraphSdl ?? null,
    }),
  );
}
