// Package images manages the container images of stages on a device: it fetches missing ones before a stage can be next, so
// that the device boots without a network, and removes those that no stage needs any more.
//
// A stage needs the images that its compose files name. Images that no stage ever needed are the user's, and are left
// alone. The package uses stages/docker and runs no container.
package images
