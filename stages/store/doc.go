// Package store changes the stage store of a device: it adds bundles, says which one is next, records verdicts, and
// removes what no longer serves.
//
// A power cut or a killed process at any instant leaves a store that selects the old stage or the new one, in which no
// bundle is half there, and that the next command can change. Three rules see to it. A bundle is filled under a
// temporary name and gets its number when all of it is on the disk. The store file refers to a bundle only while it has
// a number. What has a temporary name belongs to nobody: whoever holds the lock deletes it on sight.
//
// The package does not choose stages (package stages does), reads no pallets and mounts nothing.
package store
