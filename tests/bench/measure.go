package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// sampler takes one sample of one or more figures of a runtime.
type sampler struct {
	figures []figure
	times   func(rounds int) int
	take    func(context.Context, *peer) ([]float64, error)
}

type figure struct{ name, unit string }

func samplers(o *options) []sampler {
	all := []sampler{
		{[]figure{{"run", "ms"}, {"CPU time of run", "ms"}}, every, takeRun},
		{[]figure{{"create+start+delete", "ms"}, {"create", "ms"}, {"start", "ms"}, {"delete", "ms"}}, every, takeCycle},
		{[]figure{{"create+start+delete --force", "ms"}}, fifth, takeForcedCycle},
		{[]figure{{"exec", "ms"}, {"CPU time of exec", "ms"}}, every, takeExec(1)},
		{[]figure{{"exec with 1,000 variables", "ms"}, {"CPU time of exec with 1,000 variables", "ms"}}, fifth, takeExec(1000)},
		{[]figure{{fmt.Sprintf("%d at once", o.together), "ms"}}, fifth, takeTogether(o.together)},
		{[]figure{{"peak memory of create", "KiB"}}, fifth, takePeak},
		{[]figure{
			{"waiting init: Rss", "KiB"},
			{"waiting init: Pss", "KiB"},
			{"waiting init: private", "KiB"},
			{"waiting init: threads", ""},
			{"waiting init: descriptors", ""},
		}, fifth, takeInit},
	}
	if o.strace {
		all = append(all, sampler{[]figure{{"system calls of run", ""}}, fifth, takeCalls})
	}
	return all
}

func every(rounds int) int { return rounds }
func fifth(rounds int) int { return (rounds + 4) / 5 }

// measureAll takes turns: no runtime has a quieter machine than the others.
func measureAll(ctx context.Context, o *options, peers []*peer, r *results) error {
	for _, s := range samplers(o) {
		if !wanted(s, o.only) {
			continue
		}
		out := map[*peer]bool{}
		samples := map[*peer][][]float64{}
		for round := -o.warmup; round < s.times(o.rounds); round++ {
			for i := range peers {
				p := peers[(i+round+o.warmup)%len(peers)]
				if out[p] {
					continue
				}
				values, err := s.take(ctx, p)
				if ctx.Err() != nil {
					return errors.New("interrupted")
				}
				if err != nil {
					fmt.Printf("%s: %s left out: %v\n", s.figures[0].name, p.Name, err)
					out[p] = true
					continue
				}
				if round >= 0 {
					samples[p] = append(samples[p], values)
				}
			}
		}
		for i, f := range s.figures {
			r.add(f, peers, samples, i)
		}
	}
	return nil
}

func wanted(s sampler, only string) bool {
	for _, word := range strings.Split(only, ",") {
		for _, f := range s.figures {
			if strings.Contains(f.name, word) {
				return true
			}
		}
	}
	return false
}

func ms(d time.Duration) float64 { return float64(d) / 1e6 }

func takeRun(ctx context.Context, p *peer) ([]float64, error) {
	took, cpu, err := p.callCPU(ctx, "run", "--bundle", p.bundle, p.newID())
	return []float64{ms(took), ms(cpu)}, err
}

func takeCycle(ctx context.Context, p *peer) ([]float64, error) {
	begin := time.Now()
	c, err := p.create(ctx)
	if err != nil {
		return nil, err
	}
	start, err := p.call(ctx, "start", c.id)
	if err != nil {
		return nil, errors.Join(err, c.destroy())
	}
	if err := c.wait(); err != nil {
		return nil, errors.Join(err, c.destroy())
	}
	remove, err := p.call(ctx, "delete", c.id)
	if err != nil {
		return nil, errors.Join(err, c.destroy())
	}
	return []float64{ms(time.Since(begin)), ms(c.took), ms(start), ms(remove)}, nil
}

// takeForcedCycle does not wait for the workload's end before it deletes, as a manager in a hurry.
func takeForcedCycle(ctx context.Context, p *peer) ([]float64, error) {
	begin := time.Now()
	c, err := p.create(ctx)
	if err != nil {
		return nil, err
	}
	for _, args := range [][]string{{"start", c.id}, {"delete", "--force", c.id}} {
		if _, err := p.call(ctx, args...); err != nil {
			return nil, errors.Join(err, c.destroy())
		}
	}
	took := time.Since(begin)
	return []float64{ms(took)}, c.wait()
}

// takeExec runs a process in a created container, with n environment variables more than the container has.
func takeExec(n int) func(context.Context, *peer) ([]float64, error) {
	return func(ctx context.Context, p *peer) (_ []float64, err error) {
		c, err := p.create(ctx)
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, c.destroy()) }()
		args := []string{"exec"}
		for i := range n {
			args = append(args, "--env", fmt.Sprintf("VARIABLE_%d=value of variable %d", i, i))
		}
		took, cpu, err := p.callCPU(ctx, append(args, c.id, "/true", asTrue)...)
		return []float64{ms(took), ms(cpu)}, err
	}
}

func takeTogether(n int) func(context.Context, *peer) ([]float64, error) {
	return func(ctx context.Context, p *peer) ([]float64, error) {
		ids := make([]string, n)
		for i := range ids {
			ids[i] = p.newID()
		}
		failed := make(chan error)
		begin := time.Now()
		for _, id := range ids {
			go func() {
				_, err := p.call(ctx, "run", "--bundle", p.bundle, id)
				failed <- err
			}()
		}
		var errs []error
		for range ids {
			errs = append(errs, <-failed)
		}
		return []float64{ms(time.Since(begin))}, errors.Join(errs...)
	}
}

// takeCalls counts system calls of all processes, down to the container's own.
func takeCalls(ctx context.Context, p *peer) ([]float64, error) {
	log, err := os.CreateTemp(p.bundle, "strace-")
	if err != nil {
		return nil, err
	}
	defer os.Remove(log.Name())
	defer log.Close()
	args := []string{"-f", "-qq", "-e", "signal=none", "-o", log.Name(), p.Path, "--root", p.root, "run", "--bundle", p.bundle, p.newID()}
	if err := exec.CommandContext(ctx, "strace", args...).Run(); err != nil {
		return nil, fmt.Errorf("strace %s: %w", p.Name, err)
	}
	n := 0
	for _, line := range readLines(log.Name()) {
		if !strings.Contains(line, "resumed>") { // the second half of a call
			n++
		}
	}
	return []float64{float64(n)}, nil
}
