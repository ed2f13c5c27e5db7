// Package store changes the stage store of a device: it adds and deletes bundles, sets the next stage and names, and
// records verdicts.
//
// A power cut or a killed process at any instant leaves a store that selects the old stage or the new one, without
// partial bundles, and that the next command can change. Three rules ensure this. A bundle is written under a temporary
// name and renamed to its number once all of it is synced. The store file refers to a bundle only while the bundle has
// its number. Files with temporary names are garbage: Open deletes them after it has taken the lock.
//
// The package does not select stages (package stages does), reads no pallets and mounts nothing.
package store
