"""One file per source: a class whose fields are its settings and whose `pull` is its one duty."""
