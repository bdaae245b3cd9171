"""The files that `hub connectors new` writes: a small API that works, to be made the vendor's."""
