// Package layerstore verifies and repairs the container images in the data directory of a Docker daemon.
//
// Docker checks a layer when it pulls or loads it, and never again: after a power cut or on a failing card, a layer with
// empty or changed files counts as present, also for a new pull. The package compares a layer with its diff ID, for which it
// reassembles the layer's archive from the files and Docker's tar-split metadata, and writes damaged layers again.
//
// It reads the format of the storage driver overlay2, needs root, downloads nothing, and leaves containers, tags and
// volumes alone.
package layerstore
