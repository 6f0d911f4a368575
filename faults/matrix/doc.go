// Package matrix holds the table of what Dropline does when one of its dependencies fails, in each way
// that it can fail, with a test for each cell. docs/reliability.md is generated from it.
package matrix
