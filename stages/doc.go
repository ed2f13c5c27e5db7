// Package stages is the stage store of a device: which bundles there are, which one the device starts with, and how
// the attempts at a new one are counted.
//
// The store file has Forklift's format, so that both tools read each other's; boot-state.json beside it is ours. One
// function, Select, chooses the stage of a boot, for overlays and containers alike; it is pure. Whatever is unreadable
// in the store counts as absent and is said, since a broken store must never keep a device from starting.
//
// The package mounts nothing, and knows nothing of what is in a bundle beyond its being complete.
package stages
