"""What a user can do, one module a group of verbs; takes and returns values, prints nothing."""
