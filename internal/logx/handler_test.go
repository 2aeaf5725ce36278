package logx

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// counter remembers each Write on its own.
type counter struct{ writes []string }

func (c *counter) Write(p []byte) (int, error) {
	c.writes = append(c.writes, string(p))
	return len(p), nil
}

func at(level slog.Level, msg string, attrs ...slog.Attr) slog.Record {
	r := slog.NewRecord(time.Date(2026, 1, 2, 3, 4, 5, 678, time.UTC), level, msg, 0)
	r.AddAttrs(attrs...)
	return r
}

func TestHandle_Formats(t *testing.T) {
	tests := []struct {
		name   string
		format Format
		record slog.Record
		want   string
	}{
		{"text", Text, at(slog.LevelError, `exec: "sh": no`), `time="2026-01-02T03:04:05Z" level=error msg="exec: \"sh\": no"`},
		{"text word is quoted too", Text, at(slog.LevelInfo, "word"), `time="2026-01-02T03:04:05Z" level=info msg="word"`},
		{"text newline stays in the line", Text, at(slog.LevelError, "a\nb"), `time="2026-01-02T03:04:05Z" level=error msg="a\nb"`},
		{
			"text attributes are sorted", Text, at(slog.LevelWarn, "m", slog.String("id", "a b"), slog.Int("fd", 3)),
			`time="2026-01-02T03:04:05Z" level=warning msg="m" fd=3 id="a b"`,
		},
		{"json", JSON, at(slog.LevelError, `a "b"`), `{"level":"error","msg":"a \"b\"","time":"2026-01-02T03:04:05Z"}`},
		{
			"json error value", JSON, at(slog.LevelDebug, "m", slog.Any("error", errors.New("boom"))),
			`{"error":"boom","level":"debug","msg":"m","time":"2026-01-02T03:04:05Z"}`,
		},
		{
			"json own keys are kept free", JSON, at(slog.LevelInfo, "m", slog.String("level", "x"), slog.Group("g", slog.Int("n", 1))),
			`{"fields.level":"x","g.n":1,"level":"info","msg":"m","time":"2026-01-02T03:04:05Z"}`,
		},
		{"json invalid UTF-8", JSON, at(slog.LevelError, "a\xffb"), `{"level":"error","msg":"a` + `\ufffd` + `b","time":"2026-01-02T03:04:05Z"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := &counter{}
			if err := New(c, Options{Format: tt.format}).Handle(t.Context(), tt.record); err != nil {
				t.Fatal(err)
			}
			if len(c.writes) != 1 || c.writes[0] != tt.want+"\n" {
				t.Errorf("writes:\n%q\nwant one:\n%q", c.writes, tt.want+"\n")
			}
		})
	}
}

func TestHandle_Source(t *testing.T) {
	for _, format := range []Format{Text, JSON} {
		var buf bytes.Buffer
		slog.New(New(&buf, Options{Format: format, Source: true})).Error("m")
		for _, want := range []string{"logx.TestHandle_Source", "handler_test.go:"} {
			if !strings.Contains(buf.String(), want) {
				t.Errorf("format %d: no %q in %s", format, want, buf.String())
			}
		}
	}
}

func TestHandler_LevelAndAttrs(t *testing.T) {
	var buf bytes.Buffer
	l := slog.New(New(&buf, Options{Format: JSON, Level: slog.LevelWarn})).With("id", "web").WithGroup("mount")
	l.Info("below the level")
	if buf.Len() != 0 {
		t.Fatalf("written below the level: %s", buf.String())
	}
	l.Warn("m", "dest", "/data")
	var got map[string]string
	if err := json.Unmarshal(buf.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got["id"] != "web" || got["mount.dest"] != "/data" || got["level"] != "warning" {
		t.Errorf("record %s", buf.String())
	}
	if _, err := time.Parse(time.RFC3339, got["time"]); err != nil {
		t.Error(err)
	}
}

func TestParseFormat(t *testing.T) {
	for in, want := range map[string]Format{"": Text, "text": Text, "json": JSON} {
		if got, err := ParseFormat(in); err != nil || got != want {
			t.Errorf("ParseFormat(%q) = %v, %v", in, got, err)
		}
	}
	if _, err := ParseFormat("xml"); err == nil || err.Error() != "invalid log-format: xml: text and json are there" {
		t.Errorf("ParseFormat(xml): %v", err)
	}
}

// Whatever the message holds, a record is one line that its reader can decode back.
func FuzzHandle(f *testing.F) {
	f.Add("plain", "k")
	f.Add("a\nb\x00\xff\"", "time")
	f.Fuzz(func(t *testing.T, msg, value string) {
		var text, js bytes.Buffer
		r := at(slog.LevelError, msg, slog.String("key", value))
		if err := New(&text, Options{}).Handle(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		if err := New(&js, Options{Format: JSON}).Handle(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		for _, b := range [][]byte{text.Bytes(), js.Bytes()} {
			if bytes.Count(b, []byte("\n")) != 1 || b[len(b)-1] != '\n' {
				t.Fatalf("not one line: %q", b)
			}
		}
		var got struct{ Msg, Key, Level string }
		if err := json.Unmarshal(js.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		if got.Msg != strings.ToValidUTF8(msg, "\ufffd") && !strings.Contains(got.Msg, "\ufffd") {
			t.Fatalf("message %q became %q", msg, got.Msg)
		}
	})
}
