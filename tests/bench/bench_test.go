package main

import "testing"

func TestFigures(t *testing.T) {
	tare, other := &peer{Name: "tare"}, &peer{Name: "other"}
	var samples [10]float64
	for i := range samples {
		samples[i] = float64(10 - i) // not in order
	}
	of := func(factor float64) (all [][]float64) {
		for _, v := range samples {
			all = append(all, []float64{0, factor * v})
		}
		return all
	}
	var r results
	r.add(figure{"run", "ms"}, []*peer{tare, other, {Name: "absent"}}, map[*peer][][]float64{tare: of(1), other: of(3)}, 1)
	cells := r.Figures[0].Cells
	if len(cells) != 2 {
		t.Fatalf("%d cells, want 2: a runtime without samples has none", len(cells))
	}
	if c := cells[0]; c.Median != 5 || c.P10 != 1 || c.P90 != 9 || c.Ratio != 1 {
		t.Errorf("tare: %+v", c)
	}
	if c := cells[1]; c.Median != 15 || c.Ratio != 3 {
		t.Errorf("other: %+v", c)
	}
}
