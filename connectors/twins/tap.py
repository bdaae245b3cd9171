"""The program that the twin of `subprocess` stands for. It imports no more than it must."""

import json
import sys
from collections.abc import Mapping

LARGE = 10 * 1024 * 1024
FAILURES = {
    "TOKEN_EXPIRED": "requests.exceptions.HTTPError: 401 Client Error: Unauthorized for url: …",
    "FORBIDDEN": "requests.exceptions.HTTPError: 403 Client Error: Forbidden for url: …",
    "LIMITED": "requests.exceptions.HTTPError: 429 Client Error: Too Many Requests for url: …",
    "BROKEN": "requests.exceptions.HTTPError: 503 Server Error: Service Unavailable for url: …",
}


def say(message: object) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def given(flag: str) -> dict:  # type: ignore[type-arg]  # whatever JSON says
    if flag not in sys.argv:
        return {}
    with open(sys.argv[sys.argv.index(flag) + 1]) as file:  # noqa: PTH123 - pathlib is slow to come
        return dict(json.load(file))


def main() -> None:
    config, state = given("--config"), given("--state")
    sys.argv += ["--data", config["data"]]
    told = given("--data")
    if config["credentials"]["token"] != told["token"]:
        sys.exit(FAILURES["TOKEN_EXPIRED"])
    if told["lines"]:
        sys.stdout.write("\n".join(told["lines"]) + "\n")
        return
    sys.stderr.write("INFO starting\n")
    if told["fault"] in FAILURES:
        sys.exit(FAILURES[told["fault"]])
    say({"type": "SCHEMA", "stream": "items", "schema": {}, "key_properties": ["id"]})
    if told["fault"] == "CUT_SHORT":
        sys.stdout.write('{"type": "RECORD", "stream": "items", "rec')
        return
    known = state if state.get("epoch") == told["epoch"] else {}
    if told["blank"]:
        say({"type": "STATE", "value": {**known, "blank": True}})
    # Inclusive, as most taps are.
    news = [one for one in told["records"] if one["version"] >= known.get("version", 0)]
    for number, record in enumerate(news, start=1):
        stream, version = record.pop("stream"), record.pop("version")
        change(record, number, told)
        say({"type": "RECORD", "stream": stream, "record": record})
        if number % told["page"] == 0 or number == len(news):
            say({"type": "STATE", "value": {"version": version, "epoch": told["epoch"]}})


def change(record: dict, number: int, told: Mapping) -> None:  # type: ignore[type-arg]
    if told["fault"] == "LARGE_BODY":
        record["blob"] = "x" * LARGE
    if told["fault"] == "DRIFT":
        if told["turn"] >= 0:
            record[sorted(record)[(number + told["turn"]) % len(record)]] = None
        record["x_new"] = {"nested": None}


main()
