package logx

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Format is the shape of a record.
type Format uint8

// The two formats of --log-format.
const (
	Text Format = iota
	JSON
)

// ParseFormat reads the value of --log-format; an empty one is Text.
func ParseFormat(s string) (Format, error) {
	switch s {
	case "", "text":
		return Text, nil
	case "json":
		return JSON, nil
	}
	return Text, fmt.Errorf("invalid log-format: %s: text and json are there", s)
}

// Options say how a handler writes. The zero value writes text, from level info up, without source lines.
type Options struct {
	Format Format
	Level  slog.Level // the lowest level that is written
	Source bool       // add the keys func and file
}

// Handler writes each record with one Write. It implements [slog.Handler].
type Handler struct {
	w      io.Writer
	o      Options
	attrs  []field // of WithAttrs, keys complete
	prefix string  // of WithGroup: "group."
}

// New returns a handler that writes to w. The caller keeps w and closes it.
func New(w io.Writer, o Options) *Handler {
	return &Handler{w: w, o: o}
}

// field is one key and its value, ready for either encoding.
type field struct {
	key   string
	value any
}

// Enabled reports whether a record of that level is written.
func (h *Handler) Enabled(_ context.Context, l slog.Level) bool {
	return l >= h.o.Level
}

// Handle writes the record.
func (h *Handler) Handle(_ context.Context, r slog.Record) error {
	extra := slices.Clone(h.attrs)
	r.Attrs(func(a slog.Attr) bool {
		extra = appendAttr(extra, h.prefix, a)
		return true
	})
	slices.SortStableFunc(extra, func(a, b field) int { return strings.Compare(a.key, b.key) })
	rec := record{
		time:  r.Time.Format(time.RFC3339),
		level: LevelName(r.Level),
		msg:   r.Message,
		extra: extra,
	}
	if h.o.Source && r.PC != 0 {
		f, _ := runtime.CallersFrames([]uintptr{r.PC}).Next()
		rec.function, rec.file, rec.line = f.Function, f.File, f.Line
	}
	line, err := rec.encode(h.o.Format)
	if err != nil {
		return err
	}
	_, err = h.w.Write(line)
	return err
}

// WithAttrs returns a handler whose records carry the attributes too.
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *h
	c.attrs = slices.Clone(h.attrs)
	for _, a := range attrs {
		c.attrs = appendAttr(c.attrs, h.prefix, a)
	}
	return &c
}

// WithGroup returns a handler that puts "name." before the keys of later attributes.
func (h *Handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	c := *h
	c.prefix += name + "."
	return &c
}

// appendAttr flattens a, groups included, into fields.
func appendAttr(to []field, prefix string, a slog.Attr) []field {
	v := a.Value.Resolve()
	if v.Kind() == slog.KindGroup {
		if a.Key != "" {
			prefix += a.Key + "."
		}
		for _, g := range v.Group() {
			to = appendAttr(to, prefix, g)
		}
		return to
	}
	if a.Key == "" {
		return to
	}
	return append(to, field{freeKey(prefix + a.Key), plain(v.Any())})
}

// freeKey moves an attribute out of the way of the record's own keys: a reader that decodes into
// {level, msg, time} must not meet a second one.
func freeKey(key string) string {
	switch key {
	case "level", "msg", "time", "func", "file":
		return "fields." + key
	}
	return key
}

// plain replaces values whose JSON form says nothing (an error is {}) by their text.
func plain(v any) any {
	switch v := v.(type) {
	case error:
		return v.Error()
	case time.Duration:
		return v.String()
	case fmt.Stringer:
		return v.String()
	}
	return v
}

// LevelName spells a level as callers match it.
func LevelName(l slog.Level) string {
	switch {
	case l < slog.LevelInfo:
		return "debug"
	case l < slog.LevelWarn:
		return "info"
	case l < slog.LevelError:
		return "warning"
	}
	return "error"
}
