// Package stages reads the stage store of a device, selects the stage of a boot, and computes the store's next state.
//
// The store file has Forklift's format, so that both tools read it; boot-state.json beside it is our own. One pure
// function, Select, chooses the stage for overlays and containers alike. Unreadable files count as absent and are
// reported as errors beside the result: a damaged store must not prevent a boot.
//
// The package writes nothing (package store does), mounts nothing, and reads no more of a bundle than its manifest.
package stages
