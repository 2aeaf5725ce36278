// Package pages tests what docs/managers tells people to type and to write: snippets are well-formed and understood by the managers
// that are installed, the options in them are there, and links lead somewhere. That the managers then do their work with tare
// is for tests/clients to show.
package pages
