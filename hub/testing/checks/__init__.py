"""What certification checks: one function each, which says what it saw or raises Failed."""
