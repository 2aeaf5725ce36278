// Package view describes what the probe workload sees from inside a container.
//
// The probe (tests/probe) fills a Report and prints it as JSON, the integration tests decode it. A part that the
// container cannot show, say because it has no /proc, is nil and never an error: a test demands what it needs.
//
// The package holds types only and imports nothing.
package view
