// Package step runs the named steps that a container comes to life by, in the runtime and in the init stage.
// It is the one place where a step begins and ends: an *Error has the name of the one that failed, and a timeline
// of a start can be taken here. The package imports nothing of tare.
package step

import "fmt"

// Step is one step of the work on a T.
type Step[T any] struct {
	Name string
	Run  func(T) error
	// Undo, if any, takes back what Run did, after a later step has failed. It does not run when Run itself
	// failed: that cleans up after itself.
	Undo func(T) error
}

// Error tells which step failed. Its text is that of the cause, which says what was attempted. The name is for who debugs tare, and
// for the text of an undoing that failed.
type Error struct {
	Step string
	Err  error
}

func (e *Error) Error() string { return e.Err.Error() }

func (e *Error) Unwrap() error { return e.Err }

// Run runs steps in order. When one fails, those before it are undone in reverse order, and the error is an
// *Error of the failed step; what went wrong in undoing follows it.
func Run[T any](t T, steps []Step[T]) error {
	for i, s := range steps {
		if err := s.Run(t); err != nil {
			return undo(t, steps[:i], &Error{Step: s.Name, Err: err})
		}
	}
	return nil
}

// undo takes back what was done, and passes on the cause, in one line with what remains of it.
func undo[T any](t T, done []Step[T], cause error) error {
	for i := len(done) - 1; i >= 0; i-- {
		if done[i].Undo == nil {
			continue
		}
		if err := done[i].Undo(t); err != nil {
			cause = fmt.Errorf("%w; and undoing %s: %w", cause, done[i].Name, err)
		}
	}
	return cause
}
