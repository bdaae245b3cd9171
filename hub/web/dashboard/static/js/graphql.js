// The dashboard is an ordinary client of the public API: what it shows, any other tool can ask for.

export class ApiError extends Error {
  constructor(message, code) {
    super(message);
    this.code = code;
  }
}

// Told to the page once, wherever the session is found to have ended.
export const SIGNED_OUT = "hub:signed-out";
export const tellSignedOut = () => dispatchEvent(new Event(SIGNED_OUT));

export async function query(document, variables = {}, signal = undefined) {
  const response = await reach("/graphql", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ query: document, variables }),
    signal,
  });
  const answer = await response.json().catch(() => null);
  if (!answer) throw new ApiError(`The hub answered ${response.status} without data`, "UNREACHABLE");
  if (answer.errors?.length) {
    const { message, extensions } = answer.errors[0];
    if (extensions?.code === "UNAUTHENTICATED") tellSignedOut();
    throw new ApiError(message, extensions?.code ?? "INTERNAL");
  }
  return answer.data;
}

export async function reach(path, options) {
  try {
    return await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError("The hub cannot be reached", "UNREACHABLE");
  }
}

// Whether asking again later can help; a role that does not exist stays that way.
export const isPassing = ({ code }) => ["UNREACHABLE", "UNAVAILABLE", "INTERNAL"].includes(code);
