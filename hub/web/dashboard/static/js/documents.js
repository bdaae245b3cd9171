// Everything this page asks of the hub. All of it is public: paste it into any GraphQL client.

const SIGNAL = `id kind family department title summary url severity status sentiment
  occurredAt receivedAt updatedAt account { name } author { name } source { name } labels outline`;
const RELEVANCE = "score reasons { name weight evidence }";

export const WHO = "query Who { viewer { name roles isAdmin } roles { name description } }";

export const FEED = `query Feed($role: String!, $first: Int, $after: String) {
  feed(role: $role, first: $first, after: $after) {
    edges { cursor ${RELEVANCE} node { ${SIGNAL} } }
    pageInfo { hasNextPage endCursor }
    resumeFrom
  }
}`;

export const LIVE = `subscription Live($role: String!, $after: String) {
  feed(role: $role, after: $after) {
    __typename
    ... on FeedCreated { cursor ${RELEVANCE} signal { ${SIGNAL} } }
    ... on FeedUpdated { cursor ${RELEVANCE} signal { ${SIGNAL} } }
    ... on FeedWithdrawn { cursor signalId }
    ... on CursorExpired { message oldest }
  }
}`;

export const SOURCES = `query Sources {
  sources {
    name connector state lastError lastSuccessAt nextPollAt lagSeconds signals quarantined
  }
}`;
