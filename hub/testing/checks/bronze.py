"""Bronze: the connector loads, its settings are checked, and it reads what there is."""

import sys

from pydantic import ValidationError

from hub.config import SOURCE_KEYS
from hub.kinds import KINDS
from hub.testing.stage import Failed, Stage, expect

RECORDS = 5  # with two to a page that is three pages, the last one short


async def loads(stage: Stage) -> str:
    """Expect: it can be named in hub.toml, and shown."""
    connector = stage.connector
    said = connector.__doc__ or sys.modules[connector.__module__].__doc__
    expect(said, "neither the class nor its file has a docstring, which `hub connectors` shows")
    taken = SOURCE_KEYS & connector.model_fields.keys()
    expect(not taken, f"the hub takes the settings {', '.join(sorted(taken))} for itself")
    expect(connector.kinds, "it declares no kinds")
    unknown = connector.kinds - set(KINDS)
    expect(not unknown, f"no kinds of the catalogue: {', '.join(sorted(unknown))}")
    return f"{len(connector.kinds)} kinds, {len(connector.model_fields)} settings"


async def validates(stage: Stage) -> str:
    """Expect: settings are checked: the twin's are taken, and what is none of them is not."""
    settings = stage.twin.settings("http://127.0.0.1:9")
    try:
        stage.connector.model_validate(settings)
    except ValidationError as error:
        raise Failed(f"the twin's settings are refused: {error}") from error
    try:
        stage.connector.model_validate({**settings, "no_such_setting": 1})
    except ValidationError:
        return "an unknown setting is refused"
    raise Failed('an unknown setting is taken: keep model_config\'s extra="forbid"')


async def reads(stage: Stage) -> str:
    """Expect: it reads what there is, page by page, then nothing, then what is new."""
    names = stage.create_many(RECORDS)
    expect(len(set(names)) == RECORDS, "the twin gives two records the same external_id")
    await stage.expect_all_once()
    signals = await stage.signals()
    strange = {one.kind for one in signals.values()} - stage.connector.kinds
    expect(not strange, f"it emits kinds that it does not declare: {', '.join(sorted(strange))}")
    report = await stage.poll_well()
    expect(not report.signals, f"{report.signals} signals of a poll when nothing had happened")
    stage.create(RECORDS + 1)
    await stage.expect_all_once()
    return f"{RECORDS} records, nothing twice, then one more"
