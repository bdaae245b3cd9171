// Signing in: a key is exchanged for an HttpOnly cookie that this page can never read.
import { WHO } from "./documents.js";
import { ApiError, query, reach } from "./graphql.js";


const send = (method, body) =>
  reach("/session", {
    method,
    headers: { "content-type": "application/json" },
    body: body && JSON.stringify(body),
  });

// What stands at the door: {signedIn, provider, demo, keys}. A demo on loopback offers its keys.
export async function door() {
  const response = await reach("/session");
  if (!response.ok) throw new ApiError(`The hub answered ${response.status}`, "UNREACHABLE");
  return response.json();
}

export async function signIn(key) {
  const response = await send("POST", { key });
  if (response.ok) return;
  const { error } = await response.json().catch(() => ({}));
  throw new ApiError(error ?? `The hub answered ${response.status}`, "UNAUTHENTICATED");
}

export async function signOut() {
  const response = await send("DELETE");
  if (!response.ok) throw new ApiError(`The hub answered ${response.status}`, "UNREACHABLE");
}

// The viewer, with the roles whose feeds can be chosen here.
export async function viewer() {
  const { viewer: who, roles } = await query(WHO);
  return { ...who, choices: roles.filter(({ name }) => who.isAdmin || who.roles.includes(name)) };
}
