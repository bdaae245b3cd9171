// Clients of others over HTTP: node clients.mjs URL AUTHORIZATION [{"document", "variables"}, ...]
// Each asks all in order. Prints one line of JSON for each: {"client", "answers": data or codes of errors}.
// "CLIENT" in variables becomes the client's name: what it writes is its own.
// The packages are looked for where NODE_PATH says: those of package.json.
import { createRequire } from "node:module";

const require = createRequire(`${process.env.NODE_PATH}/of-the-tests.js`);
const { ApolloClient, HttpLink, InMemoryCache, gql } = require("@apollo/client");
const { ClientError, GraphQLClient } = require("graphql-request");
const urql = require("@urql/core");

const [url, authorization, asks] = process.argv.slice(2);
const headers = { authorization };
const codes = (errors) => ({ codes: errors.map((error) => error.extensions?.code) });
const writes = (document) => document.trimStart().startsWith("mutation");

async function show(client, ask) {
  const answers = [];
  for (const { document, variables } of JSON.parse(asks.replaceAll("CLIENT", client)))
    answers.push(await ask(document, variables));
  console.log(JSON.stringify({ client, answers }));
}

const apollo = new ApolloClient({ cache: new InMemoryCache(), link: new HttpLink({ uri: url, headers }) });
await show("apollo", async (document, variables) => {
  const options = { variables, fetchPolicy: "no-cache", errorPolicy: "all" };
  const { data, error } = writes(document)
    ? await apollo.mutate({ mutation: gql(document), ...options })
    : await apollo.query({ query: gql(document), ...options });
  return error ? codes(error.errors ?? []) : data;
});

for (const preferGetMethod of [false, "force"]) {
  const client = new urql.Client({ url, fetchOptions: { headers }, exchanges: [urql.fetchExchange], preferGetMethod });
  await show(preferGetMethod ? "urql-get" : "urql", async (document, variables) => {
    const { data, error } = await client[writes(document) ? "mutation" : "query"](document, variables).toPromise();
    return error ? codes(error.graphQLErrors) : data;
  });
}

const request = new GraphQLClient(url, { headers });
await show("graphql-request", async (document, variables) => {
  try {
    return await request.request(document, variables);
  } catch (error) {
    if (error instanceof ClientError) return codes(error.response.errors ?? []);
    throw error;
  }
});
