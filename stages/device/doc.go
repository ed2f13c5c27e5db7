// Package device holds what an administrator's commands mean on a device: staging a pallet, choosing the next stage,
// removing and judging stages, upgrades, overrides, and resets. Package main of pkctl parses flags and prints.
//
// Every change of a file is made under the lock of its directory: the stage store's (stages, pallet-upgrades.yml,
// images.json), or the state directory's (ledger.json, revert.json, reset.json), which belongs to root alone, while
// members of the group pkctl change the store. A command that needs both takes the store's first. Downloads hold no lock.
// A file is replaced or removed durably, so that a command that reported success survives a power cut.
//
// The package reads no pallets, mounts nothing, and applies no stage (package apply does).
package device
