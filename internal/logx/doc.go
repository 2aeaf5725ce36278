// Package logx writes log records in the two formats that callers of an OCI runtime read: text, as
// time="…" level=error msg="…" lines, and JSON, one object per line with sorted keys.
//
// It is a pair of encodings behind one [log/slog] handler. Levels are lower case and spelled as callers expect them
// ("error", "warning"); slog's own handlers print ERROR and WARN, which containerd does not take for an error.
//
// A record is one Write call, so records of several processes appended to one file do not mix. Nothing is buffered
// and nothing runs in the background: a record is in the file when the call returns. Write errors go back to slog,
// which drops them: a full disk must not change what the runtime does.
//
// Only internal/cli sets up logging; other packages return errors, and the init stage sends its warnings to the runtime. The package imports the
// standard library only.
package logx
