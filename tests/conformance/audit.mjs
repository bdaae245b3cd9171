// The audits of GraphQL over HTTP by the people who write it down: node audit.mjs URL AUTHORIZATION
// Prints one line of JSON for each: {"id", "name": "MUST ...", "status": "ok", "warn"..., "reason"}.
// The package is looked for where NODE_PATH says: graphql-http.
import { createRequire } from "node:module";

const require = createRequire(`${process.env.NODE_PATH}/of-the-tests.js`);
const { serverAudits } = require("graphql-http");

const [url, authorization] = process.argv.slice(2);
const fetchFn = (address, options = {}) =>
  fetch(address, { ...options, headers: { authorization, ...options.headers } });
for (const audit of serverAudits({ url, fetchFn })) {
  const { id, name, status, reason } = await audit.fn();
  console.log(JSON.stringify({ id, name, status, reason }));
}
process.exit(); // bodies that no audit read hold their connections
