// Package builder turns a recipe into an image, in two halves: Compile, which is pure and yields a Plan, and Build,
// which reads nothing but the plan (and the sources that it names by digest) and obeys it.
//
// It prints nothing: what happens is told as a stream of Events.
package builder
