// Package lock is the lock of a recipe: the exact packages, pallets, downloads and container images of an image, so that
// building it resolves no name. It reads, writes, compares and checks locks; package builder resolves them.
package lock
