"""The many ways in which vendors say no: each is recognised, and says what to do about it.

The bodies are shaped by the vendors' documentation, or by what their servers are known to send.
"""

import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from hub.errors import (
    AuthFailed,
    RateLimited,
    SourceError,
    SourceMisbehaved,
    SourceUnavailable,
)
from hub.http.answers import decode, judge


@dataclass(frozen=True)
class No:
    vendor: str
    status: int
    body: Any
    kind: type[SourceError]
    words: str
    headers: dict[str, str] = field(default_factory=dict)
    wait: float | None = None


TOO_OFTEN, CLOSED = "Please limit requests to one every 5 seconds", "Bad credentials"
NOES = (
    # Salesforce: https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/errorcodes.htm
    No("salesforce session", 401, [{"message": "Session expired or invalid",
       "errorCode": "INVALID_SESSION_ID"}], AuthFailed, "Session expired"),
    No("salesforce quota", 403, [{"message": "TotalRequests Limit exceeded.",
       "errorCode": "REQUEST_LIMIT_EXCEEDED"}], RateLimited, "TotalRequests",
       {"sforce-limit-info": "api-usage=15000/15000"}),
    No("salesforce quota, no header", 403, [{"message": "TotalRequests Limit exceeded.",
       "errorCode": "REQUEST_LIMIT_EXCEEDED"}], RateLimited, "TotalRequests"),
    No("salesforce rights", 403, [{"message": "The REST API is not enabled for this organization",
       "errorCode": "API_DISABLED_FOR_ORG"}], AuthFailed, "not enabled",
       {"sforce-limit-info": "api-usage=900/15000"}),
    No("salesforce query", 400, [{"message": "No such column 'X__c' on entity 'Opportunity'",
       "errorCode": "INVALID_FIELD"}], SourceMisbehaved, "No such column"),
    No("salesforce locator", 400, [{"message": "invalid query locator",
       "errorCode": "INVALID_QUERY_LOCATOR"}], SourceMisbehaved, "invalid query locator"),
    No("salesforce down", 503, [{"message": "Server unavailable",
       "errorCode": "SERVER_UNAVAILABLE"}], SourceUnavailable, "Server unavailable"),
    # GitHub: https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api
    No("github limit", 403, {"message": "API rate limit exceeded for user ID 1."}, RateLimited,
       "exceeded", {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "30"}, 30),
    No("github secondary limit", 403, {"message": "You have exceeded a secondary rate limit."},
       RateLimited, "secondary", {"x-ratelimit-remaining": "4987"}),
    No("github secondary limit with a wait", 403, {"message": "You have triggered an abuse "
       "detection mechanism."}, RateLimited, "abuse", {"retry-after": "60"}, 60),
    No("github rights", 403, {"message": "Resource not accessible by personal access token",
       "status": "403"}, AuthFailed, "not accessible", {"x-ratelimit-remaining": "4987"}),
    No("github token", 401, {"message": CLOSED, "status": "401"}, AuthFailed, CLOSED),
    No("github private", 404, {"message": "Not Found"}, SourceMisbehaved,
       "whether the sign-in may see it"),
    # HubSpot: https://developers.hubspot.com/docs/developer-tooling/platform/usage-guidelines
    No("hubspot second", 429, {"message": "You have reached your secondly limit.",
       "errorType": "RATE_LIMIT", "policyName": "SECONDLY"}, RateLimited, "secondly", {}, 1),
    No("hubspot ten seconds", 429, {"message": "You have reached your ten_secondly limit.",
       "policyName": "TEN_SECONDLY_ROLLING"}, RateLimited, "ten", {}, 10),
    No("hubspot day", 429, {"message": "You have reached your daily limit.",
       "errorType": "RATE_LIMIT", "policyName": "DAILY"}, RateLimited, "daily", {}, 3600),
    No("hubspot token", 401, {"status": "error", "message": "The OAuth token used expired",
       "category": "EXPIRED_AUTHENTICATION"}, AuthFailed, "expired"),
    No("hubspot scope", 403, {"status": "error", "message": "This app hasn't been granted all "
       "required scopes", "category": "MISSING_SCOPES"}, AuthFailed, "required scopes"),
    No("hubspot move", 477, {"status": "error", "message": "Migration in progress"},
       SourceUnavailable, "Migration"),
    # Pipedrive: https://pipedrive.readme.io/docs/core-api-concepts-rate-limiting
    No("pipedrive token", 401, {"success": False, "error": "unauthorized access",
       "errorCode": 401}, AuthFailed, "unauthorized access"),
    No("pipedrive unpaid", 402, {"success": False, "error": "Company account is not open"},
       AuthFailed, "not open"),
    No("pipedrive burst", 429, {"success": False, "error": "request over limit"}, RateLimited,
       "over limit", {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "2"}, 2),
    # Zendesk: https://developer.zendesk.com/api-reference/introduction/rate-limits/
    No("zendesk token", 401, {"error": "Couldn't authenticate you"}, AuthFailed, "authenticate"),
    No("zendesk role", 403, {"error": {"title": "Forbidden", "message": "You do not have access to "
       "this page."}}, AuthFailed, "do not have access"),
    No("zendesk export limit", 429, {"error": "APIRateLimitExceeded", "description": "Number of "
       "allowed incremental ticket export API requests per minute exceeded"}, RateLimited,
       "incremental", {"retry-after": "46", "ratelimit-remaining": "699"}, 46),
    No("zendesk time", 422, {"error": "StartTimeTooRecent", "description": "Too recent start_time"},
       SourceMisbehaved, "Too recent"),
    # Intercom: https://developers.intercom.com/docs/references/rest-api/errors/error-codes
    No("intercom token", 401, {"type": "error.list", "errors": [{"code": "unauthorized",
       "message": "Access Token Invalid"}]}, AuthFailed, "Access Token Invalid"),
    No("intercom plan", 403, {"type": "error.list", "errors": [{"code": "api_plan_restricted",
       "message": "Active subscription needed."}]}, AuthFailed, "subscription"),
    No("intercom limit", 429, {"type": "error.list", "errors": [{"code": "rate_limit_exceeded",
       "message": "Exceeded rate limit"}]}, RateLimited, "Exceeded",
       {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "5"}, 5),
    # Sentry: https://docs.sentry.io/api/ratelimits/
    No("sentry token", 401, {"detail": "Invalid token"}, AuthFailed, "Invalid token"),
    No("sentry scope", 403, {"detail": "You do not have permission to perform this action."},
       AuthFailed, "permission"),
    No("sentry limit", 429, {"detail": "You are attempting to use this endpoint too frequently. "
       "Limit is 40 requests in 1 seconds"}, RateLimited, "too frequently",
       {"x-sentry-rate-limit-remaining": "0", "x-sentry-rate-limit-reset": "1"}, 1),
    No("sentry gone", 404, {"detail": "The requested resource does not exist"}, SourceMisbehaved,
       "does not exist"),
    # PagerDuty: https://developer.pagerduty.com/docs/errors
    No("pagerduty token", 401, {"error": {"message": "Authentication failed", "code": 2006}},
       AuthFailed, "Authentication failed"),
    No("pagerduty limit, without headers", 429, {"error": {"message": "Rate Limit Exceeded",
       "code": 2020}}, RateLimited, "Rate Limit"),
    No("pagerduty input", 400, {"error": {"message": "Invalid Input Provided", "code": 2001,
       "errors": ["Offset must be less than 10000"]}}, SourceMisbehaved, "Invalid Input"),
    # Mastodon: https://docs.joinmastodon.org/entities/Error/
    No("mastodon token", 401, {"error": "The access token was revoked"}, AuthFailed, "revoked"),
    No("mastodon nobody's token", 422, {"error": "This method requires an authenticated user"},
       AuthFailed, "authenticated user"),
    No("mastodon disabled", 403, {"error": "Your login is currently disabled"}, AuthFailed,
       "disabled"),
    No("mastodon limit", 429, {"error": "Too many requests"}, RateLimited, "Too many",
       {"date": "Sat, 01 Aug 2026 14:55:00 GMT", "x-ratelimit-remaining": "0",
        "x-ratelimit-reset": "2026-08-01T15:00:00.869Z"}, 300.869),
    # Bluesky: https://atproto.com/specs/xrpc#error-responses
    No("bluesky expired", 400, {"error": "ExpiredToken", "message": "Token has expired"},
       AuthFailed, "Token has expired"),
    No("bluesky invalid", 400, {"error": "InvalidToken", "message": "Token could not be verified"},
       AuthFailed, "verified"),
    No("bluesky password", 401, {"error": "AuthenticationRequired", "message": "Invalid identifier "
       "or password"}, AuthFailed, "identifier"),
    No("bluesky input", 400, {"error": "InvalidRequest", "message": "Error: q must not be empty"},
       SourceMisbehaved, "q must"),
    No("bluesky limit", 429, {"error": "RateLimitExceeded", "message": "Rate Limit Exceeded"},
       RateLimited, "Rate Limit", {"ratelimit-remaining": "0", "ratelimit-reset": "9"}, 9),
    No("bluesky upstream", 502, {"error": "UpstreamFailure", "message": "Upstream failure"},
       SourceUnavailable, "Upstream"),
    # Slack (besides 200): https://docs.slack.dev/apis/web-api/rate-limits/
    No("slack limit", 429, {"ok": False, "error": "ratelimited"}, RateLimited, "ratelimited",
       {"retry-after": "30"}, 30),
    # Mattermost: https://developers.mattermost.com/api-documentation/
    No("mattermost session", 401, {"id": "api.context.session_expired.app_error",
       "message": "Invalid or expired session, please login again.", "status_code": 401},
       AuthFailed, "expired session"),
    No("mattermost limit", 429, "limit exceeded\n", RateLimited, "limit exceeded",
       {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1"}, 1),
    # Matrix: https://spec.matrix.org/latest/client-server-api/#standard-error-response
    No("matrix limit", 429, {"errcode": "M_LIMIT_EXCEEDED", "error": "Too Many Requests",
       "retry_after_ms": 2500}, RateLimited, "Too Many", {}, 2.5),
    No("matrix token", 401, {"errcode": "M_UNKNOWN_TOKEN", "error": "Invalid access token"},
       AuthFailed, "Invalid access token"),
    # Discord, Telegram, Graph, Google: what `rest` may meet.
    No("discord limit", 429, {"message": "You are being rate limited.", "retry_after": 64.57,
       "global": False}, RateLimited, "rate limited", {}, 64.57),
    No("telegram limit", 429, {"ok": False, "error_code": 429, "description": "Too Many Requests: "
       "retry after 14", "parameters": {"retry_after": 14}}, RateLimited, "Too Many", {}, 14),
    No("google limit", 403, {"error": {"errors": [{"domain": "usageLimits",
       "reason": "userRateLimitExceeded"}], "code": 403, "message": "User Quota Exceeded"}},
       RateLimited, "User Quota"),
    No("google rights", 403, {"error": {"errors": [{"reason": "insufficientPermissions"}],
       "code": 403, "message": "Request had insufficient scopes"}}, AuthFailed, "scopes"),
    No("graph token", 401, {"error": {"code": "InvalidAuthenticationToken", "message": "Lifetime "
       "validation failed, the token is expired."}}, AuthFailed, "Lifetime"),
    No("graph resync", 410, {"error": {"code": "resyncRequired", "message": "Resync required"}},
       SourceMisbehaved, "Resync"),
    # RFC 6750, section 3.1
    No("a bearer token in a 400", 400, {"error": "invalid_token", "error_description": "expired"},
       AuthFailed, "expired"),
    # WordPress: https://developer.wordpress.org/rest-api/
    No("wordpress page", 400, {"code": "rest_post_invalid_page_number", "message": "Page number "
       "is larger than the number of pages."}, SourceMisbehaved, "Page number"),
    No("a firewall's page", 403, "<html><title>Attention Required!</title>", AuthFailed,
       "Attention Required!"),
    No("a proxy's page", 504, "<h1>Gateway Time-out</h1>", SourceUnavailable, "Gateway Time-out"),
)  # fmt: skip


def judged(no: No) -> SourceError | None:
    text = no.body if isinstance(no.body, str) else json.dumps(no.body)
    return judge(
        no.status,
        no.headers,
        text.encode(),
        host="api.vendor.example",
        path="/things",
        clean=lambda text: text,
    )


@pytest.mark.parametrize("no", NOES, ids=[no.vendor for no in NOES])
def test_each_vendors_no(no: No) -> None:
    refusal = judged(no)
    assert type(refusal) is no.kind
    assert no.words in str(refusal)
    assert str(no.status) in str(refusal)
    if isinstance(refusal, RateLimited):
        wait = None if no.wait is None else timedelta(seconds=no.wait)
        assert refusal.retry_after == wait


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (TOO_OFTEN, RateLimited),
        ("Your query was too short or too long.", SourceMisbehaved),
        ("<html><body>Too Many Requests</body></html>", RateLimited),
        ("<!doctype html><title>Sign in - Acme SSO</title>", SourceMisbehaved),
    ],
)
def test_a_sentence_in_place_of_json(said: str, kind: type[SourceError]) -> None:
    """GDELT says everything with 200 and text/html, and others so say that one must sign in."""
    with pytest.raises(kind) as caught:
        decode(said.encode(), {"content-type": "text/html"}, host="api.vendor.example")
    assert type(caught.value) is kind
    told = said.partition("<title>")[2].partition("<")[0] or said
    assert told.removeprefix("<html><body>").removesuffix("</body></html>") in str(caught.value)


def test_what_is_no_refusal_is_none() -> None:
    assert (
        judged(
            No("any", 200, {"error": "in a 200 it is the connector's", "code": 1}, SourceError, "")
        )
        is None
    )
