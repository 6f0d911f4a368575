// Package architecture tests the repository itself: the walls between its layers, the rules of the
// house, and that every dependency has a reason. It has no code for other packages to use.
package architecture
