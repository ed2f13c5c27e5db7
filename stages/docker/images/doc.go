// Package images has the container images on a device that its stages need: it has those fetched that are missing before
// a stage can be next, so that the device starts without a network, and removes those that no stage needs any more.
//
// An image belongs to a stage by its name in the stage's compose files. What no stage ever needed is the user's own and
// is left alone. The package asks Docker through package stages/docker and runs no container.
package images
