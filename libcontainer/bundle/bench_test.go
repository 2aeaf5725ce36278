package bundle

import (
	"os"
	"testing"
)

// BenchmarkDecode and BenchmarkValidate are of a warm process.
func BenchmarkDecode(b *testing.B) {
	text := benchText(b)
	for b.Loop() {
		if _, err := decode(text); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkValidate(b *testing.B) {
	spec, err := decode(benchText(b))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if p := Validate(spec); p != nil {
			b.Fatal(p)
		}
	}
}

func benchText(b *testing.B) []byte {
	text, err := os.ReadFile("../../tests/bundles/valid/docker.json")
	if err != nil {
		b.Fatal(err)
	}
	return text
}
