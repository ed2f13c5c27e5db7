// Package builder builds images from recipes. Gather reads what a recipe refers to; Compile, which is pure, turns that
// into a Plan; Build writes the disk image of a plan and BuildContainer the container image, from nothing but the plan
// and the files that it names by digest. Resolve locks a recipe, and Why explains what a build would reuse.
//
// The package prints nothing: progress is a stream of Events.
package builder
