// Package pallet reads, checks, edits and bundles Forklift pallets. A bundle is a pallet as a stage store keeps it.
//
// Forklift (https://github.com/forklift-run/forklift) defines the formats; its package specification is
// https://github.com/forklift-run/forklift/blob/main/docs/specs/00-package.md. As in Forklift, unknown keys are
// ignored. Unlike in Forklift, no export can leave the bundle, and no file outside the pallet is read.
//
// A pallet is read together with its imports from required pallets, merged below its own files, and with the packages of
// required repositories. A Resolver finds requirements (package source implements one with Git), a Downloader fetches
// the downloads of exports (package download). A Bundle is data; Bundle.Write writes it. The same pallet gives the same
// bundle, byte for byte.
//
// The package starts no process, mounts nothing, and does not read stage stores. The constants whose names begin with
// max limit the time and memory that a hostile pallet can take.
package pallet
