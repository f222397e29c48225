"""Parts of a drafted policy: what a file of rows tells, and the templates that it is written into."""
