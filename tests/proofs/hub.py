"""`hub` on a machine whose clock is wrong (PROOF_SKEW), or with a shorter lease (PROOF_LEASE)."""
# ruff: noqa: E402 - the modules of the hub take these by name when they are imported

import os
from datetime import timedelta

import hub.signals

SKEW = timedelta(seconds=float(os.environ.get("PROOF_SKEW", "0")))
true = hub.signals.now
setattr(hub.signals, "now", lambda: true() + SKEW)  # noqa: B010 - planted

import hub.lease
from hub.http.clients import Clients
from hub.http.network import Timeouts

if lease := os.environ.get("PROOF_LEASE"):
    hub.lease.LEASE = timedelta(seconds=float(lease))
    hub.lease.HEARTBEAT = float(hub.lease.LEASE / timedelta(seconds=4))

# An attempt or a poll that hangs does so for minutes: a busy machine starts the other hub slowly.
PATIENT = timedelta(minutes=5)
for asking, patience in (Clients.send, PATIENT), (Clients.api, Timeouts(*[PATIENT] * 3)):
    assert asking.__kwdefaults__ is not None
    asking.__kwdefaults__["timeout"] = patience

if __name__ == "__main__":
    from hub.__main__ import main

    main()
