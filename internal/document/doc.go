// Package document reads and writes JSON (RFC 8259) for the program's own types: config.json, state.json, the state that hooks
// get. The result is that of encoding/json, which the tests hold it to. Two things are different, and the reason for it:
//
//   - It looks at a type only as far as the text does, while a first use of encoding/json looks at all that can be reached
//     from the type: 0.7 ms for a runtime-spec Spec, in each process anew, against 0.1 ms here.
//   - A *Mistake says where the value is, as a path and as line and column, which encoding/json does not tell.
//
// Structs (with embedded ones), pointers, slices, maps with string keys, strings, booleans, integers, and what reads and
// writes itself as text (time.Time) is all that there is in those types, and all that is handled.
package document
